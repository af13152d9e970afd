"""How long was there no answer, under steady traffic?

An *outage* is a run of attempts of one pair that did not get the answer that was
due; it lasts from the begin of the first of them to the begin of the next good one,
which may be the first of the pair's next cell.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from svcproof.history import Cell, History
from svcproof.verdict import Fact, Finding, Status, Verdict, judged

if TYPE_CHECKING:
    from svcproof.attempts import Attempts

__all__ = ["Outage", "limits_outages", "outages", "outages_of"]


@dataclass(frozen=True, slots=True, eq=False)
class Outage:
    """A run of failed attempts; ``over`` is whether a good one followed."""

    attempts: Attempts
    begin_ns: int
    end_ns: int
    over: bool

    @property
    def seconds(self) -> float:
        """From the first failed attempt's begin to the next good one's, or to the last failed."""
        return (self.end_ns - self.begin_ns) / 1e9


def outages(history: History) -> Verdict:
    """No outage of the cells that allow one is longer than allowed, and each is over."""
    asked = [(cell, after) for cell, after in history.successive if limits_outages(cell)]
    found = [(cell, outages_of(cell, after)) for cell, after in asked]
    return judged(
        sum(len(cell.attempts.known) for cell, _ in asked),
        [finding for cell, windows in found for finding in _judge(cell, windows)],
        [_fact(cell, windows) for cell, windows in found],
    )


def limits_outages(cell: Cell) -> bool:
    """Whether it says how long there may be no answer, or trouble."""
    return (cell.expectation.outage_ms, cell.expectation.trouble_ms) != (None, None)


def outages_of(cell: Cell, after: Cell | None = None) -> list[Outage]:
    """The outages of a cell, in the order of time; attempts of unknown outcome are left out.

    ``after`` is the pair's next cell: what was not over when the cell was may be there.
    """
    attempts = cell.attempts.known.in_time
    failed = (~attempts.ended(*cell.promise.outcomes)).nonzero()[0].tolist()
    return [_outage(attempts, run, after) for run in _runs(failed)]


def _runs(places: Iterable[int]) -> list[range]:
    """Runs of places one after the other."""
    runs: list[range] = []
    for place in places:
        if runs and runs[-1].stop == place:
            runs[-1] = range(runs[-1].start, place + 1)
        else:
            runs.append(range(place, place + 1))
    return runs


def _outage(attempts: Attempts, run: range, after: Cell | None) -> Outage:
    failed = attempts.where(slice(run.start, run.stop))
    begin_ns, end_ns = int(failed.at_ns[0]), int(failed.at_ns[-1])
    if run.stop < len(attempts):
        return Outage(failed, begin_ns, int(attempts.at_ns[run.stop]), over=True)
    good_ns = _first_good(after)
    if good_ns is None:
        return Outage(failed, begin_ns, end_ns, over=False)
    return Outage(failed, begin_ns, good_ns, over=True)


def _first_good(cell: Cell | None) -> int | None:
    """When the cell's first good attempt began."""
    if cell is None:
        return None
    known = cell.attempts.known
    good = known.where(known.ended(*cell.promise.outcomes))
    return int(good.at_ns.min()) if good else None


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
        attempts = [window.attempts for window in windows]
        yield Finding(
            status=Status.FAIL,
            summary=f"connections failed now and then for {seconds:.2f} s",
            where=cell.where,
            expected=f"for at most {allowed_ms / 1000:g} s",
            seen=f"{sum(map(len, attempts))} attempts failed",
            indices=attempts[0].followed_by(*attempts[1:]).indices,
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
                indices=window.attempts.indices,
                remedy="see in the history which event stands before these attempts",
            )


def _endings(window: Outage) -> str:
    return ", ".join(sorted(map(str, window.attempts.endings)))


def _fact(cell: Cell, windows: Sequence[Outage]) -> Fact:
    if not windows:
        known, all_ = len(cell.attempts.known), len(cell.attempts)
        said = f"none in {known} attempts" if known else f"0 of {all_} attempts known"
        return Fact("outage", said, cell.where)
    longest = max(windows, key=lambda window: window.seconds)
    since = (longest.begin_ns - cell.expectation.at_ns) / 1e9
    return Fact(
        "outage",
        f"{len(windows)}, the longest {longest.seconds:.2f} s, from {since:.2f} s after the change",
        cell.where,
        longest.seconds,
    )
