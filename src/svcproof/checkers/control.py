"""Does a failure mean anything? The same client must get answers meanwhile from somewhere else.

Where connections are promised to fail, a client that is broken itself would
look just as right. Its *control* is a target that must answer; the attempts to
both must overlap in time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from svcproof.history import Cell, History, Outcome
from svcproof.verdict import Finding, Status, Verdict, judged

if TYPE_CHECKING:
    from svcproof.attempts import Attempts

__all__ = ["control", "needs_control"]

_FAILURES = (Outcome.REFUSED, Outcome.RESET, Outcome.TIMED_OUT, Outcome.UNREACHABLE)
_REMEDY = "see in the history what became of the control: without it no failure proves anything"


def control(history: History) -> Verdict:
    """Every cell whose connections must fail has a control, which answered meanwhile."""
    cells = history.cells
    asked = [cell for cell in cells if needs_control(cell)]
    evidence = sum(len(cell.attempts.known) > 0 for cell in asked)
    return judged(evidence, [found for cell in asked for found in _judge(cell, cells)])


def needs_control(cell: Cell) -> bool:
    """Whether its connections are promised to fail: a name's failure is the resolver's answer."""
    promise = cell.promise
    fails = promise.outcome in _FAILURES and promise.answers is None
    return fails and not cell.expectation.unsettled


def _judge(cell: Cell, cells: Sequence[Cell]) -> Iterator[Finding]:
    if not cell.expectation.control:
        yield _finding(cell, "no control was named", "no control")
        return
    answers = [
        other.attempts.answered
        for other in cells
        if other.position == cell.position and other.target.name == cell.expectation.control
    ]
    known = cell.attempts.known
    if not any(map(len, answers)):
        yield _finding(cell, "its control never answered", "no answer by the control")
    elif known and not any(_overlap(known, some) for some in answers):
        yield _finding(cell, "its control answered at another time", "answers at another time only")


def _overlap(attempts: Attempts, answers: Attempts) -> bool:
    begin, end = attempts.at_ns.min() - _WINDOW_NS, attempts.at_ns.max() + _WINDOW_NS
    return bool(((begin <= answers.at_ns) & (answers.at_ns <= end)).any())


#: "Meanwhile": an attempt's begin is known, its end is up to six seconds later.
_WINDOW_NS = 6_000_000_000


def _finding(cell: Cell, summary: str, seen: str) -> Finding:
    return Finding(
        status=Status.INCONCLUSIVE,
        summary=f"connections failed as promised, but {summary}",
        where=cell.where,
        expected=f"the same client reaches {cell.expectation.control or 'some other target'}"
        " meanwhile",
        seen=seen,
        indices=(cell.expectation.index,),
        remedy=_REMEDY,
    )
