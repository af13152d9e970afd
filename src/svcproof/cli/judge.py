"""``svcproof judge``: saved histories, judged again by the same checks."""

from __future__ import annotations

import json
import shutil
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
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
from svcproof.history import Expectation, History
from svcproof.reporters.culprit import culprit_lines
from svcproof.reporters.findings import describe, describe_facts
from svcproof.results import CaseResult, case_result, finding_lines
from svcproof.saved import read_history
from svcproof.stats import load
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


@dataclass(frozen=True)
class _Noted:
    """A verdict that the run noted, and what the same checks say of the same evidence now."""

    asked: tuple[str, ...]
    said: str
    verdict: Verdict

    @property
    def differs(self) -> bool:
        """Whether the run said something else."""
        return self.said != self.verdict.status.word

    @property
    def foreign(self) -> list[str]:
        """Checks that the run asked and that are a test's own: they cannot be asked here."""
        return [name for name in self.asked if name not in CHECKS]


@dataclass(frozen=True)
class Judged:
    """One history, its verdict now, and those that the run noted."""

    path: Path
    history: History
    verdict: Verdict
    noted: tuple[_Noted, ...]
    is_cut: bool

    @property
    def comparison(self) -> str:
        """Whether the run said the same, in words."""
        if not self.noted:
            cut = ", its last line is cut" if self.is_cut else ""
            return f"the run noted no verdict{cut}: it was ended before, or the test did not judge"
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
        """Checks that the run asked and that are a test's own: they cannot be asked here."""
        return list(dict.fromkeys(name for noted in self.noted for name in noted.foreign))

    @property
    def exit_code(self) -> int:
        """As of a run with this one case; a verdict that differs is a failure."""
        if any(noted.differs and not noted.foreign for noted in self.noted):
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
    codes, data, unreadable = [0], [], []
    runs: dict[str, list[CaseResult]] = defaultdict(list)
    for path in paths:
        try:
            item = judge_file(path)
        except BadHistory as error:
            unreadable.append(error)
            data.append({"file": str(path), "error": str(error)})
            continue
        codes.append(item.exit_code)
        if as_json:
            data.append(_as_data(item))
        else:
            _print(item, facts=shown)
            runs[item.history.header.run].append(_as_case(item))
    if as_json:
        click.echo(json.dumps(data, indent=1))
    for cases in runs.values() if len(paths) > 1 else ():
        for line in culprit_lines(culprits(cases), width=0):
            click.echo(line)
    if unreadable:
        raise BadHistory("\n".join(map(str, unreadable)))
    raise click.exceptions.Exit(max(codes, key=_WEIGHT.index))


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
    return _Noted(event.checks, event.verdict, verdict)


def _checks(names: Sequence[str], history: History) -> Mapping[str, Checker]:
    """The checks of these names; where all are a test's own, those that are due."""
    known = {name: CHECKS[name] for name in names if name in CHECKS}
    return known if known or not names else checks_due(history)


def _overall(history: History, noted: Sequence[_Noted]) -> Verdict:
    """The worst of what was noted; of a case that did not end nothing is a pass."""
    if not noted:
        return _not_passed(judge(history), _UNENDED)
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
    if verdict.status is not Status.PASS:
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
    click.echo(describe(item.verdict, case=case, history=str(item.path), width=width))
    if facts and item.verdict.facts:
        click.echo(describe_facts(item.verdict.facts, width=width))
    click.echo(f"  {item.comparison}")
    if item.foreign:
        click.echo(f"  checks of the test's own, not asked here: {', '.join(item.foreign)}")


def _as_case(item: Judged) -> CaseResult:
    case = item.history.header.case
    return case_result(item.history, item.verdict, case=case, promise=case, path=str(item.path))


def _as_data(item: Judged) -> dict[str, Any]:
    return {
        "file": str(item.path),
        "case": item.history.header.case,
        "verdict": item.verdict.status.word,
        "judged": item.verdict.judged,
        "compared": item.comparison,
        "noted": [
            {"checks": list(each.asked), "was": each.said, "is": each.verdict.status.word}
            for each in item.noted
        ],
        "not asked": item.foreign,
        "findings": msgspec.to_builtins(finding_lines(item.verdict)),
        "facts": [
            {"name": fact.name, "value": fact.value, "where": fact.where}
            for fact in item.verdict.facts
        ],
    }
