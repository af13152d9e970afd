"""Since when something is wrong: in the case, on the clock, and after which change."""

from __future__ import annotations

from collections.abc import Iterable

from svcproof.history import History, Observation
from svcproof.reporters.page.moments import clock
from svcproof.reporters.page.timeline import changes, in_words

__all__ = ["attempts_of", "begin_ns", "first_ns", "moment", "since"]


def begin_ns(history: History) -> int:
    """When the case's first attempt or event was."""
    return min((entry.at_ns for entry in history.entries), default=0)


def attempts_of(history: History, indices: Iterable[int]) -> list[Observation]:
    """The attempts among these entries, in the order of their begins."""
    entries = [history.entries[index] for index in indices if 0 <= index < len(history.entries)]
    found = [entry for entry in entries if isinstance(entry, Observation)]
    return sorted(found, key=lambda attempt: attempt.at_ns)


def since(history: History, indices: Iterable[int]) -> str:
    """When the first of these entries was; "" of none."""
    first = first_ns(history, indices)
    return moment(history, first) if first else ""


def first_ns(history: History, indices: Iterable[int]) -> int:
    """When the first of these entries was; 0 of none."""
    entries = [history.entries[index] for index in indices if 0 <= index < len(history.entries)]
    return min((entry.at_ns for entry in entries), default=0)


def moment(history: History, at_ns: int) -> str:
    """A time in words: how far into the case, on the clock, and after which change."""
    seconds = (at_ns - begin_ns(history)) / 1e9
    before = [event for event in changes(history) if event.at_ns <= at_ns]
    text = f"{clock(at_ns)} UTC, {seconds:.2f} s into the case"
    if not before:
        return f"{text}; nothing had been changed by then"
    return f"{text}; {(at_ns - before[-1].at_ns) / 1e9:.2f} s after “{in_words(before[-1])}”"
