"""Which place explains what is red: the one that nothing contradicts, and that no other rivals.

A candidate is a place narrowed to what is broken there (a facet, a form, a Service …). It is out
as soon as one path was well that it predicts to be broken. Each narrowing, and the place
itself, has to be needed: without it something that was well would be predicted broken.
So a candidate says nothing that the run did not see a contrast for. Where two
candidates that name different places explain as much, nobody can tell which: none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from svcproof.culprit.boxes import NAMING, SINGLE, Box, narrowest, needed, sets_apart
from svcproof.culprit.paths import LOSSES, Evidence, Pair, Path
from svcproof.culprit.places import Place

__all__ = ["Candidate", "certain", "choose", "is_enough"]

#: A statement has to explain so much of what is red.
ENOUGH: Final = 0.8
#: Of two culprits each has to explain at least so much.
_PART: Final = 0.2
#: Of what a place explains it has to predict so much: that it may be is a weak reason.
_PREDICTED: Final = 0.25
#: What explains this much less than the best is no rival of it.
_RIVAL: Final = 0.1


@dataclass(frozen=True, slots=True)
class Candidate:
    """A place, narrowed to ``box``; the broken paths and red pairs that it explains."""

    place: Place
    box: Box
    broken: frozenset[Path]
    explained: frozenset[Pair]

    @property
    def names(self) -> frozenset[str]:
        """The nodes and objects that it names."""
        narrowed = (value for scope in NAMING for value in self.box.get(scope, ()) if value)
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
    leads = {path: _through(place, path) for path in evidence.broken}
    broken = frozenset(path for path, through in leads.items() if through is not False)
    sure = [path for path, through in leads.items() if through]
    explained = frozenset(_explained(evidence, broken))
    predicted = explained & {pair for path in sure for pair in evidence.paths[path].bad}
    least = 0.0 if place.is_asked else _PREDICTED
    if not predicted or len(predicted) < least * len(explained):
        return None
    if len(explained) < _PART * len(evidence.red):
        return None
    # Where nothing answers, what must fail looks well.
    fails = all(path.facet == "refusal" for path in sure)
    well = [path for path in evidence.well if fails or path.facet != "refusal"]
    inside = [path for path in well if _through(place, path)]
    beside = [path for path in well if _through(place, path) is False]
    box = needed(narrowest(sure), inside)
    if box is None or not _makes_sense(place, box):
        return None
    if not (sets_apart(box, sure, beside) if place.kind != "everywhere" else _is_wide(box, sure)):
        return None
    return Candidate(place, box, broken, explained)


def _is_wide(box: Box, broken: Iterable[Path]) -> bool:
    """Whether it is more than everything, and what names no place was seen at several."""
    nodes = {path.entry or path.node for path in broken} - {""}
    return bool(box) and (len(nodes) != 1 or not box.keys().isdisjoint(NAMING))


def _makes_sense(place: Place, box: Box) -> bool:
    """Whether it can be said, and be meant: behind the rules nobody knows which Service it was."""
    minds = place.minds and box.keys().isdisjoint(("backend", "at"))
    return box.keys().isdisjoint(() if minds else ("service", "form")) and all(
        len(values) == 1 for name, values in box.items() if name in SINGLE
    )


def _through(place: Place, path: Path) -> bool | None:
    """Whether the path leads through the place; lost connections may have been on any such."""
    if path.facet not in LOSSES:
        return place.rule(path)
    return None if place.rule(replace(path, facet=LOSSES[path.facet])) is not False else False


def _explained(evidence: Evidence, broken: Collection[Path]) -> Iterator[Pair]:
    """The red pairs of which each broken path is among these; of lost connections any will do."""
    for pair, paths in evidence.by_pair.items():
        lost = [path in broken for path in paths if path.facet in LOSSES]
        others = (path for path in paths if path.facet not in LOSSES)
        if all(path in broken for path in others) and any(lost or [True]):
            yield pair
