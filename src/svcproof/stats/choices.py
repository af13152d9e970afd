"""By what rule does a sequence of connections get its backends?

Four answers exist in the field: a random draw for each connection (kube-proxy's
iptables and nftables modes, Cilium), strict rotation (ipvs' ``rr``), always the same
(session affinity), and anything else. A sequence is that of one client, through one
entry point; rotation keeps its place for each of them separately.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from svcproof.stats.binomial import two_sided
from svcproof.stats.shares import goodness_of_fit
from svcproof.stats.sizes import CELL_ALPHA

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "Algorithm",
    "Classification",
    "Dependence",
    "Rotation",
    "classification_size",
    "classify",
    "dependence",
    "draws_needed",
    "redraws_needed",
    "rotation",
    "same_again_probability",
    "same_choice_probability",
]


class Algorithm(enum.StrEnum):
    """How a data plane chooses, as far as its choices tell."""

    RANDOM = "random per connection"
    ROTATION = "rotation"
    STICKY = "sticky"
    OTHER = "none of these"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Rotation:
    """Whether choices are strict rotation, and how probable that is by chance."""

    strict: bool
    chance: float


@dataclass(frozen=True, slots=True)
class Dependence:
    """How many choices are the same as the one ``lag`` before, of ``pairs``."""

    lag: int
    pairs: int
    repeats: int
    expected: float
    p_value: float


@dataclass(frozen=True, slots=True)
class Classification:
    """What choices look like; ``p_value`` is that of a uniform, independent draw."""

    algorithm: Algorithm
    p_value: float
    draws: int
    neighbours: Dependence


def rotation(sequence: Sequence[Hashable], backends: int) -> Rotation:
    """Is this strict rotation: the same order of all backends, again and again?

    Of the k^n sequences that n draws among k can give, k!/(k-m)! are rotations, with
    m = min(n, k): the first turn is free to have any order, all others follow.
    """
    codes = _codes(sequence, backends)
    return Rotation(strict=_rotates(codes, backends), chance=_chance(len(codes), backends))


def dependence(sequence: Sequence[Hashable], backends: int, lag: int = 1) -> Dependence:
    """Are choices independent of the one ``lag`` before? The number of repeats tells.

    Under a uniform, independent draw, whatever came before, each of the n - lag pairs
    is a repeat with probability 1/k: their number is Binomial(n - lag, 1/k). Too few is
    what rotation gives, too many is affinity. The p-value is exact and two-sided.
    """
    return _dependence(_codes(sequence, backends), backends, lag)


def classify(
    sequence: Sequence[Hashable], backends: int, alpha: float = CELL_ALPHA
) -> Classification:
    """Name the rule behind a sequence of choices among so many backends.

    Undecided below :func:`classification_size`. A random draw is called something else
    with a probability of at most ``alpha``: k + 1 exact tests (the shares, and repeats at
    lags 1 to k) have alpha/(k+1) each. From that size on, strict rotation and strict
    affinity always fail the test, and are never called random.
    """
    codes = _codes(sequence, backends)
    draws = len(codes)
    dependences = [_dependence(codes, backends, lag) for lag in range(1, backends + 1)]
    p_values = [fit.p_value for fit in dependences]
    if draws:
        p_values.append(goodness_of_fit(_counts(codes, backends)).p_value)
    p_value = min(1.0, (backends + 1) * min(p_values))
    return Classification(
        algorithm=_named(codes, backends, p_value, alpha),
        p_value=p_value,
        draws=draws,
        neighbours=dependences[0],
    )


def classification_size(backends: int, alpha: float = CELL_ALPHA) -> int:
    """The fewest draws that :func:`classify` decides on.

    So many that, with a random draw, never the same twice running is as rare as alpha
    after the division among both tails of k + 1 tests: 2(k+1)(1-1/k)^(n-1) ≤ α. Always
    the same is rarer still. With α = 1e-8: 52 for three backends, 206 for ten.
    """
    if backends < 2:
        raise ValueError("where there is one backend, nothing is chosen")
    chance = math.log(alpha / (2 * (backends + 1)))
    return 1 + math.ceil(chance / math.log1p(-1 / backends))


def same_choice_probability(backends: int, draws: int) -> float:
    """How probable it is that n independent draws all give the same backend: k^(1-n)."""
    return float(backends) ** (1 - draws) if draws else 1.0


def draws_needed(backends: int, alpha: float = CELL_ALPHA) -> int:
    """The fewest draws that are all the same with a probability of at most ``alpha``."""
    return 1 + redraws_needed(backends, alpha)


def same_again_probability(backends: int, draws: int) -> float:
    """How probable it is that n draws all give one backend, known beforehand: k^-n."""
    return float(backends) ** -draws


def redraws_needed(backends: int, alpha: float = CELL_ALPHA) -> int:
    """The fewest draws that all give the old choice with a probability of at most ``alpha``."""
    if backends < 2:
        raise ValueError("where there is one backend, it is chosen again and again")
    draws = 1
    while same_again_probability(backends, draws) > alpha:
        draws += 1
    return draws


def _codes(sequence: Sequence[Hashable], backends: int) -> NDArray[np.int64]:
    """The choices as numbers, in the order in which they came up first."""
    import numpy as np

    if backends < 1:
        raise ValueError(f"one backend or more, not {backends}")
    numbers = {choice: number for number, choice in enumerate(dict.fromkeys(sequence))}
    if len(numbers) > backends:
        raise ValueError(f"{len(numbers)} different choices among {backends} backends")
    return np.fromiter(map(numbers.__getitem__, sequence), dtype=np.int64, count=len(sequence))


def _counts(codes: NDArray[np.int64], backends: int) -> list[int]:
    import numpy as np

    return [int(count) for count in np.bincount(codes, minlength=backends)]


def _rotates(codes: NDArray[np.int64], backends: int) -> bool:
    """Numbered in the order of the first turn, rotation is 0, 1, … k-1, 0, 1 and so on."""
    import numpy as np

    return bool(np.array_equal(codes, np.arange(len(codes)) % backends))


def _chance(draws: int, backends: int) -> float:
    first_turn = math.perm(backends, min(draws, backends))
    return math.exp(math.log(first_turn) - draws * math.log(backends))


def _dependence(codes: NDArray[np.int64], backends: int, lag: int) -> Dependence:
    if lag < 1:
        raise ValueError(f"a choice is compared with an earlier one, not with lag {lag}")
    pairs = max(0, len(codes) - lag)
    repeats = int((codes[lag:] == codes[:pairs]).sum())
    return Dependence(
        lag=lag,
        pairs=pairs,
        repeats=repeats,
        expected=pairs / backends,
        p_value=two_sided(repeats, pairs, 1 / backends),
    )


def _named(codes: NDArray[np.int64], backends: int, p_value: float, alpha: float) -> Algorithm:
    if backends == 1 or len(codes) < classification_size(backends, alpha):
        return Algorithm.UNDECIDED
    if p_value > alpha:
        return Algorithm.RANDOM
    if _rotates(codes, backends):
        return Algorithm.ROTATION
    return Algorithm.OTHER if codes.any() else Algorithm.STICKY
