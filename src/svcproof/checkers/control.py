"""Does a failure mean anything? The same client must get answers meanwhile from somewhere else.

Where connections are promised to fail, a client that is broken itself would
look just as right. Its *control* is a target that must answer; the attempts to
both must overlap in time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from svcproof.checkers.outages import told
from svcproof.history import Cell, History, Observation, Outcome
from svcproof.verdict import Finding, Status, Verdict, judged

__all__ = ["control", "needs_control"]

_FAILURES = (Outcome.REFUSED, Outcome.RESET, Outcome.TIMED_OUT, Outcome.UNREACHABLE)
_REMEDY = "see in the history what became of the control: without it no failure proves anything"


def control(history: History) -> Verdict:
    """Every cell whose connections must fail has a control, which answered meanwhile."""
    cells = history.cells
    asked = [cell for cell in cells if needs_control(cell)]
    evidence = sum(bool(told(cell)) for cell in asked)
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
        attempt
        for other in cells
        if other.position == cell.position and other.target.name == cell.expectation.control
        for attempt in other.observations
        if attempt.outcome is Outcome.ANSWERED
    ]
    if not answers:
        yield _finding(cell, "its control never answered", "no answer by the control")
    elif told(cell) and not _overlap(told(cell), answers):
        yield _finding(cell, "its control answered at another time", "answers at another time only")


def _overlap(attempts: Sequence[Observation], answers: Sequence[Observation]) -> bool:
    begin, end = min(a.at_ns for a in attempts), max(a.at_ns for a in attempts)
    return any(begin - _WINDOW_NS <= a.at_ns <= end + _WINDOW_NS for a in answers)


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
