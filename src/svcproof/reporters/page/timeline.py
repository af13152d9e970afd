"""Outcomes over time, with the history's events on them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from svcproof.events import (
    ApiAnswer,
    Converged,
    EndpointsSeen,
    Event,
    Idle,
    Judged,
    KnownDeviation,
    NotAsked,
    NotConverged,
)
from svcproof.history import Cell, History, Observation, Outcome
from svcproof.reporters.page.model import Mark, Segment, Strip, Timeline

__all__ = ["changes", "in_words", "timeline"]

#: Events that are no change of the cluster.
_QUIET: Final = (
    Judged,
    Converged,
    NotConverged,
    ApiAnswer,
    EndpointsSeen,
    Idle,
    KnownDeviation,
    NotAsked,
)
_BINS: Final = 125
_STRIPS: Final = 16
_MARKS: Final = 24
_SPAN: Final = 1000
_WEIGHT: Final = ("ok", "unknown", "odd", "bad")
_LONGEST: Final = 220


def changes(history: History) -> list[Event]:
    """What was done to the cluster, in order."""
    return [event for event in history.events if not isinstance(event, _QUIET)]


def in_words(event: Event) -> str:
    """An event and its particulars, on one line."""
    facts = ", ".join(
        f"{_said(value)}" if name in ("object", "pod", "change") else f"{name} {_said(value)}"
        for name, value in event.particulars.items()
    )
    text = f"{event.word} {facts}".strip()
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def timeline(history: History, guilty: frozenset[int]) -> Timeline | None:
    """All judged attempts; those that a finding names are bad. Pairs with such come first."""
    cells = [cell for cell in history.cells if cell.observations]
    times = [attempt.at_ns for cell in cells for attempt in cell.observations]
    if not times:
        return None
    marks = changes(history)
    start = min([*times, *(event.at_ns for event in marks)])
    length = max([*times, *(event.at_ns for event in marks)]) - start or 1
    rows = _rows(cells, guilty, start, length)
    return Timeline(
        seconds=length / 1e9,
        strips=tuple(rows[:_STRIPS]),
        marks=tuple(
            Mark(
                number,
                round((event.at_ns - start) * _SPAN / length),
                (event.at_ns - start) / 1e9,
                in_words(event),
            )
            for number, event in enumerate(marks[:_MARKS], start=1)
        ),
        hidden_strips=max(0, len(rows) - _STRIPS),
        hidden_marks=max(0, len(marks) - _MARKS),
    )


def _rows(cells: Iterable[Cell], guilty: frozenset[int], start: int, length: int) -> list[Strip]:
    bins: dict[str, dict[int, str]] = {}
    for cell in cells:
        row = bins.setdefault(cell.where, {})
        for attempt in cell.observations:
            slot = min(_BINS - 1, (attempt.at_ns - start) * _BINS // length)
            row[slot] = _worse(row.get(slot, "ok"), _state(cell, attempt, guilty))
    strips = [Strip(where, tuple(_segments(row))) for where, row in bins.items()]
    return sorted(strips, key=lambda strip: -_gravity(strip))


def _state(cell: Cell, attempt: Observation, guilty: frozenset[int]) -> str:
    if attempt.index in guilty:
        return "bad"
    if attempt.outcome is Outcome.UNKNOWN:
        return "unknown"
    return "ok" if attempt.outcome in cell.promise.outcomes else "odd"


def _worse(one: str, other: str) -> str:
    return max(one, other, key=_WEIGHT.index)


def _gravity(strip: Strip) -> int:
    return max(_WEIGHT.index(segment.state) for segment in strip.segments)


def _segments(row: dict[int, str]) -> list[Segment]:
    """Neighbouring bins of one state are one stretch."""
    found: list[Segment] = []
    size = _SPAN // _BINS
    for slot in sorted(row):
        last = found[-1] if found else None
        if last and last.state == row[slot] and last.start + last.width == slot * size:
            found[-1] = Segment(last.start, last.width + size, last.state)
        else:
            found.append(Segment(slot * size, size, row[slot]))
    return found


def _said(value: str | float | Sequence[str]) -> str:
    if isinstance(value, str):
        return value
    return f"{value:g}" if isinstance(value, int | float) else ", ".join(value)
