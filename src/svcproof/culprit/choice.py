"""Which place explains what is red: the one that nothing contradicts, and that no other rivals.

A candidate is a place narrowed to what is broken there (a facet, a form, a Service …). It is out
as soon as one path was well that it predicts to be broken. Each narrowing, and the place
itself, has to be needed: without it something that was well would be predicted broken.
So a candidate says nothing that the run did not see a contrast for. Where two
candidates that name different places explain as much, nobody can tell which: none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from svcproof.culprit.paths import Pair, Path, Seen
from svcproof.culprit.places import Place

__all__ = ["Candidate", "Evidence", "choose"]

#: A statement has to explain so much of what is red.
ENOUGH: Final = 0.8
#: Of two culprits each has to explain at least so much.
_PART: Final = 0.2
#: What explains this much less than the best is no rival of it.
_RIVAL: Final = 0.1
#: How a place can be narrowed; what comes first is given up first where either would do.
_SCOPES: Final = (
    ("client", 1),
    ("backend", 1),
    ("at", 1),
    ("entry", 1),
    ("node", 1),
    ("payload", 2),
    ("protocol", 1),
    ("family", 1),
    ("form", 9),
    ("kind", 9),
    ("facet", 9),
    ("service", 2),
)
_NAMED: Final = ("entry", "node", "at")

Box = Mapping[str, frozenset[Any]]


@dataclass(frozen=True, slots=True)
class Evidence:
    """All paths of a run, and every pair that is red, whether or not it says which path is."""

    paths: Mapping[Path, Seen]
    red: frozenset[Pair]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A place, narrowed to ``box``; the broken paths and red pairs that it explains."""

    place: Place
    box: Box
    broken: tuple[Path, ...]
    explained: frozenset[Pair]

    @property
    def names(self) -> frozenset[str]:
        """The nodes and objects that it names."""
        narrowed = {
            value for scope in (*_NAMED, "service", "backend") for value in self.box.get(scope, ())
        }
        return frozenset((*self.place.nodes, *self.place.objects, *narrowed))

    @property
    def cost(self) -> int:
        """How many words it takes, so to say."""
        return len(self.box) + (1 if self.place.kind != "everywhere" else 2)


def choose(evidence: Evidence, places: Iterable[Place]) -> tuple[Candidate, ...]:
    """What explains enough of what is red: one candidate, or two that share it, or none."""
    candidates = [found for place in places if (found := _fit(evidence, place)) is not None]
    first = _best(candidates, evidence.red)
    if first is None or len(first.explained) < _PART * len(evidence.red):
        return ()
    if len(first.explained) >= ENOUGH * len(evidence.red):
        return (first,)
    rest = evidence.red - first.explained
    second = _best(candidates, rest)
    if second is None or len(second.explained & rest) < _PART * len(evidence.red):
        return ()
    both = first.explained | second.explained
    return (first, second) if len(both) >= ENOUGH * len(evidence.red) else ()


def _best(candidates: Sequence[Candidate], red: Collection[Pair]) -> Candidate | None:
    """The one that explains most, if all that explain about as much name no other place."""
    most = max((len(each.explained & frozenset(red)) for each in candidates), default=0)
    rivals = [
        each for each in candidates if len(each.explained & frozenset(red)) >= most - _RIVAL * most
    ]
    rivals.sort(key=lambda each: (-len(each.explained), each.cost))
    names = frozenset(name for each in rivals for name in each.names)
    return next((each for each in rivals if each.names == names), None) if most else None


def _fit(evidence: Evidence, place: Place) -> Candidate | None:
    """The place narrowed to what is broken there; None where that contradicts what was well."""
    through = {path: place.rule(path) for path in evidence.paths}
    broken = [path for path in through if through[path] is not False and evidence.paths[path].bad]
    sure = [path for path in broken if through[path] and path.facet != "loss"]
    if not sure:
        return None
    well = [path for path, seen in evidence.paths.items() if seen.good]
    inside = [path for path in well if through[path]]
    box: Box = _narrowest(sure)
    if _holds(box, inside):
        return None
    box = _needed(box, inside)
    if any(len(box[scope]) > most for scope, most in _SCOPES if scope in box):
        return None
    if place.kind != "everywhere" and not _holds(box, well):
        return None
    explained = frozenset(_explained(evidence, frozenset(broken)))
    return Candidate(place, box, tuple(broken), explained) if explained else None


def _narrowest(paths: Iterable[Path]) -> dict[str, frozenset[Any]]:
    found = list(paths)
    return {scope: frozenset(getattr(path, scope) for path in found) for scope, _ in _SCOPES}


def _needed(box: Box, well: Sequence[Path]) -> Box:
    """What is left when all is given up without which nothing that was well would be inside."""
    for scope, _ in _SCOPES:
        wider = {name: values for name, values in box.items() if name != scope}
        if not _holds(wider, well):
            box = wider
    return box


def _holds(box: Box, paths: Iterable[Path]) -> bool:
    """Whether any of the paths is inside."""
    return any(all(getattr(path, scope) in box[scope] for scope in box) for path in paths)


def _explained(evidence: Evidence, broken: Collection[Path]) -> Iterator[Pair]:
    """The red pairs of which each broken path is among these; of lost connections any will do."""
    of_pair: dict[Pair, list[Path]] = {}
    for path, seen in evidence.paths.items():
        for pair in seen.bad:
            of_pair.setdefault(pair, []).append(path)
    for pair, paths in of_pair.items():
        lost = [path for path in paths if path.facet == "loss"]
        if all(path in broken for path in paths if path.facet != "loss") and (
            not lost or any(path in broken for path in lost)
        ):
            yield pair
