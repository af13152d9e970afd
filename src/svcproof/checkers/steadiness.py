"""Was there traffic all the time? What nobody tried meanwhile cannot have been lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from svcproof.history import Cell, History
from svcproof.verdict import Fact, Finding, Status, Verdict, judged

__all__ = ["longest_pause", "steadiness"]

#: A pause shorter than this may be a busy machine's, and hides no outage worth the name.
_SHORTEST_SECONDS: Final = 1.5
#: Missed turns in a row that are no jitter, where turns are rare.
_TURNS: Final = 20


def steadiness(history: History) -> Verdict:
    """No pair's traffic paused for longer than 1.5 s, or twenty turns if that is longer."""
    asked = [cell for cell in history.cells if cell.expectation.rate > 0]
    return judged(
        sum(len(cell.attempts.known) for cell in asked),
        [finding for cell in asked for finding in _judge(cell)],
        [_fact(cell) for cell in asked if cell.attempts],
    )


def longest_pause(cell: Cell) -> float:
    """Seconds between two begins, or from what was promised to the first of them."""
    begins = cell.attempts.known.in_time.at_ns
    if not len(begins):
        return 0.0
    first = begins[0] - cell.expectation.at_ns
    return float((begins[1:] - begins[:-1]).max(initial=first)) / 1e9


def _judge(cell: Cell) -> Iterator[Finding]:
    allowed = max(_SHORTEST_SECONDS, _TURNS / cell.expectation.rate)
    pause = longest_pause(cell)
    if pause > allowed:
        yield Finding(
            status=Status.INCONCLUSIVE,
            summary=f"the traffic paused for {pause:.2f} s",
            where=cell.where,
            expected=f"{cell.expectation.rate:g} connections a second",
            seen=f"{len(cell.attempts.known)} connections",
            indices=(cell.expectation.index,),
            remedy="run it again where the client has processor time; whether connections "
            "would have failed meanwhile is not known",
        )


def _fact(cell: Cell) -> Fact:
    pause = longest_pause(cell)
    return Fact("longest pause", f"{pause:.2f} s", cell.where, pause)
