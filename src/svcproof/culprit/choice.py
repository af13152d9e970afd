"""Which place explains what is red: the one that nothing contradicts, and that no other rivals.

A candidate is a place narrowed to what is broken there (a facet, a form, a Service …). It is out
as soon as one path was well that it predicts to be broken. Each narrowing, and the place
itself, has to be needed: without it something that was well would be predicted broken.
So a candidate says nothing that the run did not see a contrast for. Where two
candidates that name different places explain as much, nobody can tell which: none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from svcproof.culprit.paths import Evidence, Pair, Path
from svcproof.culprit.places import Place

__all__ = ["Candidate", "certain", "choose", "is_enough"]

#: A statement has to explain so much of what is red.
ENOUGH: Final = 0.8
#: Of two culprits each has to explain at least so much.
_PART: Final = 0.2
#: What explains this much less than the best is no rival of it.
_RIVAL: Final = 0.1
#: How a place can be narrowed, and to how many; what comes first is given up first where
#: either would do: first what names a place of its own.
_SCOPES: Final = {
    "client": 1,
    "backend": 1,
    "at": 1,
    "entry": 1,
    "node": 1,
    "service": 1,
    "payload": 9,
    "form": 9,
    "kind": 9,
    "protocol": 1,
    "family": 1,
    "facet": 9,
}
#: Questions that are not about connections.
_APART: Final = frozenset({"name", "record", "health", "endpoints", "api", "client"})
_NAMING: Final = ("backend", "at", "entry", "node", "service")

Box = Mapping[str, frozenset[Any]]


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
        narrowed = (value for scope in _NAMING for value in self.box.get(scope, ()) if value)
        return frozenset((*self.place.nodes, *self.place.objects, *narrowed))

    @property
    def cost(self) -> int:
        """How many words it takes, so to say."""
        return len(self.box.keys() - {"facet"}) + (1 if self.place.kind != "everywhere" else 2)


def choose(evidence: Evidence, places: Iterable[Place]) -> tuple[Candidate, ...]:
    """What explains enough of what is red: one candidate, or two that share it, or none."""
    candidates = [found for place in places if (found := _fit(evidence, place)) is not None]
    first = _best(candidates, evidence.red)
    if first is None or len(first.explained) < _PART * len(evidence.red):
        return ()
    if is_enough(evidence, first):
        return (first,)
    rest = evidence.red - first.explained
    second = _best([each for each in candidates if each.explained <= rest], rest)
    if second is None or len(second.explained) < _PART * len(evidence.red):
        return ()
    return (first, second) if is_enough(evidence, first, second) else ()


def is_enough(evidence: Evidence, *found: Candidate) -> bool:
    """Whether they explain as much of what is red as a statement has to."""
    explained = frozenset(pair for each in found for pair in each.explained)
    return len(explained) >= ENOUGH * len(evidence.red)


def _best(candidates: Sequence[Candidate], red: frozenset[Pair]) -> Candidate | None:
    """Of those that explain most: all others that explain about as much are its rivals."""
    most = max((len(each.explained & red) for each in candidates), default=0)
    return certain(
        [each for each in candidates if len(each.explained & red) >= (1 - _RIVAL) * most]
    )


def certain(rivals: Sequence[Candidate]) -> Candidate | None:
    """The simplest that names what all of them name, and nothing else."""
    if not rivals:
        return None
    names = frozenset.intersection(*(each.names for each in rivals))
    fitting = [each for each in rivals if each.names == names]
    fitting = fitting or [each for each in rivals if each.place.kind == "itself"]
    return min(fitting, key=lambda each: (each.cost, -len(each.explained)), default=None)


def _fit(evidence: Evidence, place: Place) -> Candidate | None:
    """The place narrowed to what is broken there; None where that contradicts what was well."""
    through = {path: _through(place, path) for path in evidence.paths}
    broken = [path for path in through if through[path] is not False and evidence.paths[path].bad]
    sure = [path for path in broken if through[path]]
    if not sure:
        return None
    # Where nothing answers, what must fail looks well.
    fails = all(path.facet == "refusal" for path in sure)
    well = [
        path
        for path, seen in evidence.paths.items()
        if seen.good and not seen.bad and (fails or path.facet != "refusal")
    ]
    box = _narrowest(sure)
    if _inside(box, [path for path in well if through[path]]):
        return None
    box = _needed(box, [path for path in well if through[path]])
    if any(len(box[scope]) > most for scope, most in _SCOPES.items() if scope in box):
        return None
    if not place.minds and not box.keys().isdisjoint(("service", "form")):
        return None
    beside = [path for path in _alike(_narrowest(sure), well) if through[path] is False]
    if not (_takes_in(_unasked(box), beside) if place.kind != "everywhere" else box):
        return None
    explained = frozenset(_explained(evidence, frozenset(broken)))
    return Candidate(place, box, tuple(broken), explained) if explained else None


def _through(place: Place, path: Path) -> bool | None:
    """Whether the path leads through the place; lost connections may have been on any such."""
    if path.facet != "loss":
        return place.rule(path)
    return None if place.rule(replace(path, facet="reach")) is not False else False


def _narrowest(paths: Iterable[Path]) -> Box:
    """The values that occur, of whatever applies to all of them."""
    found = list(paths)
    values = {scope: frozenset(getattr(path, scope) for path in found) for scope in _SCOPES}
    return {scope: seen for scope, seen in values.items() if "" not in seen}


def _needed(box: Box, well: Sequence[Path]) -> Box:
    """What is left when all is given up without which nothing that was well would be inside.

    What names something is kept if giving it up would take in anything else that was well,
    whatever was asked of it.
    """
    alike = _alike(box, well)
    for scope in _SCOPES:
        wider = {name: values for name, values in box.items() if name != scope}
        gains = _takes_in(_unasked(wider), alike) > _takes_in(_unasked(box), alike)
        if not (scope in _NAMING and gains) and not _inside(wider, well):
            box = wider
    return box


def _alike(box: Box, well: Sequence[Path]) -> Sequence[Path]:
    """What can be compared whatever was asked: connections with connections."""
    if box["facet"].isdisjoint(_APART):
        return [path for path in well if path.facet not in _APART]
    return well


def _unasked(box: Box) -> Box:
    """The box whatever was asked: that only one Service was asked about its affinity does not
    make it a fault of all. Lookups are another matter: they are the DNS' whatever the name."""
    if not _APART.isdisjoint(box.get("facet", ())):
        return box
    return {scope: values for scope, values in box.items() if scope != "facet"}


def _takes_in(box: Box, paths: Iterable[Path]) -> int:
    """How many are inside, or may be: not each question is one of a certain backend."""
    return sum(
        all(
            getattr(path, scope) in box[scope] or (scope in ("backend", "at") and not path.backend)
            for scope in box
        )
        for path in paths
    )


def _inside(box: Box, paths: Iterable[Path]) -> list[Path]:
    return [path for path in paths if all(getattr(path, scope) in box[scope] for scope in box)]


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
