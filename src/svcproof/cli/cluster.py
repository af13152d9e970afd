"""Commands about clusters that run already."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click

from svcproof.cli.options import examples, name_option
from svcproof.clusters.embedded.state import StateDirectory, find_running, running, strange
from svcproof.errors import ClusterNotFound, EnvironmentProblem, OtherVersion, UsageError

__all__ = ["down", "kubeconfig", "kubectl", "logs", "shell", "status"]

_PASS_THROUGH = {"ignore_unknown_options": True, "allow_interspersed_args": False}


@click.command(epilog=examples("svcproof status"))
def status() -> None:
    """The clusters that run on this machine."""
    from rich.console import Console
    from rich.table import Table

    from svcproof.clusters.embedded.launch import sweep_stale

    sweep_stale()
    for directory in strange():
        click.echo(f"svcproof: {directory.path}: not a cluster's, and left alone", err=True)
    clusters, of_kind = running(), _of_kind()
    if of_kind:
        click.echo(f"clusters of kind: {', '.join(of_kind)}")
    if not clusters:
        if not of_kind:
            click.echo("no cluster is running; start one with: svcproof up")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("name", "kubernetes", "nodes", "proxy mode", "families", "range", "state"):
        table.add_column(column)
    for directory in clusters:
        table.add_row(*_status_row(directory))
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def _status_row(directory: StateDirectory) -> list[str]:
    try:
        plan = directory.plan()
        return [
            plan.name,
            plan.kubernetes_version,
            str(len(plan.nodes)),
            plan.proxy_mode,
            "+".join(family.family for family in plan.families),
            ", ".join(family.everything for family in plan.families),
            _health(directory),
        ]
    except OtherVersion:
        return [directory.name, *["?"] * 5, "of another version of svcproof"]
    except ClusterNotFound:
        return [directory.name, *["?"] * 5, "has just ended"]


def _health(directory: StateDirectory) -> str:
    from svcproof.clusters.embedded.world import World

    if not directory.timeline_file.exists():
        return "starting"
    dead = [label for label, alive in World(directory).alive().items() if not alive]
    return f"ended: {', '.join(dead)}" if dead else "all components run"


@click.command(
    context_settings=_PASS_THROUGH,
    epilog=examples(
        "svcproof kubectl get nodes -o wide",
        "svcproof kubectl --name other get pods --all-namespaces",
    ),
)
@name_option
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def kubectl(name: str, arguments: tuple[str, ...]) -> None:
    """Run kubectl (the cluster's own version) against a running cluster."""
    directory = find_running(name)
    kube = Path(directory.plan().components) / "kube"
    environment = {**os.environ, "KUBECONFIG": str(directory.kubeconfig)}
    try:
        os.execve(kube, ["kubectl", *arguments], environment)
    except OSError as error:
        raise EnvironmentProblem(
            f"cannot run kubectl of cluster {name}: {kube}: {error.strerror}",
            remedy=f'use another: kubectl --kubeconfig "$(svcproof kubeconfig --name {name})"',
        ) from error


@click.command(
    epilog=examples(
        "svcproof kubeconfig",
        'svcproof run --svc-kubeconfig "$(svcproof kubeconfig)" --svc-image '
        "svcproof.dev/echo-hostname:1   # as a guest of it",
    )
)
@name_option
def kubeconfig(name: str) -> None:
    """Print the path of a running cluster's kubeconfig."""
    click.echo(find_running(name).kubeconfig)


@click.command(
    epilog=examples("svcproof logs kube-apiserver", "svcproof logs --follow kube-proxy node-2")
)
@name_option
@click.option("--follow", "-f", is_flag=True, help="Go on printing what is written.")
@click.argument("component")
@click.argument("node", default="")
def logs(name: str, follow: bool, component: str, node: str) -> None:
    """Print the log of COMPONENT (on NODE): etcd, kube-apiserver, kubelet node-1, …"""
    directory = find_running(name)
    path = directory.logs / (f"{component}-{node}.log" if node else f"{component}.log")
    if not path.is_file():
        known = ", ".join(sorted(_as_arguments(file.stem) for file in directory.logs.glob("*.log")))
        raise UsageError(
            f"cluster {name} has no log of {component} {node}".rstrip() + f"; it has: {known}"
        )
    with path.open(errors="replace") as file:
        while True:
            for line in file:
                click.echo(line, nl=False)
            if not follow:
                return
            time.sleep(0.2)


def _as_arguments(stem: str) -> str:
    component, separator, number = stem.rpartition("-node-")
    return f"{component} node-{number}" if separator else stem


@click.command(
    context_settings=_PASS_THROUGH,
    epilog=examples("svcproof shell node-1", "svcproof shell node-1 -- nft list ruleset"),
)
@name_option
@click.argument("node")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def shell(name: str, node: str, command: tuple[str, ...]) -> None:
    """Open a shell, or run COMMAND, in all namespaces of NODE."""
    from svcproof.clusters.embedded.world import World

    prefix = World(find_running(name)).node_prefix(node)
    if command[:1] == ("--",):
        command = command[1:]
    program = list(command) or [os.environ.get("SHELL", "/bin/sh")]
    os.execvp(prefix[0], [*prefix, *program])


@click.command(epilog=examples("svcproof down", "svcproof down --name other"))
@name_option
@click.option("--all", "everything", is_flag=True, help="End every cluster of this machine.")
def down(name: str, everything: bool) -> None:
    """End a running cluster, of kind or not; nothing of it is left."""
    from svcproof.clusters.embedded.launch import sweep_stale
    from svcproof.clusters.embedded.owner import end

    sweep_stale()
    of_kind = _of_kind()
    wanted = list(of_kind) if everything else [name] if name in of_kind else []
    for each in wanted:
        _ended(each, of_kind[each])
    if wanted and not everything:
        return
    for directory in running() if everything else [find_running(name)]:
        _ended(directory.name, partial(end, directory))


def _ended(name: str, end: Callable[[], None]) -> None:
    began = time.monotonic()
    end()
    click.echo(f"cluster {name} ended in {time.monotonic() - began:.2f} s")


def _of_kind() -> dict[str, Callable[[], None]]:
    """The clusters of kind that svcproof made, and how to end them; none without Docker."""
    from svcproof.clusters.kind import ownership
    from svcproof.clusters.kind.docker import Docker

    try:
        docker = Docker.running()
    except EnvironmentProblem:
        return {}
    ownership.sweep(docker, click.echo)
    return {
        cluster.name.removeprefix(ownership.PREFIX): partial(ownership.remove, docker, cluster.name)
        for cluster in ownership.made(docker)
    }
