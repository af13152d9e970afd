"""``svcproof judge``: saved histories, judged again by the same checks."""

from __future__ import annotations

import json
import shutil
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from os import SEEK_END
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from svcproof.checkers import CHECKS, checks_due, judge, judge_by
from svcproof.cli.options import examples
from svcproof.culprit import culprits
from svcproof.errors import BadHistory, UsageError
from svcproof.events import Judged as JudgedEvent
from svcproof.events import NotAsked
from svcproof.history import Expectation, History
from svcproof.reporters.culprit import culprit_lines
from svcproof.reporters.findings import describe, describe_facts
from svcproof.results import CaseResult, case_result, finding_lines
from svcproof.saved import read_history
from svcproof.stats import load
from svcproof.unread import Unread
from svcproof.verdict import Checker, Finding, Status, Verdict, worst

__all__ = ["Judged", "judge_file", "judge_files"]

_CODES: Final = {Status.PASS: 0, Status.KNOWN: 0, Status.INCONCLUSIVE: 3, Status.FAIL: 1}
_DIFFERENT: Final = 1
#: The order in which one exit code outweighs another.
_WEIGHT: Final = (0, 3, 1)


_UNENDED: Final = Finding(
    status=Status.INCONCLUSIVE,
    summary="the case did not end: the run noted no verdict",
    expected="a verdict after the last connection",
    seen="nothing that is wrong so far",
    remedy="run the case again, and let it end; a test of your own must call judge()",
)
_GONE_ON: Final = Finding(
    status=Status.INCONCLUSIVE,
    summary="the case went on after its last verdict: what came then was never judged",
    expected="a verdict after the last connection",
    seen="promises that were made after it",
    remedy="run the case again, and let it end; in a test of your own call judge() last",
)
_STRANGE: Final = Finding(
    status=Status.INCONCLUSIVE,
    summary="the history holds what this svcproof does not know, and what may change the verdict",
    expected="records, fields and words of this version or of an older one",
    remedy="judge it with the svcproof that wrote it, or with a newer one",
)
_NO_WORD: Final = Finding(
    status=Status.INCONCLUSIVE,
    summary="the run noted a verdict that this svcproof does not know",
    expected=", ".join(Status.__members__),
    remedy="judge it with the svcproof that wrote it, or with a newer one",
)
_NOT_ASKED: Final = Finding(
    status=Status.INCONCLUSIVE,
    summary="the run found more than can be asked here",
    expected="checks of svcproof only",
    remedy="what a test's own check found stands in the run's report; a newer svcproof may have "
    "the check",
)


@dataclass(frozen=True)
class _Noted:
    """A verdict that the run noted, and what the same checks say of the same evidence now.

    ``strange`` is what of that evidence this version does not know and would have to.
    ``is_open``: for such a reason nobody can say here whether the run was right.
    """

    asked: tuple[str, ...]
    said: str
    verdict: Verdict
    strange: tuple[Unread, ...] = ()
    is_open: bool = False

    @property
    def differs(self) -> bool:
        """Whether the run said something else."""
        return self.said != self.verdict.status.word

    @property
    def foreign(self) -> list[str]:
        """Checks that the run asked and that cannot be asked here: a test's own, or newer ones."""
        return _foreign(self.asked)


@dataclass(frozen=True)
class Judged:
    """One history, its verdict now, and those that the run noted."""

    path: Path
    history: History
    verdict: Verdict
    noted: tuple[_Noted, ...]
    is_cut: bool

    @property
    def not_asked(self) -> str:
        """Why the case was not supported; "" if it was asked. Then nothing is judged."""
        events = self.history.events
        last = events[-1] if events and not self.noted else None
        return last.reason if isinstance(last, NotAsked) else ""

    @property
    def comparison(self) -> str:
        """Whether the run said the same, in words."""
        if not self.noted:
            cut = ", its last line is cut" if self.is_cut else ""
            return f"the run noted no verdict{cut}: it was ended before, or the test did not judge"
        if unknown := [noted.said for noted in self.noted if noted.differs and noted.is_open]:
            said = ", ".join(dict.fromkeys(unknown))
            return f"the run said {said}: not to be compared, not all of it is known here"
        different = [noted for noted in self.noted if noted.differs]
        if not different:
            return "as in the run"
        if len(self.noted) == 1:
            return f"DIFFERENT: it was {different[0].said}"
        return "DIFFERENT: " + "; ".join(
            f"{', '.join(noted.asked)}: was {noted.said}, is {noted.verdict.status.word}"
            for noted in different
        )

    @property
    def foreign(self) -> list[str]:
        """Checks that the run asked and that cannot be asked here."""
        return list(dict.fromkeys(name for noted in self.noted for name in noted.foreign))

    @property
    def passed_over(self) -> list[Unread]:
        """What is not known here and has changed no verdict."""
        strange = {each for noted in self.noted for each in noted.strange}
        return [
            each
            for each in self.history.unread
            if each not in strange and (self.noted or not each.bears)
        ]

    @property
    def exit_code(self) -> int:
        """As of a run with this one case; a verdict that differs is a failure."""
        if self.not_asked:
            return 0
        if any(noted.differs and not (noted.foreign or noted.is_open) for noted in self.noted):
            return _DIFFERENT
        return _CODES[self.verdict.status]


