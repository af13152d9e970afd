"""How long was there no answer, under steady traffic?

An *outage* is a run of attempts of one pair that did not get the answer that was
due; it lasts from the begin of the first of them to the begin of the next good one,
which may be the first of the pair's next cell.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from svcproof.history import Cell, History, Observation, Outcome
from svcproof.verdict import Fact, Finding, Status, Verdict, judged

__all__ = ["Outage", "limits_outages", "outages", "outages_of", "told"]


@dataclass(frozen=True, slots=True)
class Outage:
    """A run of failed attempts; ``over`` is whether a good one followed."""

    attempts: tuple[Observation, ...]
    begin_ns: int
    end_ns: int
    over: bool

    @property
    def seconds(self) -> float:
        """From the first failed attempt's begin to the next good one's, or to the last failed."""
        return (self.end_ns - self.begin_ns) / 1e9


def outages(history: History) -> Verdict:
    """No outage of the cells that allow one is longer than allowed, and each is over."""
    asked = [(cell, after) for cell, after in _with_next(history.cells) if limits_outages(cell)]
    found = [(cell, outages_of(cell, after)) for cell, after in asked]
    return judged(
        sum(len(told(cell)) for cell, _ in asked),
        [finding for cell, windows in found for finding in _judge(cell, windows)],
        [_fact(cell, windows) for cell, windows in found],
    )


def limits_outages(cell: Cell) -> bool:
    """Whether it says how long there may be no answer, or trouble."""
    return (cell.expectation.outage_ms, cell.expectation.trouble_ms) != (None, None)


def _with_next(cells: Sequence[Cell]) -> list[tuple[Cell, Cell | None]]:
    """Each cell and the pair's next one, which begins where it ends."""
    following: dict[tuple[str, str], Cell] = {}
    found = []
    for cell in reversed(cells):
        pair = (cell.position.name, cell.target.name)
        found.append((cell, following.get(pair)))
        following[pair] = cell
    return found[::-1]


def outages_of(cell: Cell, after: Cell | None = None) -> list[Outage]:
    """The outages of a cell, in the order of time; attempts of unknown outcome are left out.

    ``after`` is the pair's next cell: what was not over when the cell was may be there.
    """
    entries = sorted(told(cell), key=lambda entry: entry.at_ns)
    windows: list[Outage] = []
    failed: list[Observation] = []
    for entry in entries:
        if entry.outcome not in cell.promise.outcomes:
            failed.append(entry)
        elif failed:
            windows.append(Outage(tuple(failed), failed[0].at_ns, entry.at_ns, over=True))
            failed = []
    if failed:
        good = _first_good(after)
        end_ns = failed[-1].at_ns if good is None else good.at_ns
        windows.append(Outage(tuple(failed), failed[0].at_ns, end_ns, over=good is not None))
    return windows


def _first_good(cell: Cell | None) -> Observation | None:
    if cell is None:
        return None
    good = (entry for entry in told(cell) if entry.outcome in cell.promise.outcomes)
    return min(good, key=lambda entry: entry.at_ns, default=None)


def told(cell: Cell) -> list[Observation]:
    """The attempts of which it is known how they ended: others are no evidence."""
    return [entry for entry in cell.observations if entry.outcome is not Outcome.UNKNOWN]


def _judge(cell: Cell, windows: Sequence[Outage]) -> Iterator[Finding]:
    yield from _judge_windows(cell, windows)
    yield from _judge_trouble(cell, windows)


def _judge_trouble(cell: Cell, windows: Sequence[Outage]) -> Iterator[Finding]:
    """Failures among answers make many short outages: then the time of all of them counts."""
    allowed_ms = cell.expectation.trouble_ms
    if allowed_ms is None or not windows:
        return
    seconds = (windows[-1].end_ns - windows[0].begin_ns) / 1e9
    if seconds > allowed_ms / 1000:
        attempts = [attempt for window in windows for attempt in window.attempts]
        yield Finding(
            status=Status.FAIL,
            summary=f"connections failed now and then for {seconds:.2f} s",
            where=cell.where,
            expected=f"for at most {allowed_ms / 1000:g} s",
            seen=f"{len(attempts)} attempts failed",
            indices=tuple(attempt.index for attempt in attempts),
            remedy="see in the history which event stands before these attempts",
        )


def _judge_windows(cell: Cell, windows: Sequence[Outage]) -> Iterator[Finding]:
    if cell.expectation.outage_ms is None:
        return
    allowed = cell.expectation.outage_ms / 1000
    for window in windows:
        since = (window.begin_ns - cell.expectation.at_ns) / 1e9
        if window.seconds > allowed or not window.over:
            yield Finding(
                status=Status.FAIL,
                summary=f"no answer for {window.seconds:.2f} s"
                + ("" if window.over else ", and not over at the end"),
                where=cell.where,
                expected=f"at most {allowed:g} s without an answer",
                seen=f"{len(window.attempts)} attempts {_endings(window)}, from {since:.2f} s "
                "after the change on",
                indices=tuple(attempt.index for attempt in window.attempts),
                remedy="see in the history which event stands before these attempts",
            )


def _endings(window: Outage) -> str:
    return ", ".join(sorted({str(attempt.outcome) for attempt in window.attempts}))


def _fact(cell: Cell, windows: Sequence[Outage]) -> Fact:
    if not windows:
        return Fact("outage", f"none in {len(told(cell))} attempts", cell.where)
    longest = max(windows, key=lambda window: window.seconds)
    since = (longest.begin_ns - cell.expectation.at_ns) / 1e9
    return Fact(
        "outage",
        f"{len(windows)}, the longest {longest.seconds:.2f} s, from {since:.2f} s after the change",
        cell.where,
        longest.seconds,
    )
