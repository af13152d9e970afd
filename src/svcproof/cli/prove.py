"""``svcproof prove``: planted faults turn exactly the right checks red."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import click

from svcproof.cli.options import cluster_names, cluster_shape, completed, examples
from svcproof.cli.session import opened, terminated_as_interrupted
from svcproof.errors import HealFailed, UsageError
from svcproof.files import write_whole

if TYPE_CHECKING:
    from svcproof.battery import Answer, Battery
    from svcproof.faults import Fault, Scene
    from svcproof.matrix import CellLine, FaultLine, Matrix
    from svcproof.ports import Cluster
    from svcproof.proof import Answers, Trial

__all__ = ["prove"]

_CODES: Final = {"FAIL": 1, "INCONCLUSIVE": 3}


def _slugs() -> tuple[str, ...]:
    from svcproof.faults import CATALOGUE

    return tuple(CATALOGUE)


@click.command(
    epilog=examples(
        "svcproof prove                                     # a fresh cluster, all faults",
        "svcproof prove --name default --only proxy-frozen,rules-wiped",
        "svcproof prove --list",
    )
)
@click.option(
    "--name",
    default="",
    shell_complete=cluster_names,
    metavar="CLUSTER",
    help="A cluster that svcproof up keeps; without this, a fresh one that ends with the proof.",
)
@cluster_shape
@click.option(
    "--only",
    default="",
    metavar="SLUG,…",
    shell_complete=completed(_slugs),
    help="These faults only.",
)
@click.option("--list", "show_list", is_flag=True, help="List the faults and plant nothing.")
@click.option(
    "--tabulate",
    multiple=True,
    metavar="REPORT.json",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Print which check found which fault in saved reports, all in one table, and plant "
    "nothing. May be given several times.",
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("proof.md"),
    show_default=True,
    help="The report; a JSON file of the same name is written beside it.",
)
@click.option(
    "--evidence",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".svcproof/evidence"),
    show_default=True,
    help="Directory for the histories.",
)
def prove(
    name: str,
    only: str,
    show_list: bool,
    tabulate: tuple[Path, ...],
    output: Path,
    evidence: Path,
    **shape: Any,
) -> int | None:
    """Plant faults in a cluster, one after the other, and see which questions find them.

    Each fault is healed before the next, also after Ctrl-C. The exit code is 0 only
    if every planted fault was caught exactly as declared and all was green again.
    """
    faults = _chosen(only)
    if tabulate:
        _tabulate(tabulate)
        return None
    if show_list:
        _list(faults)
        return None
    with terminated_as_interrupted(), opened(name, shape) as cluster:
        return _Proof(cluster, faults, output, evidence).run()


def _chosen(only: str) -> list[Fault]:
    from svcproof.faults import CATALOGUE

    slugs = [slug.strip() for slug in only.split(",") if slug.strip()] or list(CATALOGUE)
    unknown = [slug for slug in slugs if slug not in CATALOGUE]
    if unknown:
        raise UsageError(
            f"there is no fault {', '.join(unknown)}; there are: {', '.join(CATALOGUE)}"
        )
    return [CATALOGUE[slug] for slug in slugs]


def _list(faults: Sequence[Fault]) -> None:
    for fault in faults:
        click.echo(f"{fault.number:>3} {fault.slug:<26} {fault.title}")


def _tabulate(paths: Sequence[Path]) -> None:
    from svcproof.reporters.matrix import check_table

    click.echo("\n".join(check_table([_report(path) for path in paths])))


def _report(path: Path) -> Matrix:
    from svcproof.matrix import decode_matrix

    try:
        return decode_matrix(path.read_bytes(), source=str(path))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error


class _Proof:
    """One proof: progress to the terminal, the report to its files after each fault."""

    def __init__(
        self, cluster: Cluster, faults: Sequence[Fault], output: Path, evidence: Path
    ) -> None:
        import secrets

        self._cluster = cluster
        self._faults = faults
        self._output = output
        self._run = secrets.token_hex(3)
        self._evidence = evidence / f"prove-{self._run}"
        self._lines: list[FaultLine] = []
        self._started = time.monotonic()

    def run(self) -> int:
        """Prove it; the exit code."""
        from svcproof.battery import Battery
        from svcproof.proof import make_scene

        namespace = f"svcproof-prove-{self._run}"
        self._cluster.create_namespace(namespace)
        try:
            battery = Battery(
                self._cluster,
                namespace,
                run=self._run,
                home=self._cluster.facts.node_names[0],
                evidence=self._evidence,
            )
            battery.apply()
            with battery.recorder("faults", "planted and healed") as recorder:
                return self._prove(battery, make_scene(battery, recorder))
        finally:
            self._cluster.delete_namespace(namespace)

    def _prove(self, battery: Battery, scene: Scene) -> int:
        from svcproof.proof import not_green, prove
        from svcproof.verdict import worst

        before = battery.ask("before")
        wrong = not_green(before, "before any fault")
        if wrong:
            click.echo("\n".join(wrong), err=True)
            status = worst(answer.status for answer in before.values())
            return _CODES[status.word]
        click.echo(f"all questions are green; faults of one node go to {scene.node}")
        complete = False
        try:
            for trial in prove(battery, scene, self._faults, begun=_announce):
                self._add(trial, scene)
            complete = True
        except HealFailed as error:
            click.echo(f"svcproof: {error}", err=True)
        finally:
            self._write(scene, complete)
        return self._conclude(scene, complete)

    def _add(self, trial: Trial, scene: Scene) -> None:
        line = _fault_line(trial)
        self._lines.append(line)
        click.echo(_told(line))
        for surprise in line.surprises:
            click.echo(f"      {surprise}")
        self._write(scene, complete=False)

    def _conclude(self, scene: Scene, complete: bool) -> int:
        from rich.console import Console
        from rich.table import Table

        from svcproof.reporters.matrix import grid, summary

        matrix = self._matrix(scene, complete)
        heads, rows = grid(matrix)
        table = Table(box=None, pad_edge=False)
        for head in heads:
            table.add_column("\n".join(head.split()))
        for row in rows:
            table.add_row(*(cell.replace("*", "") for cell in row))
        Console(width=None if sys.stdout.isatty() else 200).print(table)
        click.echo(f"{summary(matrix)}; the report: {self._file('md')}")
        tried = [line for line in self._lines if not line.unplanted]
        if not tried:
            return _CODES["INCONCLUSIVE"]
        return 0 if complete and all(line.caught for line in tried) else _CODES["FAIL"]

    def _matrix(self, scene: Scene, complete: bool) -> Matrix:
        from svcproof import __version__
        from svcproof.battery import Topic
        from svcproof.checkers import CHECKS
        from svcproof.matrix import SCHEMA, Matrix, check_lines
        from svcproof.results import cluster_line

        return Matrix(
            schema=SCHEMA,
            svcproof=__version__,
            run=self._run,
            cluster=cluster_line(self._cluster.facts),
            home=scene.home,
            node=scene.node,
            topics=tuple(map(str, Topic)),
            faults=tuple(self._lines),
            checks=check_lines(CHECKS, self._lines),
            seconds=round(time.monotonic() - self._started, 1),
            complete=complete,
        )

    def _write(self, scene: Scene, complete: bool) -> None:
        import msgspec

        from svcproof.reporters.matrix import markdown

        matrix = self._matrix(scene, complete)
        data = msgspec.json.format(msgspec.json.encode(matrix), indent=2)
        _replace(self._file("json"), data + b"\n")
        _replace(self._file("md"), markdown(matrix).encode())

    def _file(self, suffix: str) -> Path:
        """The output with that suffix, whichever it was given with."""
        bare = self._output.suffix in (".md", ".json")
        return Path(f"{self._output.with_suffix('') if bare else self._output}.{suffix}")


def _announce(fault: Fault) -> None:
    click.echo(f"{fault.number:>4}  {fault.slug:<26} {fault.title}")


def _told(line: FaultLine) -> str:
    if line.unplanted:
        return f"{line.number:>4}  {line.slug:<26} not planted: {line.unplanted}"
    red = ", ".join(cell.topic for cell in line.planted if cell.answer == "red") or "nothing"
    return f"      {'caught' if line.caught else 'NOT AS DECLARED'}: {red} ({line.seconds:.0f} s)"


def _fault_line(trial: Trial) -> FaultLine:
    from svcproof.matrix import FaultLine

    fault = trial.fault
    return FaultLine(
        number=fault.number,
        slug=fault.slug,
        title=fault.title,
        symptom=fault.symptom,
        caught=trial.caught,
        found_by=tuple(sorted(fault.found_by)),
        unplanted=trial.unplanted,
        surprises=trial.surprises,
        seconds=round(trial.seconds, 1),
        planted=tuple(_cells(trial.planted, fault)),
        healed=tuple(_cells(trial.healed, None)),
    )


def _cells(answers: Answers, fault: Fault | None) -> Iterator[CellLine]:
    from svcproof.matrix import CellLine
    from svcproof.verdict import Status

    for topic, answer in answers.items():
        yield CellLine(
            topic=topic,
            answer=_word(answer),
            declared="green" if fault is None else fault.declares(topic),
            finding=answer.first,
            failed=answer.checks(Status.FAIL),
            undecided=answer.checks(Status.INCONCLUSIVE),
            judged=answer.verdict.judged,
            history=answer.history,
        )


def _word(answer: Answer) -> Literal["red", "green", "untold", "unsupported"]:
    from svcproof.verdict import Status

    if answer.unsupported:
        return "unsupported"
    return {Status.PASS: "green", Status.FAIL: "red", Status.INCONCLUSIVE: "untold"}[answer.status]  # type: ignore[return-value]


def _replace(path: Path, content: bytes) -> None:
    """Write a report; a place that cannot be written is the caller's error."""
    try:
        write_whole(path, content)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
