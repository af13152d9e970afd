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

from svcproof.checkers.responders import rightful
from svcproof.history import Backend, Cell, History
from svcproof.verdict import Fact, Verdict, judged

__all__ = ["propagation"]


def propagation(history: History) -> Verdict:
    """For each place, when a change arrived there: it is told, and always passes."""
    changes = list(_changes(history.cells))
    return judged(
        sum(len(during.attempts.known) for _, during, _ in changes),
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
    attempts = during.attempts.followed_by(after.attempts)
    gained = attempts.where(attempts.answered_by(lambda who: _is_only_of(new, old, who)))
    lost = attempts.where(attempts.answered_by(lambda who: _is_only_of(old, new, who)))
    known = during.attempts.known
    failed = known.where(~known.ended(*during.promise.outcomes))
    for name, found, end in (
        ("first answer by a new Pod", gained, min),
        ("last answer by an old Pod", lost, max),
        ("last failed connection", failed, max),
    ):
        if found:
            seconds = (end(found.at_ns.tolist()) - during.expectation.at_ns) / 1e9
            yield Fact(name, f"{seconds:.3f} s after the change began", during.where, seconds)


def _is_only_of(these: Sequence[Backend], others: Sequence[Backend], who: Backend) -> bool:
    """Whether a backend is one of these that none of the others is."""
    among = [backend for backend in these if rightful(backend, others) is None]
    return rightful(who, among) is not None
