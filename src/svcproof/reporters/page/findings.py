"""Findings in groups: the same thing at several places is told once, with all its places."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from svcproof.history import Cell, History, Observation, Outcome
from svcproof.reporters.page.heat import interval
from svcproof.reporters.page.model import FindingGroup, FindingPlace
from svcproof.reporters.page.moments import clock, percent
from svcproof.reporters.page.since import attempts_of, first_ns, since
from svcproof.results import FindingLine
from svcproof.stats import coverage_miss_rate
from svcproof.verdict import WORDS

__all__ = ["SHOWN", "cell_of", "groups", "guilty", "rules"]

#: So many attempts of a place are linked.
SHOWN: Final = 8
#: Of these checks, a finding names every attempt that it is about.
_COMPLETE: Final = ("reachability", "responders", "sources", "answers", "latency")
#: Findings of these are about the whole sample; the attempts that they name are its first.
_SAMPLES: Final = ("distribution",)


def groups(history: History, findings: Sequence[FindingLine]) -> tuple[FindingGroup, ...]:
    """All findings, failures first; those of one check with one remedy together."""
    together: dict[tuple[str, str, str], list[FindingLine]] = {}
    for found in sorted(findings, key=lambda line: WORDS.index(line.status)):
        check = found.summary.partition(": ")[0]
        together.setdefault((found.status, check, found.remedy), []).append(found)
    return tuple(_group(history, lines) for lines in together.values())


def guilty(findings: Sequence[FindingLine]) -> frozenset[int]:
    """Every entry that is wrong by itself. Of shares none is: the sample is, altogether."""
    return frozenset(
        index
        for found in findings
        if found.summary.partition(": ")[0] not in _SAMPLES
        for index in found.indices
    )


def cell_of(history: History, found: FindingLine) -> Cell | None:
    """The promise that a finding is about: the one with its evidence in it."""
    wanted = set(found.indices)
    for cell in history.cells:
        if cell.where != found.where:
            continue
        if cell.expectation.index in wanted:
            return cell
        if any(attempt.index in wanted for attempt in cell.observations):
            return cell
    return None


def _group(history: History, lines: Sequence[FindingLine]) -> FindingGroup:
    first = lines[0]
    check, _, summary = first.summary.partition(": ")
    if not summary:
        check, summary = "", first.summary
    where = {line.where for line in lines}
    if len({line.summary for line in lines}) > 1:
        summary = f"{summary} (and likewise, {len(lines)} findings at {len(where)} places)"
    elif len(where) > 1:
        summary = f"{summary} (at {len(where)} places)"
    indices = [index for line in lines for index in line.indices]
    return FindingGroup(
        status=first.status,
        check=check,
        summary=summary,
        remedy=first.remedy,
        since=_since(history, check, indices),
        at_ns=first_ns(history, indices),
        places=tuple(_place(history, line) for line in lines),
        sure=tuple(_sure(history, check, lines)),
    )


def _since(history: History, check: str, indices: Sequence[int]) -> str:
    text = since(history, indices)
    return f"the sample's first connection: {text}" if text and check in _SAMPLES else text


def _place(history: History, found: FindingLine) -> FindingPlace:
    attempts = attempts_of(history, found.indices)
    return FindingPlace(
        where=found.where,
        expected=found.expected,
        seen=found.seen,
        since=clock(attempts[0].at_ns) if attempts else "",
        until=clock(attempts[-1].at_ns) if len(attempts) > 1 else "",
        often=_often(history, found),
        evidence=tuple(attempt.index for attempt in attempts[:SHOWN]),
        hidden=max(0, len(attempts) - SHOWN),
    )


def _often(history: History, found: FindingLine) -> str:
    """How many of the pair's connections, and the rate that this shows."""
    cell = cell_of(history, found)
    if cell is None or found.summary.partition(": ")[0] not in _COMPLETE:
        return ""
    own = {attempt.index for attempt in cell.observations}
    count = len(own.intersection(found.indices))
    if not count:
        return ""
    low, high = interval(count, len(own))
    return f"{count:,} of {len(own):,} ({percent(low)} to {percent(high)})"


def _sure(history: History, check: str, lines: Sequence[FindingLine]) -> Iterator[str]:
    """What the finding rests on, and what it does not."""
    cells = [cell for line in lines if (cell := cell_of(history, line)) is not None]
    count = len({index for line in lines for index in line.indices if _observed(history, index)})
    if lines[0].status not in ("FAIL", "KNOWN"):
        yield "Nothing wrong was proven, and nothing right: this is neither a pass nor a failure."
    elif count and check in _COMPLETE:
        yield (
            f"Observed directly in {_many(count, 'connection')}, none of which was repeated: each "
            "contradicts the promise by itself, whatever chance does."
        )
    if check == "responders" and not count and lines[0].status == "FAIL":
        yield from _by_chance(cells)
    if cells:
        minimum = max(cell.expectation.minimum for cell in cells)
        fewest = min(len(cell.observations) for cell in cells)
        yield (
            f"The sample was fixed before anything was sent: at least {minimum:,} for each client "
            f"and entry; made were {fewest:,} or more."
        )
    yield _elsewhere(history, lines)
    yield _untold(history)


def _by_chance(cells: Sequence[Cell]) -> Iterator[str]:
    """How often a healthy cluster would leave out a Pod, in so many connections."""
    rates = [coverage_miss_rate(len(cell.promise.allowed), len(cell.answered)) for cell in cells]
    if rates:
        yield (
            "A healthy random choice leaves out a Pod in so many connections with a probability "
            f"of {max(rates):.1e} at most."
        )


def _elsewhere(history: History, lines: Sequence[FindingLine]) -> str:
    places = {cell.where for cell in history.cells if cell.observations}
    concerned = places.intersection(line.where for line in lines)
    if any(line.where.startswith("all ") for line in lines):
        return (
            f"All places together show it; by themselves {len(concerned)} of the {len(places)} "
            "pairs of client and entry do, where the samples are smaller."
        )
    if not places or not concerned:
        return "It concerns the case as a whole."
    if len(places) == 1:
        return "The case has one pair of client and entry: nothing else was asked beside it."
    if concerned == places:
        return f"All {len(places)} pairs of client and entry in this case show it."
    return (
        f"{len(concerned)} of the {len(places)} pairs of client and entry in this case show it; "
        "the others, asked in the same way, do not."
    )


def _untold(history: History) -> str:
    unknown = sum(attempt.outcome is Outcome.UNKNOWN for attempt in history.observations)
    if not unknown:
        return "No attempt was lost by the harness."
    return f"The harness lost {_many(unknown, 'attempt')}: they count for nothing."


def _observed(history: History, index: int) -> bool:
    return 0 <= index < len(history.entries) and isinstance(history.entries[index], Observation)


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def rules(history: History, findings: Sequence[FindingLine]) -> tuple[str, ...]:
    """The rules that were broken, in words."""
    cells = [cell for found in findings if (cell := cell_of(history, found)) is not None]
    return tuple(dict.fromkeys(cell.promise.rule for cell in cells if cell.promise.rule))