@click.command(
    "judge",
    epilog=examples(
        "svcproof judge .svcproof/evidence",
        "svcproof judge --json .svcproof/evidence/4fab5b",
    ),
)
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--facts/--no-facts", default=None, help="What was measured (default: of one file).")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def judge_files(files: tuple[Path, ...], facts: bool | None, as_json: bool) -> None:
    """Judge saved histories again: no cluster, the same checks, the same verdict.

    FILES are histories, or directories of them, such as .svcproof/evidence/RUN. Each
    verdict that the run noted is asked for again, of the same checks and of what was
    measured before it; the worst is the file's. A case that noted none did not end, and
    does not pass. The exit code is that of a run: 0 pass, 1 fail (or a verdict that
    differs from the run's), 3 inconclusive, 4 a file that cannot be read. What explains
    the findings of each run is told at the end.
    """
    paths = list(_histories(files))
    shown = len(paths) == 1 if facts is None else facts
    said = _Said(as_json=as_json, facts=shown)
    for path in paths:
        said.take(path)
    said.end()
    if said.unreadable:
        remedies = dict.fromkeys(error.remedy for error in said.unreadable if error.remedy)
        raise BadHistory(
            "\n".join(error.what for error in said.unreadable), remedy="; ".join(remedies)
        )
    # Where nothing could be asked nothing is proven.
    codes = said.codes or [_CODES[Status.INCONCLUSIVE]]
    raise click.exceptions.Exit(max(codes, key=_WEIGHT.index))


@dataclass
class _Said:
    """Says what comes of each file, one after the other: no history is kept for longer."""

    as_json: bool
    facts: bool
    codes: list[int] = field(default_factory=list)
    unreadable: list[BadHistory] = field(default_factory=list)
    _data: list[dict[str, Any]] = field(default_factory=list)
    _runs: dict[str, list[CaseResult]] = field(default_factory=lambda: defaultdict(list))
    _files: int = 0
    _words: Counter[str] = field(default_factory=Counter)
    _differ: int = 0

    def take(self, path: Path) -> None:
        """Judge one file."""
        self._files += 1
        try:
            item = judge_file(path)
        except BadHistory as error:
            self.unreadable.append(error)
            self._data.append({"file": str(path), "error": str(error)})
            self._words["unreadable"] += 1
            return
        self._words["not supported" if item.not_asked else item.verdict.status.word] += 1
        self._differ += item.comparison.startswith("DIFFERENT")
        if not item.not_asked:
            self.codes.append(item.exit_code)
        if self.as_json:
            self._data.append(_as_data(item))
            return
        _print(item, facts=self.facts)
        if not item.not_asked:
            self._runs[item.history.header.run].append(_as_case(item))

    def end(self) -> None:
        """What explains the findings of each run, and how many said what; or all of it as JSON."""
        if self.as_json:
            click.echo(json.dumps(self._data, indent=1))
        elif self._files > 1:
            for cases in self._runs.values():
                for line in culprit_lines(culprits(cases), width=0):
                    click.echo(line)
            counted = ", ".join(f"{number} {word}" for word, number in self._words.items())
            differ = f"; {self._differ} otherwise than in the run" if self._differ else ""
            click.echo(f"{self._files} histories: {counted}{differ}")


def _histories(files: Sequence[Path]) -> list[Path]:
    """All there are; a directory may have none, as that of a run that never began."""
    found = list(_found(files))
    if not found:
        raise UsageError(
            f"{', '.join(map(str, files))}: no history (*.jsonl) is there",
            remedy="histories are where --svc-evidence says, .svcproof/evidence by default",
        )
    return found


def _found(files: Sequence[Path]) -> Iterator[Path]:
    for path in files:
        if not path.is_dir():
            yield path
            continue
        yield from sorted(path.rglob("*.jsonl"))


def judge_file(path: Path) -> Judged:
    """One history, judged again.

    Raises :class:`~svcproof.errors.BadHistory`.
    """
    try:
        history = read_history(path, meanwhile=load)
    except OSError as error:
        raise BadHistory(f"{path}: {error.strerror}") from error
    events = [event for event in history.events if isinstance(event, JudgedEvent)]
    noted = tuple(_judge_again(history, event) for event in events)
    return Judged(path, history, _overall(history, noted), noted, _is_cut(path))


def _judge_again(history: History, event: JudgedEvent) -> _Noted:
    """Ask the checks of a noted verdict again, of what it was about: all that stands before it."""
    before = history.before(event)
    verdict = judge_by(_checks(event.checks, before))(before)
    strange = _bearing(before)
    why = _why_open(event, verdict, strange)
    if why is not None:
        verdict = _left_open(verdict, why, keeps_failure=event.verdict == Status.FAIL.word)
    return _Noted(event.checks, event.verdict, verdict, strange, why is not None)


