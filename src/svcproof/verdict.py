"""Verdicts: the worst wins, and silence is never success.

``PASS < KNOWN < INCONCLUSIVE < FAIL``. A failure that was seen stays a failure whatever
else could not be told; what could not be told is never a pass. Known is a failure that
is exactly what the owner of the cluster knows of (:mod:`svcproof.deviations`).
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from svcproof.history import History

__all__ = [
    "WORDS",
    "Checker",
    "Fact",
    "Finding",
    "Status",
    "Verdict",
    "compose",
    "judged",
    "worst",
]


class Status(enum.IntEnum):
    """The verdicts, in the order in which one outweighs another."""

    PASS = 0
    KNOWN = 1
    INCONCLUSIVE = 2
    FAIL = 3

    @property
    def word(self) -> str:
        """The status as reports spell it."""
        return self.name


#: Their words, the worst first.
WORDS: Final = tuple(status.word for status in sorted(Status, reverse=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong, or that could not be told, and the evidence for it.

    ``indices`` are entries of the history; ``where`` is position → target;
    ``remedy`` is what to do next. ``unconditional``: it is wrong whatever is promised.
    """

    status: Status
    summary: str
    where: str = ""
    expected: str = ""
    seen: str = ""
    indices: tuple[int, ...] = ()
    remedy: str = ""
    unconditional: bool = False


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that was measured and is worth telling, whatever the verdict.

    ``size`` orders facts of one name: where only one is told, it is the largest.
    """

    name: str
    value: str
    where: str = ""
    size: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A status, the evidence it rests on, why it is not a pass, and what was measured."""

    status: Status
    judged: int
    findings: tuple[Finding, ...] = ()
    facts: tuple[Fact, ...] = ()


#: A judge: a pure function of a history.
Checker = Callable[[History], Verdict]

NOTHING_JUDGED: Final = Finding(
    status=Status.INCONCLUSIVE,
    summary="nothing was judged",
    expected="at least one piece of evidence",
    seen="none",
    remedy="see in the history whether anything was sent, and which checks were asked for",
)


def worst(statuses: Iterable[Status]) -> Status:
    """The status that outweighs all others; of none at all: inconclusive."""
    return max(statuses, default=Status.INCONCLUSIVE)


def judged(count: int, findings: Iterable[Finding], facts: Iterable[Fact] = ()) -> Verdict:
    """The verdict of ``count`` pieces of evidence with these findings.

    No evidence is never a pass: it is a finding of its own, unless others say why.
    """
    found = tuple(findings)
    status = worst([Status.PASS, *(finding.status for finding in found)])
    if count == 0 and status is Status.PASS:
        return Verdict(Status.INCONCLUSIVE, 0, (*found, NOTHING_JUDGED), tuple(facts))
    return Verdict(status, count, found, tuple(facts))


def compose(checkers: Mapping[str, Checker]) -> Checker:
    """One judge out of several that look at the same history.

    Their findings are joined, each prefixed with its checker's name; the
    evidence is the largest that any of them judged, since they judge the same.
    No checkers at all, and a checker that crashes, are inconclusive.
    """

    def checker(history: History) -> Verdict:
        verdicts = [_guarded(name, check, history) for name, check in checkers.items()]
        if not verdicts:
            return judged(0, ())
        return Verdict(
            worst(verdict.status for verdict in verdicts),
            max(verdict.judged for verdict in verdicts),
            tuple(finding for verdict in verdicts for finding in verdict.findings),
            tuple(fact for verdict in verdicts for fact in verdict.facts),
        )

    return checker


def _guarded(name: str, check: Checker, history: History) -> Verdict:
    try:
        verdict = check(history)
    except Exception as error:  # whatever a judge trips over, it has not judged
        crash = Finding(
            status=Status.INCONCLUSIVE,
            summary=f"{name}: the check itself crashed: {type(error).__name__}: {error}",
            remedy="this is a fault of the harness: report it with the history",
        )
        return Verdict(Status.INCONCLUSIVE, 0, (crash,))
    named = (replace(found, summary=f"{name}: {found.summary}") for found in verdict.findings)
    return replace(verdict, findings=tuple(named))
