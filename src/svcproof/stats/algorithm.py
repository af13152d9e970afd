"""By what rule does a sequence of connections get its backends?

Three rules exist in the field: a random draw for each connection (kube-proxy's
iptables and nftables modes, Cilium), strict rotation (ipvs' ``rr``), and always the
same (session affinity). A hash over a source port that is new for each connection
cannot be told from a random draw, and is called that.

A sequence is that of one client through one entry point, one connection after the
other: rotation keeps its place for each entry point, and affinity for each client.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from svcproof.stats.choices import Choices, Dependence, encoded, repeats, rotates
from svcproof.stats.shares import goodness_of_fit
from svcproof.stats.sizes import CELL_ALPHA

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Algorithm", "Classification", "classification_size", "classify"]


class Algorithm(enum.StrEnum):
    """How a data plane chooses, as far as its choices tell."""

    RANDOM = "random per connection"
    ROTATION = "rotation"
    STICKY = "sticky"
    OTHER = "none of these"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Classification:
    """What choices look like; ``p_value`` is that of a uniform, independent draw.

    ``neighbours`` counts how often a connection got the same backend as the one before.
    """

    algorithm: Algorithm
    p_value: float
    draws: int
    neighbours: Dependence


def classify(sequence: Choices, backends: int, alpha: float = CELL_ALPHA) -> Classification:
    """Name the rule behind a sequence of choices among so many backends.

    Undecided below :func:`classification_size`. A random draw is called something else
    with a probability of at most ``alpha``: k + 1 exact tests (the shares, and repeats at
    lags 1 to k) have alpha/(k+1) each. From that size on, strict rotation and strict
    affinity always fail the test, and are never called random. Repeats at the longer
    lags catch what neighbours do not show, such as each of two backends twice in turn.
    """
    codes = encoded(sequence, backends)
    dependences = [repeats(codes, backends, lag) for lag in range(1, backends + 1)]
    p_values = [found.p_value for found in dependences]
    p_values.append(goodness_of_fit(_counts(codes, backends)).p_value)
    p_value = min(1.0, (backends + 1) * min(p_values))
    return Classification(
        algorithm=_named(codes, backends, p_value, alpha),
        p_value=p_value,
        draws=len(codes),
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


def _counts(codes: NDArray[np.int64], backends: int) -> list[int]:
    import numpy as np

    return [int(count) for count in np.bincount(codes, minlength=backends)]


def _named(codes: NDArray[np.int64], backends: int, p_value: float, alpha: float) -> Algorithm:
    if backends == 1 or len(codes) < classification_size(backends, alpha):
        return Algorithm.UNDECIDED
    if p_value > alpha:
        return Algorithm.RANDOM
    if rotates(codes, backends):
        return Algorithm.ROTATION
    return Algorithm.OTHER if codes.any() else Algorithm.STICKY