def _bearing(history: History) -> tuple[Unread, ...]:
    """What another version wrote that a verdict on the history might depend on."""
    return tuple(each for each in history.unread if each.bears)


def _why_open(event: JudgedEvent, verdict: Verdict, strange: Sequence[Unread]) -> Finding | None:
    """Why nobody can say here whether the run was right; ``None`` where that can be said."""
    if strange:
        return _strange(strange)
    if event.verdict not in Status.__members__:
        return replace(_NO_WORD, seen=event.verdict)
    if (foreign := _foreign(event.checks)) and Status[event.verdict] > verdict.status:
        return replace(_NOT_ASKED, seen=f"{event.verdict} by {', '.join(foreign)}")
    return None


def _foreign(names: Sequence[str]) -> list[str]:
    return [name for name in names if name not in CHECKS]


def _strange(unread: Sequence[Unread]) -> Finding:
    return replace(_STRANGE, seen="; ".join(map(str, unread)))


def _left_open(verdict: Verdict, why: Finding, *, keeps_failure: bool = False) -> Verdict:
    """A verdict that may not be right; a failure stays one only if the run saw it, too."""
    failed = keeps_failure and verdict.status is Status.FAIL
    status = Status.FAIL if failed else Status.INCONCLUSIVE
    return replace(verdict, status=status, findings=(*verdict.findings, why))


def _checks(names: Sequence[str], history: History) -> Mapping[str, Checker]:
    """The checks of these names; where all are a test's own, those that are due."""
    known = {name: CHECKS[name] for name in names if name in CHECKS}
    return known if known or not names else checks_due(history)


def _overall(history: History, noted: Sequence[_Noted]) -> Verdict:
    """The worst of what was noted; of a case that did not end nothing is a pass."""
    if not noted:
        verdict = _not_passed(judge(history), _UNENDED)
        strange = _bearing(history)
        return _left_open(verdict, _strange(strange)) if strange else verdict
    verdict = _joined([each.verdict for each in noted])
    return _not_passed(verdict, _GONE_ON) if _goes_on(history) else verdict


def _joined(verdicts: Sequence[Verdict]) -> Verdict:
    """All verdicts as one; what several of them say stands in it once."""
    return Verdict(
        worst(verdict.status for verdict in verdicts),
        max(verdict.judged for verdict in verdicts),
        tuple(dict.fromkeys(found for verdict in verdicts for found in verdict.findings)),
        tuple(dict.fromkeys(fact for verdict in verdicts for fact in verdict.facts)),
    )


def _goes_on(history: History) -> bool:
    """Whether something was promised after the last verdict."""
    for step in reversed(history.steps):
        if isinstance(step, JudgedEvent):
            return False
        if isinstance(step, Expectation):
            return True
    return False


def _not_passed(verdict: Verdict, why: Finding) -> Verdict:
    if verdict.status not in (Status.PASS, Status.KNOWN):
        return verdict
    return replace(verdict, status=why.status, findings=(*verdict.findings, why))


def _is_cut(path: Path) -> bool:
    """Whether the last line has no end, as when its writer was killed; it is not judged."""
    with path.open("rb") as file:
        file.seek(-1, SEEK_END)
        return file.read(1) != b"\n"


def _print(item: Judged, *, facts: bool) -> None:
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    case = item.history.header.case
    if item.not_asked:
        click.echo(f"NOT SUPPORTED: {case}: {item.not_asked}\nhistory: {item.path}")
        return
    click.echo(describe(item.verdict, case=case, history=str(item.path), width=width))
    if facts and item.verdict.facts:
        click.echo(describe_facts(item.verdict.facts, width=width))
    click.echo(f"  {item.comparison}")
    if item.foreign:
        click.echo(f"  checks of the test's own, not asked here: {', '.join(item.foreign)}")
    for each in item.passed_over:
        click.echo(f"  not known here, and of no weight: {each}")


def _as_case(item: Judged) -> CaseResult:
    case = item.history.header.case
    return case_result(item.history, item.verdict, case=case, promise=case, path=str(item.path))


def _as_data(item: Judged) -> dict[str, Any]:
    return {
        "file": str(item.path),
        "case": item.history.header.case,
        "verdict": "NOT SUPPORTED" if item.not_asked else item.verdict.status.word,
        "judged": item.verdict.judged,
        "compared": item.comparison,
        "noted": [
            {"checks": list(each.asked), "was": each.said, "is": each.verdict.status.word}
            for each in item.noted
        ],
        "not asked": item.foreign,
        "not known": [str(each) for each in item.history.unread],
        "findings": [] if item.not_asked else msgspec.to_builtins(finding_lines(item.verdict)),
        "facts": [
            {"name": fact.name, "value": fact.value, "where": fact.where}
            for fact in item.verdict.facts
        ],
    }
