"""How long until a change has reached a place? Told for every change; judged by nobody.

A pair's *unsettled* cell begins just before the change; the cell before it says who
answered until then, the cell after it who does from then on. So the first answer by
somebody new and the last one by somebody who should no longer get any are the times
that the change took, as that client saw it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

from svcproof.checkers.outages import told
from svcproof.checkers.responders import rightful
from svcproof.history import Backend, Cell, History, Observation, Outcome
from svcproof.verdict import Fact, Verdict, judged

__all__ = ["propagation"]


def propagation(history: History) -> Verdict:
    """For each place, when a change arrived there: it is told, and always passes."""
    changes = list(_changes(history.cells))
    return judged(
        sum(len(told(during)) for _, during, _ in changes),
        (),
        [fact for change in changes for fact in _facts(*change)],
    )


def _changes(cells: Sequence[Cell]) -> Iterator[tuple[Cell, Cell, Cell]]:
    """What was before, during and after each change, for each pair."""
    by_pair: dict[tuple[str, str], list[Cell]] = defaultdict(list)
    for cell in cells:
        by_pair[cell.position.name, cell.target.name].append(cell)
    for of_pair in by_pair.values():
        for (before, during), (_, after) in pairwise(pairwise(of_pair)):
            if during.expectation.unsettled:
                yield before, during, after


def _facts(before: Cell, during: Cell, after: Cell) -> Iterator[Fact]:
    old, new = before.promise.allowed, after.promise.allowed
    gained = [backend for backend in new if rightful(backend, old) is None]
    first = min(_times(during, during.observations + after.observations, gained), default=None)
    lost = [backend for backend in old if rightful(backend, new) is None]
    last = max(_times(during, during.observations + after.observations, lost), default=None)
    failed = max(
        (_since(during, e) for e in during.observations if _failed(during, e)), default=None
    )
    for name, seconds in (
        ("first answer by a new Pod", first),
        ("last answer by an old Pod", last),
        ("last failed connection", failed),
    ):
        if seconds is not None:
            yield Fact(name, f"{seconds:.3f} s after the change began", during.where, seconds)


def _times(
    during: Cell, entries: Sequence[Observation], whose: Sequence[Backend]
) -> Iterator[float]:
    for entry in entries:
        if entry.backend is not None and rightful(entry.backend, whose) is not None:
            yield _since(during, entry)


def _failed(cell: Cell, entry: Observation) -> bool:
    return entry.outcome not in (Outcome.UNKNOWN, *cell.promise.outcomes)


def _since(during: Cell, entry: Observation) -> float:
    return (entry.at_ns - during.expectation.at_ns) / 1e9
