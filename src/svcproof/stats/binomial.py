"""The binomial distribution's tails, exactly, and the inverses that are needed of them.

All are the regularized incomplete beta function I (NIST's Digital Library of
Mathematical Functions, 8.17.5), which keeps its relative precision down to 1e-300:
P(X ≥ c) = I_p(c, n-c+1). ``scipy.special`` has it, and loads in a third of the time
that ``scipy.stats`` takes.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

__all__ = [
    "at_least",
    "at_most",
    "load",
    "ordinary",
    "share_at_least",
    "share_at_most",
    "two_sided",
]


def load() -> None:
    """Load what all of this needs, while there is nothing else to do."""
    import scipy.special  # noqa: F401


def at_least(count: int, trials: int, share: float) -> float:
    """P(X ≥ count), X being Binomial(trials, share)."""
    from scipy.special import betainc

    if count <= 0:
        return 1.0
    if count > trials:
        return 0.0
    return float(betainc(count, trials - count + 1, share))


def at_most(count: int, trials: int, share: float) -> float:
    """P(X ≤ count), X being Binomial(trials, share)."""
    return at_least(trials - count, trials, 1 - share)


def two_sided(count: int, trials: int, share: float) -> float:
    """The exact two-sided p-value: twice the smaller tail.

    Of the several definitions, this is the one that goes with Clopper and Pearson's
    interval, and whose region of rejection is simply a number at either end.
    """
    tail = min(at_least(count, trials, share), at_most(count, trials, share))
    return min(1.0, 2 * tail)


def ordinary(trials: int, share: float, tail: float) -> range:
    """The counts of which neither tail is as small as ``tail``."""
    low = bisect_right(range(trials + 1), tail, key=lambda n: at_most(n, trials, share))
    high = bisect_left(
        range(trials + 1), True, key=lambda count: at_least(count, trials, share) <= tail
    )
    return range(low, high)


def share_at_least(count: int, trials: int, power: float) -> float:
    """The smallest share with which P(X ≥ count) is ``power``; for 1 ≤ count ≤ trials."""
    from scipy.special import betaincinv

    return float(betaincinv(count, trials - count + 1, power))


def share_at_most(count: int, trials: int, power: float) -> float:
    """The greatest share with which P(X ≤ count) is ``power``; for 0 ≤ count < trials."""
    return 1 - share_at_least(trials - count, trials, power)
