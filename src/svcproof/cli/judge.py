"""``svcproof judge``: saved histories, judged again by the same checks."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os import SEEK_END
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from svcproof.checkers import CHECKS, judge
from svcproof.errors import BadHistory, UsageError
from svcproof.history import Event, History, decode_lines
from svcproof.reporters.findings import describe, describe_facts
from svcproof.results import finding_lines
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
    is_cut: bool

    @property
    def comparison(self) -> str:
        """Whether the run said the same, in words."""
        if self.noted is None:
            cut = ", its last line is cut" if self.is_cut else ""
            return f"the run noted no verdict{cut}: it was ended before, or the test did not judge"
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
    paths = list(_histories(files))
    shown = len(paths) == 1 if facts is None else facts
    codes, data, unreadable = [0], [], []
    for path in paths:
        try:
            item = _judge(path)
        except BadHistory as error:
            unreadable.append(error)
            data.append({"file": str(path), "error": str(error)})
            continue
        codes.append(item.exit_code)
        if as_json:
            data.append(_as_data(item))
        else:
            _print(item, facts=shown)
    if as_json:
        click.echo(json.dumps(data, indent=1))
    if unreadable:
        raise BadHistory("\n".join(map(str, unreadable)))
    raise click.exceptions.Exit(max(codes, key=_WEIGHT.index))


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
    return _Judged(path, history, judge(history), noted[-1] if noted else None, _is_cut(path))


def _is_cut(path: Path) -> bool:
    """Whether the last line has no end, as when its writer was killed; it is not judged."""
    with path.open("rb") as file:
        file.seek(-1, SEEK_END)
        return file.read(1) != b"\n"


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
        "findings": msgspec.to_builtins(finding_lines(item.verdict)),
        "facts": [
            {"name": fact.name, "value": fact.value, "where": fact.where}
            for fact in item.verdict.facts
        ],
    }
