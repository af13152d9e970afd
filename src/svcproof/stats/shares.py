"""Does each backend get its share, and how small a deviation would have been seen?

The test is exact: each backend's count is binomial, both its tails are computed,
and the smallest tail of all is multiplied by their number (Bonferroni's bound).
Pearson's chi-square is not used: its p-value is an approximation, and would break
the stated rate. At 1e-8, 66 connections to ten backends raise twelve times as many
false alarms as that (``docs/arithmetic.md``). The faults that occur hit one
backend (a rule twice, one missing, one with a wrong probability), and for these the
largest deviation is also the more powerful statistic.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from svcproof.stats.binomial import at_least, at_most, ordinary, share_at_least, share_at_most
from svcproof.stats.sizes import CELL_ALPHA

__all__ = [
    "Fit",
    "Shares",
    "goodness_of_fit",
    "skew_sample_size",
    "smallest_skew",
    "visible_shares",
]

#: How surely a skew is seen that is said to be visible.
POWER: Final = 0.99


@dataclass(frozen=True, slots=True)
class Fit:
    """How well counts fit the shares that are due, and the backend that fits least.

    With draws as due, ``p_value`` is at most α with a probability of at most α, for any α.
    """

    p_value: float
    backend: int
    count: int
    expected: float


@dataclass(frozen=True, slots=True)
class Shares:
    """Shares that a sample would have shown; None where it is too small for any.

    A backend with ``low`` or less, or with ``high`` or more, is seen with the power
    that was asked for.
    """

    low: float | None
    high: float | None


def goodness_of_fit(counts: Sequence[int], weights: Sequence[float] | None = None) -> Fit:
    """Judge how many connections each backend got, against equal shares or ``weights``.

    ``weights`` sum up to 1. p = 2k · min over backends i of P(X_i ≤ c_i) and P(X_i ≥ c_i),
    X_i being Binomial(n, w_i). With two backends the lower tail of one is the upper tail of
    the other, and two tails are counted instead of four.
    """
    shares = _shares(counts, weights)
    total = sum(counts)
    tails = [
        min(at_most(count, total, share), at_least(count, total, share))
        for count, share in zip(counts, shares, strict=True)
    ]
    least = min(range(len(counts)), key=tails.__getitem__)
    return Fit(
        p_value=min(1.0, _tail_count(len(counts)) * tails[least]),
        backend=least,
        count=counts[least],
        expected=total * shares[least],
    )


def visible_shares(
    connections: int, backends: int, alpha: float = CELL_ALPHA, power: float = POWER
) -> Shares:
    """The shares of one backend that :func:`goodness_of_fit` calls wrong at ``alpha``.

    Exact for that backend's own count: the share q with P(X ≥ h) = power, X being
    Binomial(n, q) and h the smallest count that is called wrong; likewise below. The
    counts of the others can only make the test more sure.
    """
    _require(backends, alpha, power)
    usual = ordinary(connections, 1 / backends, alpha / _tail_count(backends))
    low, high = usual.start - 1, usual.stop
    if backends == 1:
        return Shares(None, None)
    return Shares(
        low=share_at_most(low, connections, power) if low >= 0 else None,
        high=share_at_least(high, connections, power) if high <= connections else None,
    )


def smallest_skew(
    connections: int, backends: int, alpha: float = CELL_ALPHA, power: float = POWER
) -> float:
    """How much above its fair share one backend must be, to be seen with this power.

    Relative to the share: 0.4 is a backend that gets (1 + 0.4)/k. Infinite where no
    skew would be seen. A backend that is short by as much is seen as well, if the sample
    is large enough to see a shortage at all; :func:`visible_shares` has both sides.
    """
    high = visible_shares(connections, backends, alpha, power).high
    return math.inf if high is None else high * backends - 1


def skew_sample_size(
    skew: float, backends: int, alpha: float = CELL_ALPHA, power: float = POWER
) -> int:
    """How many connections show a backend with a share of (1 + skew)/k, with this power.

    ``skew`` is negative for a backend that gets too few; -1 is one that gets none. The
    number suffices and one less does not; as counts are whole numbers, a few more can
    fall short again, by little.
    """
    _require(backends, alpha, power)
    if backends == 1 or not -1 <= skew <= backends - 1 or skew == 0:
        raise ValueError(f"one of {backends} backends cannot have a skew of {skew}")

    def seen(connections: int) -> bool:
        visible = visible_shares(connections, backends, alpha, power)
        share = (1 + skew) / backends
        if skew > 0:
            return visible.high is not None and share >= visible.high
        return visible.low is not None and share <= visible.low

    enough = 1
    while not seen(enough):
        enough *= 2
    too_few = enough // 2
    while enough - too_few > 1:
        middle = (enough + too_few) // 2
        enough, too_few = (middle, too_few) if seen(middle) else (enough, middle)
    return enough


def _tail_count(backends: int) -> int:
    """How many tails are looked at that are not the same."""
    return 2 if backends <= 2 else 2 * backends


def _shares(counts: Sequence[int], weights: Sequence[float] | None) -> Sequence[float]:
    if not counts or min(counts) < 0:
        raise ValueError(f"counts of one backend or more, none negative, not {list(counts)}")
    if weights is None:
        return [1 / len(counts)] * len(counts)
    if len(weights) != len(counts):
        raise ValueError(f"{len(weights)} weights for {len(counts)} counts")
    if min(weights) < 0 or not math.isclose(sum(weights), 1, abs_tol=1e-9):
        raise ValueError(f"weights are shares that sum up to 1, not {list(weights)}")
    return weights


def _require(backends: int, alpha: float, power: float) -> None:
    if backends < 1:
        raise ValueError(f"one backend or more, not {backends}")
    if not (0 < alpha < 1 and 0 < power < 1):
        raise ValueError(f"alpha and power are between 0 and 1, not {alpha} and {power}")
