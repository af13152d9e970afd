"""The attempts that findings name, with their neighbours for contrast."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from svcproof.history import History, Observation
from svcproof.reporters.page.findings import SHOWN, cell_of
from svcproof.reporters.page.model import AttemptRow
from svcproof.reporters.page.moments import clock, duration
from svcproof.reporters.page.since import attempts_of, begin_ns
from svcproof.results import FindingLine

__all__ = ["MOST", "attempts"]

#: So many rows at most: the rest is in the history.
MOST: Final = 80
_LONGEST: Final = 300


def attempts(history: History, findings: Sequence[FindingLine]) -> tuple[list[AttemptRow], int]:
    """The relevant attempts in order, and how many more the findings name."""
    named = {index for found in findings for index in found.indices}
    wanted: dict[int, Observation] = {}
    for found in findings:
        for attempt in _around(history, found):
            if len(wanted) < MOST or attempt.index in wanted:
                wanted[attempt.index] = attempt
    begin = begin_ns(history)
    ordered = sorted(wanted.values(), key=lambda attempt: (attempt.at_ns, attempt.index))
    rows = [_row(attempt, begin, odd=attempt.index in named) for attempt in ordered]
    hidden = len(attempts_of(history, named)) - sum(row.odd for row in rows)
    return rows, max(0, hidden)


def _around(history: History, found: FindingLine) -> Iterator[Observation]:
    """What it names first, then the pair's attempt before and the one after."""
    named = attempts_of(history, found.indices)
    yield from named[:SHOWN]
    cell = cell_of(history, found)
    if not named or cell is None:
        return
    ordered = sorted(cell.observations, key=lambda attempt: attempt.at_ns)
    places = [place for place, attempt in enumerate(ordered) if attempt.index in found.indices]
    if not places:
        return
    yield from ordered[max(0, places[0] - 1) : places[0]]
    yield from ordered[places[-1] + 1 : places[-1] + 2]


def _row(attempt: Observation, begin: int, *, odd: bool) -> AttemptRow:
    backend = attempt.backend
    by = "" if backend is None else f"{backend.pod}{f' on {backend.node}' if backend.node else ''}"
    outcome = str(attempt.outcome) + (f" {attempt.rcode}" if attempt.rcode else "")
    said = "; ".join(part for part in (", ".join(attempt.answers), attempt.detail) if part)
    return AttemptRow(
        index=attempt.index,
        seconds=(attempt.at_ns - begin) / 1e9,
        clock=clock(attempt.at_ns),
        where=f"{attempt.position} → {attempt.target}",
        outcome=outcome,
        backend=by,
        source=attempt.source_address,
        connect="" if attempt.connect_us is None else duration(attempt.connect_us),
        detail=said if len(said) <= _LONGEST else f"{said[:_LONGEST]}…",
        odd=odd,
    )
