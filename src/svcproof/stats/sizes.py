"""How many connections make a statement, for an error rate fixed beforehand."""

from __future__ import annotations

import math
from typing import Final

__all__ = [
    "CELL_ALPHA",
    "CHECK_ALPHA",
    "coverage_miss_rate",
    "coverage_size",
    "failure_size",
    "loss_size",
    "sample_size",
]

#: The wanted false-alarm rate of one check: how often, at most, it may go red
#: on a cluster that is right.
CHECK_ALPHA: Final = 1e-6

#: The same for one cell (one position, one target) of a check. A check may have
#: a hundred cells and still keep :data:`CHECK_ALPHA` (Bonferroni's bound); the
#: price is a dozen connections more in each.
CELL_ALPHA: Final = CHECK_ALPHA / 100

#: A loss that a cell must not overlook, and how surely it is seen.
NOTABLE_LOSS: Final = 0.10
LOSS_POWER: Final = 0.999


def sample_size(backends: int, alpha: float = CELL_ALPHA) -> int:
    """How many connections one cell takes: enough for coverage, and to see a loss."""
    return max(coverage_size(backends, alpha), loss_size())


def failure_size() -> int:
    """How many connections one cell takes where every one must fail.

    Few, because each costs a second or more: ICMP errors are rate-limited, and
    silence has to be waited for. Ten see a backend that still gets half of the
    connections in 999 of 1000 runs.
    """
    return loss_size(0.5)


def coverage_size(backends: int, alpha: float = CELL_ALPHA) -> int:
    """The fewest connections after which an unseen backend is not bad luck.

    With k backends, one given backend is missed by n draws with probability
    (1-1/k)^n, and any of them with at most k times that (the union bound);
    n ≥ ln(α/k) / ln(1-1/k) makes that at most α: with α = 1e-6, 37 for three and 153 for ten.
    """
    if backends <= 1:
        return 1
    return math.ceil(math.log(alpha / backends) / math.log1p(-1 / backends))


def coverage_miss_rate(backends: int, connections: int) -> float:
    """The probability, at most, that so many connections miss some backend by chance."""
    if backends <= 1:
        return 0.0 if connections else 1.0
    return min(1.0, backends * (1 - 1 / backends) ** connections)


def loss_size(loss: float = NOTABLE_LOSS, power: float = LOSS_POWER) -> int:
    """The fewest connections that show a loss of this rate with this probability.

    All n survive with (1-loss)^n: 66 connections see a loss of 10 % in 999 of
    1000 runs.
    """
    return math.ceil(math.log(1 - power) / math.log1p(-loss))
