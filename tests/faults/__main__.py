"""The default suites with each fault planted: how long, how soon, and whom they blame.

``python -m tests.faults run|restate|compare|tabulate -h``. It works on a kept cluster, with the
build whose ``svcproof`` command it is given: two builds can be compared case by case.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
import msgspec

from svcproof.cli.session import terminated_as_interrupted
from svcproof.clusters.kubernetes import KubernetesCluster
from svcproof.clusters.options import cluster_options
from svcproof.clusters.registry import open_cluster
from svcproof.evidence import explained, read_run
from svcproof.files import write_whole
from tests.faults.measured import (
    HEALTHY,
    Measured,
    Run,
    Stated,
    differences,
    judgement,
    table,
    with_table,
)
from tests.faults.plantings import EXPERIMENTS, PLANTINGS
from tests.faults.runs import Stage, latest_results, pin_dns, pin_single_pod, run_with

ALL = {**PLANTINGS, **EXPERIMENTS}


def main() -> int:
    """The exit code: 1 where builds differ, or where a run went wrong."""
    arguments = _parser().parse_args()
    return int(arguments.act(arguments))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    commands = parser.add_subparsers(required=True)
    run = commands.add_parser("run", help="plant, run, heal; a JSON file after each run")
    run.set_defaults(act=_run)
    run.add_argument(
        "output",
        type=Path,
        help="directory for measured.json, to which runs are added, and the evidence",
    )
    run.add_argument("--svcproof", type=Path, default=Path(sys.prefix, "bin", "svcproof"))
    run.add_argument("--proxy-mode", default="iptables")
    run.add_argument("--name", help="a cluster that is kept already; else one of its own")
    run.add_argument(
        "--only", default="", help=f"of {HEALTHY}, {', '.join(ALL)}; default: all but experiments"
    )
    run.add_argument("--limit", type=float, default=3600, help="seconds for one run")
    run.add_argument("--pytest", default="", help="further arguments of the run, as one word")
    restate = commands.add_parser("restate", help="look for the culprits anew in saved evidence")
    restate.set_defaults(act=_restate)
    restate.add_argument("output", type=Path, help="directory of earlier runs")
    compare = commands.add_parser("compare", help="each case that two builds judge otherwise")
    compare.set_defaults(act=_compare)
    compare.add_argument("old", type=Path)
    compare.add_argument("new", type=Path)
    tabulate = commands.add_parser("tabulate", help="the table for the documentation")
    tabulate.set_defaults(act=_tabulate)
    tabulate.add_argument("measured", type=Path, nargs="+")
    tabulate.add_argument("--into", type=Path, help="the page that gets it, between its marks")
    return parser


def _run(arguments: argparse.Namespace) -> int:
    slugs = [slug.strip() for slug in arguments.only.split(",") if slug.strip()]
    unknown = [slug for slug in slugs if slug not in (HEALTHY, *ALL)]
    if unknown:
        sys.exit(f"there is no fault {', '.join(unknown)}")
    command = arguments.svcproof.absolute()
    with (
        terminated_as_interrupted(),
        _kept(command, arguments.name, arguments.proxy_mode) as cluster,
    ):
        return _run_all(arguments, command, cluster, slugs or [HEALTHY, *PLANTINGS])


def _run_all(
    arguments: argparse.Namespace,
    command: Path,
    cluster: KubernetesCluster,
    slugs: Sequence[str],
) -> int:
    # Each on a node of its own, and the same for every build: cases are named by nodes.
    home, dns, node = cluster.facts.node_names
    stage = Stage(
        svcproof=command,
        cluster=cluster,
        home=home,
        node=node,
        output=arguments.output.absolute(),
        limit=arguments.limit,
        arguments=shlex.split(arguments.pytest),
    )
    pin_single_pod(cluster, home)
    pin_dns(cluster, dns)
    version = subprocess.run([command, "--version"], capture_output=True, text=True, check=True)
    file = stage.output / "measured.json"
    earlier = _read(file).runs if file.exists() else ()
    runs: dict[str, Run] = {run.slug: run for run in earlier}
    for slug in slugs:
        runs[slug] = run_with(stage, ALL.get(slug))
        click.echo(_told(runs[slug]))
        measured = Measured(
            svcproof=version.stdout.split()[-1],
            proxy_mode=cluster.facts.proxy_mode,
            nodes=cluster.facts.node_names,
            node=stage.node,
            home=home,
            arguments=stage.arguments,
            runs=[runs[known] for known in (HEALTHY, *ALL) if known in runs],
        )
        _write(file, measured)
    return int(any(runs[slug].problem for slug in slugs))


@contextmanager
def _kept(command: Path, name: str | None, mode: str) -> Iterator[KubernetesCluster]:
    """The cluster of that name; without one, a cluster of that build which ends with the block."""
    own = f"faults-{os.getpid() % 0x10000:x}"
    if name is None and subprocess.call([command, "up", "--name", own, "--proxy-mode", mode]):
        sys.exit("no cluster, no runs")
    try:
        cluster = open_cluster(cluster_options(name=name or own), lambda _: None)
        assert isinstance(cluster, KubernetesCluster)
        yield cluster
        cluster.close()
    finally:
        if name is None:
            subprocess.run([command, "down", "--name", own], check=True)


def _told(run: Run) -> str:
    red = "–" if run.first_red is None else f"{run.first_red:.1f}"
    bad = sum(word == "FAIL" for word in run.verdicts.values())
    named = "wrong" if run.wrong else "right" if run.right else "–"
    line = (
        f"{run.slug:<26} {run.seconds:6.1f} s{'' if run.ended else ' (ended)'}  first red {red}  "
        f"exit {run.exit_code}  {len(run.passed)} passed, {bad} failed, "
        f"{len(run.verdicts) - bad} else  named: {named}"
    )
    return "\n    ".join([line, *run.statements, *([run.problem] if run.problem else ())])


def _restate(arguments: argparse.Namespace) -> int:
    file = arguments.output / "measured.json"
    measured = _read(file)
    runs = [_restated(run, arguments.output / run.slug) for run in measured.runs]
    for run in runs:
        click.echo(_told(run))
    _write(file, msgspec.structs.replace(measured, runs=runs))
    return 0


def _restated(run: Run, directory: Path) -> Run:
    results = latest_results(directory)
    if results is None:
        return run
    found = explained(read_run(results), results.parent).culprits
    stated = [Stated(each.statement, (*each.nodes, *each.objects)) for each in found]
    right, wrong = judgement(stated, run.culprit)
    return msgspec.structs.replace(
        run, statements=[each.text for each in stated], right=right, wrong=wrong
    )


def _compare(arguments: argparse.Namespace) -> int:
    found = list(differences(_read(arguments.old), _read(arguments.new)))
    for slug, case, before, after in found:
        click.echo(f"{slug}: {case}: {before} → {after}")
    click.echo(f"{len(found)} verdicts differ")
    return int(bool(found))


def _tabulate(arguments: argparse.Namespace) -> int:
    lines = table([_read(path) for path in arguments.measured], ALL)
    if arguments.into is None:
        click.echo("\n".join(lines))
    else:
        page = with_table(arguments.into.read_text(), lines)
        arguments.into.write_text(page)
    return 0


def _write(path: Path, measured: Measured) -> None:
    write_whole(path, msgspec.json.format(msgspec.json.encode(measured), indent=1) + b"\n")


def _read(path: Path) -> Measured:
    return msgspec.json.decode(path.read_bytes(), type=Measured)


if __name__ == "__main__":
    sys.exit(main())
