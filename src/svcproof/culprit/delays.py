"""Packets that are lost now and then: connections that took a second SYN, and what they share.

No single path says anything here: it is the rates that do. A place is to blame if nearly
all late connections led through it, many more than its share of all connections would
have been late by chance, and the late ones are spread over all that leads through it.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import log10
from typing import Final

from svcproof.culprit.choice import Candidate, certain
from svcproof.culprit.paths import Evidence, Path
from svcproof.culprit.places import Place

__all__ = ["late_through"]

#: So many of the late connections have to lead through the place.
_NEARLY_ALL: Final = 0.95
#: That many orders of magnitude chance has to be improbable by.
_ORDERS: Final = 8
#: Of paths on which so many late connections are to be expected, so many have to have some.
_EXPECTED: Final = 3.0
_SPREAD: Final = 0.7


def late_through(evidence: Evidence, places: Iterable[Place]) -> Candidate | None:
    """The place through which the late connections lead, if all that could be it agree."""
    found = [each for place in places if (each := _fit(evidence, place)) is not None]
    return certain(found)


def _fit(evidence: Evidence, place: Place) -> Candidate | None:
    reached = [path for path, seen in evidence.paths.items() if seen.answers]
    inside = [path for path in reached if place.rule(path) is not False]
    late, made = _late(evidence, inside), _made(evidence, inside)
    if not late or late < _NEARLY_ALL * _late(evidence, reached):
        return None
    if late * log10(_made(evidence, reached) / made) < _ORDERS:
        return None
    if not _is_spread(evidence, inside, late / made):
        return None
    broken = frozenset(path for path in inside if evidence.paths[path].late)
    pairs = frozenset(pair for path in broken for pair in evidence.paths[path].late)
    return Candidate(place, {"facet": frozenset(("delay",))}, broken, pairs & evidence.red)


def _late(evidence: Evidence, paths: Iterable[Path]) -> int:
    return sum(evidence.paths[path].late.total() for path in paths)


def _made(evidence: Evidence, paths: Iterable[Path]) -> int:
    return sum(evidence.paths[path].answers for path in paths)


def _is_spread(evidence: Evidence, paths: Iterable[Path], rate: float) -> bool:
    """Whether nearly all paths show it that are long enough to; a burst in one place does not."""
    telling = [seen for p in paths if (seen := evidence.paths[p]).answers * rate >= _EXPECTED]
    return len(telling) > 1 and sum(bool(s.late) for s in telling) >= _SPREAD * len(telling)
