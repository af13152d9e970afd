"""``svcproof judge``: saved histories, judged again by the same checks."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from svcproof.checkers import CHECKS, judge
from svcproof.errors import BadHistory, UsageError
from svcproof.history import Event, History, decode_lines
from svcproof.reporters.findings import describe, describe_facts
from svcproof.verdict import JUDGED, Status, Verdict

__all__ = ["judge_files"]

_CODES: Final = {Status.PASS: 0, Status.INCONCLUSIVE: 3, Status.FAIL: 1}
_DIFFERENT: Final = 1
#: The order in which one exit code outweighs another.
_WEIGHT: Final = (0, 3, 1)


@dataclass(frozen=True)
class _Judged:
    """One history, its verdict now, and the one that the run noted."""

    path: Path
    history: History
    verdict: Verdict
    noted: Event | None

    @property
    def comparison(self) -> str:
        """Whether the run said the same, in words."""
        if self.noted is None:
            return "the run noted no verdict: it was ended before, or the test did not judge"
        said = str(self.noted.facts.get("verdict"))
        return "as in the run" if said == self.verdict.status.word else f"DIFFERENT: it was {said}"

    @property
    def foreign(self) -> list[str]:
        """Checks that the run asked and that are a test's own: they cannot be asked here."""
        asked = self.noted.facts.get("checks", []) if self.noted is not None else []
        return [name for name in asked if name not in CHECKS] if isinstance(asked, list) else []

    @property
    def exit_code(self) -> int:
        """As of a run with this one case; a verdict that differs is a failure."""
        if self.noted is not None and "DIFFERENT" in self.comparison and not self.foreign:
            return _DIFFERENT
        return _CODES[self.verdict.status]


@click.command("judge")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--facts/--no-facts", default=None, help="What was measured (default: of one file).")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def judge_files(files: tuple[Path, ...], facts: bool | None, as_json: bool) -> None:
    """Judge saved histories again: no cluster, the same checks, the same verdict.

    FILES are histories, or directories of them, such as .svcproof/evidence/RUN. The exit
    code is that of a run: 0 pass, 1 fail (or a verdict that differs from the run's),
    3 inconclusive, 4 a file that cannot be read.
    """
    judged = [_judge(path) for path in _histories(files)]
    if as_json:
        click.echo(json.dumps([_as_data(item) for item in judged], indent=1))
    else:
        shown = len(judged) == 1 if facts is None else facts
        for item in judged:
            _print(item, facts=shown)
    code = max((item.exit_code for item in judged), key=_WEIGHT.index)
    raise click.exceptions.Exit(code)


def _histories(files: Sequence[Path]) -> Iterator[Path]:
    for path in files:
        if not path.is_dir():
            yield path
            continue
        found = sorted(path.rglob("*.jsonl"))
        if not found:
            raise UsageError(
                f"{path} has no history (*.jsonl) in it",
                remedy="histories are where --svc-evidence says, .svcproof/evidence by default",
            )
        yield from found


def _judge(path: Path) -> _Judged:
    try:
        with path.open("rb") as lines:
            history = decode_lines(lines, source=str(path))
    except OSError as error:
        raise BadHistory(f"{path}: {error.strerror}") from error
    noted = [event for event in history.events if event.kind == JUDGED]
    return _Judged(path, history, judge(history), noted[-1] if noted else None)


def _print(item: _Judged, *, facts: bool) -> None:
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    case = item.history.header.case
    click.echo(describe(item.verdict, case=case, history=str(item.path), width=width))
    if facts and item.verdict.facts:
        click.echo(describe_facts(item.verdict.facts, width=width))
    click.echo(f"  {item.comparison}")
    if item.foreign:
        click.echo(f"  checks of the test's own, not asked here: {', '.join(item.foreign)}")


def _as_data(item: _Judged) -> dict[str, Any]:
    return {
        "file": str(item.path),
        "case": item.history.header.case,
        "verdict": item.verdict.status.word,
        "judged": item.verdict.judged,
        "compared": item.comparison,
        "not asked": item.foreign,
        "findings": [
            {
                "status": finding.status.word,
                "summary": finding.summary,
                "where": finding.where,
                "expected": finding.expected,
                "seen": finding.seen,
                "indices": list(finding.indices),
                "remedy": finding.remedy,
            }
            for finding in item.verdict.findings
        ],
        "facts": [
            {"name": fact.name, "value": fact.value, "where": fact.where}
            for fact in item.verdict.facts
        ],
    }
