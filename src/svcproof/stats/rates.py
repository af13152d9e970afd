"""What so many failures among so many attempts say about the rate of failures."""

from __future__ import annotations

from typing import Final

from svcproof.stats.binomial import share_at_least, share_at_most

__all__ = ["budget", "loss_bound", "loss_proven"]

#: How surely a bound holds. It is told to people, and decides nothing.
CONFIDENCE: Final = 0.99


def loss_bound(failed: int, total: int, confidence: float = CONFIDENCE) -> float:
    """The rate of failures that is not exceeded, with this confidence.

    Clopper and Pearson's upper bound, one-sided (Biometrika 26, 1934): the rate with
    which so few failures, or fewer, come with a probability of 1 - confidence. For no
    failure in n it is 1 - (1-confidence)^(1/n): 0 of 3,000 are below 0.154 %.
    Round it up where it is printed.
    """
    _require(failed, total, confidence)
    return 1.0 if failed == total else share_at_most(failed, total, 1 - confidence)


def loss_proven(failed: int, total: int, confidence: float = CONFIDENCE) -> float:
    """The rate of failures that is exceeded, with this confidence: the lower bound.

    One-sided as well: the two together enclose the rate with 2·confidence - 1.
    """
    _require(failed, total, confidence)
    return 0.0 if failed == 0 else share_at_least(failed, total, 1 - confidence)


def budget(checks: int, alpha: float) -> float:
    """How often, at most, any of so many checks is wrong, if each is with ``alpha`` at most.

    The union bound: it needs no independence, and checks of one run are not independent.
    """
    return min(1.0, checks * alpha)


def _require(failed: int, total: int, confidence: float) -> None:
    if not 0 <= failed <= total:
        raise ValueError(f"{failed} of {total} cannot have failed")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is between 0 and 1, not {confidence}")
