"""``svcproof matrix``: the suites on a fresh cluster of each mode and version."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import uuid4

import click

from svcproof.cli.options import examples

if TYPE_CHECKING:
    from svcproof.reporters.side_by_side import Ran
    from svcproof.results import RunResult

__all__ = ["matrix"]

_EVIDENCE: Final = Path(".svcproof") / "matrix"
_INTERRUPTED: Final = 2
_EXAMPLES: Final = examples(
    "svcproof matrix                                        # both modes",
    "svcproof matrix --proxy-mode iptables,nftables --kubernetes 1.36,1.35",
    "svcproof matrix --kubernetes 1.36,1.35 --list          # the plan only",
    "svcproof matrix --nodes 2 -- -k clusterip",
)


class _Cell(NamedTuple):
    """One combination."""

    version: str
    mode: str

    @property
    def name(self) -> str:
        return f"{self.version}-{self.mode}"


class _Stop:
    """Whether somebody wants it to end; the run under way ends by itself, and cleans up."""

    def __init__(self) -> None:
        self.wanted = False
        self.child: subprocess.Popen[bytes] | None = None

    def interrupted(self, *_: object) -> None:
        """Ctrl-C: the terminal tells the run, too."""
        self.wanted = True

    def terminated(self, *_: object) -> None:
        """SIGTERM: nobody else tells the run."""
        self.wanted = True
        if self.child is not None:
            self.child.send_signal(signal.SIGINT)


@click.command("matrix", epilog=_EXAMPLES)
@click.option(
    "--proxy-mode",
    "modes",
    default="iptables,nftables",
    show_default=True,
    metavar="MODE,…",
    help="iptables, nftables or both.",
)
@click.option(
    "--kubernetes",
    "versions",
    default="1.36",
    show_default=True,
    metavar="X.Y,…",
    help="Kubernetes minor versions; a wrong one is answered with those there are.",
)
@click.option("--nodes", default="3", show_default=True, help="Number of nodes, 1 to 8.")
@click.option("--list", "only_list", is_flag=True, help="Print the plan, and run nothing.")
@click.argument("pytest_arguments", nargs=-1, type=click.UNPROCESSED)
def matrix(
    modes: str, versions: str, nodes: str, only_list: bool, pytest_arguments: tuple[str, ...]
) -> None:
    """Modes × versions: the suites on a fresh embedded cluster of each, then one table.

    One cluster after the other. What follows -- is for svcproof run, each time: -k, -x and
    so on. The table counts cases; below it are the promises that did not come out alike.
    The exit code is the worst of all: interrupted, fail, environment, inconclusive, pass.
    """
    cells = _cells(modes, versions, nodes)
    if only_list:
        click.echo("\n".join(f"Kubernetes {cell.version}, {cell.mode}" for cell in cells))
        return
    from svcproof.reporters.side_by_side import describe, worst_code

    evidence = _EVIDENCE / uuid4().hex[:6]
    runs: list[Ran] = []
    with _stoppable() as stop:
        for number, cell in enumerate(cells, 1):
            click.echo(f"svcproof: {number} of {len(cells)}: {cell.name}", err=True)
            runs.append(_run(cell, nodes, evidence / cell.name, pytest_arguments, stop))
            if stop.wanted:
                break
    click.echo(describe(runs))
    if len(runs) < len(cells):
        click.echo(f"not run: {', '.join(cell.name for cell in cells[len(runs) :])}")
    codes = [run.code for run in runs]
    raise click.exceptions.Exit(_INTERRUPTED if stop.wanted else worst_code(codes))


def _cells(modes: str, versions: str, nodes: str) -> list[_Cell]:
    """All combinations, each known to be one that there is, before the first is run."""
    from svcproof.clusters.options import cluster_options

    cells = [_Cell(*pair) for pair in product(_values(versions), _values(modes))]
    for cell in cells:
        cluster_options(kubernetes_version=cell.version, proxy_mode=cell.mode, nodes=nodes)
    return cells


def _values(text: str) -> list[str]:
    return list(dict.fromkeys(value.strip() for value in text.split(",")))


def _run(cell: _Cell, nodes: str, evidence: Path, arguments: Sequence[str], stop: _Stop) -> Ran:
    from svcproof.reporters.side_by_side import Ran

    began = time.monotonic()
    with subprocess.Popen(_command(cell, nodes, evidence, arguments)) as child:
        stop.child = child
        code = child.wait()
        stop.child = None
    # Its evidence directory was made for it alone: there is one run in it, or none.
    directory = next((path.parent for path in evidence.glob("*/results.json")), evidence)
    return Ran(
        name=cell.name,
        code=code,
        seconds=time.monotonic() - began,
        result=_result(directory),
        directory=str(directory),
    )


def _command(cell: _Cell, nodes: str, evidence: Path, arguments: Sequence[str]) -> list[str]:
    return [
        *(sys.executable, "-P", "-m", "svcproof", "run", "--svc-cluster=embedded", *arguments),
        # Last, so that they are what the table says.
        f"--svc-k8s-version={cell.version}",
        f"--svc-proxy-mode={cell.mode}",
        f"--svc-nodes={nodes}",
        f"--svc-evidence={evidence}",
    ]


def _result(directory: Path) -> RunResult | None:
    from svcproof.errors import SvcproofError
    from svcproof.evidence import read_run

    try:
        return read_run(directory)
    except SvcproofError:
        return None


@contextmanager
def _stoppable() -> Iterator[_Stop]:
    stop = _Stop()
    handlers: dict[signal.Signals, Callable[..., None]] = {
        signal.SIGINT: stop.interrupted,
        signal.SIGTERM: stop.terminated,
    }
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
