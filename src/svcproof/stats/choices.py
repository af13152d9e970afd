"""Chance in sequences of choices: rotation, independence, and the same one again."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from svcproof.stats.binomial import two_sided
from svcproof.stats.sizes import CELL_ALPHA

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "Choices",
    "Dependence",
    "Rotation",
    "dependence",
    "draws_needed",
    "encoded",
    "redraws_needed",
    "repeats",
    "rotates",
    "rotation",
    "same_again_probability",
    "same_choice_probability",
]


#: Whoever was chosen, in order: anything that can be told apart, or numbers.
Choices: TypeAlias = "Sequence[Hashable] | NDArray[np.int64]"


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


def rotation(sequence: Choices, backends: int) -> Rotation:
    """Is this strict rotation: the same order of all backends, again and again?

    Of the k^n sequences that n draws among k can give, k!/(k-m)! are rotations, with
    m = min(n, k): the first turn is free to have any order, all others follow.
    """
    codes = encoded(sequence, backends)
    return Rotation(strict=rotates(codes, backends), chance=_chance(len(codes), backends))


def dependence(sequence: Choices, backends: int, lag: int = 1) -> Dependence:
    """Are choices independent of the one ``lag`` before? The number of repeats tells.

    Under a uniform, independent draw, whatever came before, each of the n - lag pairs
    is a repeat with probability 1/k: their number is Binomial(n - lag, 1/k). Too few is
    what rotation gives, too many is affinity. The p-value is exact and two-sided.
    """
    return repeats(encoded(sequence, backends), backends, lag)


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


def encoded(sequence: Choices, backends: int) -> NDArray[np.int64]:
    """The choices as numbers, in the order in which they came up first."""
    import numpy as np

    if backends < 1:
        raise ValueError(f"one backend or more, not {backends}")
    if not isinstance(sequence, np.ndarray):
        numbers = {choice: number for number, choice in enumerate(dict.fromkeys(sequence))}
        sequence = np.fromiter(map(numbers.__getitem__, sequence), np.int64, len(sequence))
    different, first, codes = np.unique(sequence, return_index=True, return_inverse=True)
    if len(different) > backends:
        raise ValueError(f"{len(different)} different choices among {backends} backends")
    rank: NDArray[np.int64] = first.argsort().argsort()
    return rank[codes]


def rotates(codes: NDArray[np.int64], backends: int) -> bool:
    """Numbered in the order of the first turn, rotation is 0, 1, … k-1, 0, 1 and so on."""
    import numpy as np

    return bool(np.array_equal(codes, np.arange(len(codes)) % backends))


def repeats(codes: NDArray[np.int64], backends: int, lag: int) -> Dependence:
    """:func:`dependence`, for choices that are numbers already."""
    if lag < 1:
        raise ValueError(f"a choice is compared with an earlier one, not with lag {lag}")
    pairs = max(0, len(codes) - lag)
    number = int((codes[lag:] == codes[:pairs]).sum())
    return Dependence(
        lag=lag,
        pairs=pairs,
        repeats=number,
        expected=pairs / backends,
        p_value=two_sided(number, pairs, 1 / backends),
    )


def _chance(draws: int, backends: int) -> float:
    first_turn = math.perm(backends, min(draws, backends))
    return math.exp(math.log(first_turn) - draws * math.log(backends))
