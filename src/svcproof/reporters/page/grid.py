"""The truth table: client × entry, what was promised and what was seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from svcproof.history import Cell, Observation, Outcome
from svcproof.reporters.page.model import Grid, GridCell, GridRow
from svcproof.results import FindingLine

__all__ = ["Pairs", "expected", "grid", "merge", "pairs", "seen", "state_of"]

#: (client, entry) → what the grid shows of it.
Pairs = Mapping[tuple[str, str], GridCell]

_NONE: Final = GridCell("none")
_WEIGHT: Final = ("none", "ok", "unsure", "bad")
_PHASES: Final = 3


def pairs(cells: Iterable[Cell], findings: Sequence[FindingLine]) -> Pairs:
    """What each client was promised of each entry, and saw; over time, where that changed."""
    groups: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.position.name, cell.target.name), []).append(cell)
    return {pair: _cell(group, findings) for pair, group in groups.items()}


def merge(many: Iterable[Pairs]) -> Pairs:
    """The same of several cases; the worst stands for the pair."""
    merged: dict[tuple[str, str], GridCell] = {}
    for some in many:
        for pair, cell in some.items():
            before = merged.get(pair, _NONE)
            worse = _WEIGHT.index(cell.state) > _WEIGHT.index(before.state)
            merged[pair] = cell if worse else before
    return merged


def grid(content: Pairs) -> Grid | None:
    """The pairs as a table; of none, none."""
    clients = list(dict.fromkeys(client for client, _ in content))
    entries = tuple(dict.fromkeys(entry for _, entry in content))
    rows = tuple(
        GridRow(client, tuple(content.get((client, entry), _NONE) for entry in entries))
        for client in clients
    )
    return Grid(entries, rows) if rows else None


def state_of(where: str, findings: Sequence[FindingLine]) -> str:
    """What the findings say of a place; they alone decide."""
    about = {found.status for found in findings if found.where == where}
    return "bad" if "FAIL" in about else "unsure" if about else "ok"


def expected(cell: Cell) -> str:
    """What a cell promises, in few words."""
    promise = cell.promise
    words = " or ".join(promise.outcomes)
    if cell.expectation.unsettled:
        return f"{words} by any Pod while it changes"
    if not promise.allowed or promise.outcome is not Outcome.ANSWERED:
        return words
    return f"{words} by {_pods(len(promise.allowed))}"


def seen(attempts: Sequence[Observation]) -> str:
    """How attempts ended, in few words."""
    if not attempts:
        return "nothing"
    outcomes = Counter(attempt.outcome for attempt in attempts)
    pods = {attempt.backend.pod for attempt in attempts if attempt.backend is not None}
    parts = []
    for outcome, count in outcomes.most_common():
        by = f" by {_pods(len(pods))}" if outcome is Outcome.ANSWERED and pods else ""
        parts.append(f"{count:,} {outcome}{by}")
    return ", ".join(parts)


def _cell(group: Sequence[Cell], findings: Sequence[FindingLine]) -> GridCell:
    phases = list(dict.fromkeys(expected(cell) for cell in group))
    more = len(phases) - _PHASES
    due = ", then ".join(phases[:_PHASES]) + (f", then {more} more" if more > 0 else "")
    attempts = [attempt for cell in group for attempt in cell.observations]
    return GridCell(state_of(group[0].where, findings), due, seen(attempts))


def _pods(count: int) -> str:
    return f"{count} Pod" if count == 1 else f"{count} Pods"
