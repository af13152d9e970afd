"""A measurement as a table: from where to where, how it ended, who answered, whom they saw."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from svcproof.history import Cell, History
from svcproof.reporters.findings import describe
from svcproof.verdict import Status, Verdict

__all__ = ["summary", "table"]


def table(history: History) -> str:
    """A line for each place and each way in."""
    heads = ("from", "to", "connections", "answered by", "address that the Pod saw")
    return _aligned([heads, *(_row(cell) for cell in history.cells)])


def summary(history: History, verdict: Verdict) -> str:
    """What the checks made of it."""
    if verdict.status is not Status.PASS:
        return describe(verdict, case=history.header.case, history="")
    return f"{verdict.judged:,} connections judged"


def _row(cell: Cell) -> tuple[str, ...]:
    return (
        str(cell.position),
        str(cell.target),
        _endings(cell),
        _shares(cell) or _said(cell),
        _sources(cell),
    )


def _endings(cell: Cell) -> str:
    counts = Counter(str(entry.outcome.value) for entry in cell.observations)
    return ", ".join(f"{count} {outcome}" for outcome, count in counts.most_common())


def _shares(cell: Cell) -> str:
    counts = Counter(entry.backend.pod for entry in cell.choices if entry.backend)
    total = sum(counts.values())
    return ", ".join(
        f"…{pod.rpartition('-')[2]} {count} ({count / total:.0%})"
        for pod, count in sorted(counts.items())
    )


def _said(cell: Cell) -> str:
    said = Counter("; ".join(entry.answers) for entry in cell.observations if entry.answers)
    return ", ".join(said) or "nobody"


def _sources(cell: Cell) -> str:
    """Each address, and on which node it was seen."""
    seen: dict[str, set[str]] = {}
    for entry in cell.choices:
        if entry.backend and entry.source_address:
            seen.setdefault(entry.source_address, set()).add(entry.backend.node)
    return ", ".join(f"{address} (on {_joined(nodes)})" for address, nodes in sorted(seen.items()))


def _joined(words: Iterable[str]) -> str:
    return ", ".join(sorted(words))


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
