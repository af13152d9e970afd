"""Which clusters svcproof made, and whose they are: written on their Docker networks.

Each cluster has a network of its own, which is made before anything else of it and
removed last. Its labels say who owns the cluster, so Docker itself remembers, and no file
can be lost or be about another Docker. What has no such network is not touched, ever.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from svcproof.clusters.kind.docker import Docker
from svcproof.components.cache import cache_root
from svcproof.errors import ClusterNotFound

__all__ = [
    "CLUSTER_LABEL",
    "PREFIX",
    "Made",
    "find_made",
    "labels_of",
    "made",
    "make_state_directory",
    "remove",
    "stale",
    "state_directory",
    "sweep",
]

#: What the names of our clusters begin with, at Docker and at kind.
PREFIX: Final = "svcproof-"
CLUSTER_LABEL: Final = "svcproof.dev/cluster"
_OWNER: Final = "svcproof.dev/owner"
_KEPT: Final = "svcproof.dev/kept"
_OWNER_FILE: Final = "owner"
_KIND_CLUSTER: Final = "io.x-k8s.kind.cluster"


@dataclass(frozen=True, slots=True)
class Made:
    """A cluster that svcproof made; ``owner`` is ``HOST/PROCESS/START``."""

    name: str
    owner: str
    kept: bool

    @property
    def is_stale(self) -> bool:
        """Whether nobody is left who would end it. Other machines' processes are not known."""
        return not self.kept and not _lives(self.owner)


def labels_of(name: str, *, kept: bool) -> dict[str, str]:
    """The labels of a new cluster's network: it is this process's."""
    labels = {CLUSTER_LABEL: name, _OWNER: _me()}
    return {**labels, _KEPT: "true"} if kept else labels


def state_directory(name: str) -> Path:
    """Where a cluster's kubeconfig, configuration and log are."""
    return cache_root() / "kind" / name


def make_state_directory(name: str) -> Path:
    """The same, made, with a note of whose it is."""
    directory = state_directory(name)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    (directory / _OWNER_FILE).write_text(_me(), encoding="utf-8")
    return directory


def made(docker: Docker) -> list[Made]:
    """Every cluster that svcproof made, by name, also half-made and half-removed ones."""
    found = []
    for network in docker.labelled("network", CLUSTER_LABEL):
        labels: Mapping[str, str] = docker.inspect("network", network)["Labels"]
        if network == labels[CLUSTER_LABEL] and network.startswith(PREFIX):
            found.append(Made(network, labels.get(_OWNER, ""), _KEPT in labels))
    return found


def find_made(docker: Docker, name: str) -> Made:
    """The cluster of that name; ``ClusterNotFound`` lists those there are."""
    clusters = made(docker)
    for cluster in clusters:
        if cluster.name == PREFIX + name:
            return cluster
    names = ", ".join(cluster.name.removeprefix(PREFIX) for cluster in clusters) or "none"
    raise ClusterNotFound(
        f"svcproof has made no kind cluster {name!r} here; there are: {names}",
        remedy="leave --svc-name out for a fresh one; --svc-keep keeps that, and prints its name",
    )


def stale(docker: Docker) -> list[Made]:
    """What runs have left that were killed."""
    return [cluster for cluster in made(docker) if cluster.is_stale]


def sweep(docker: Docker, report: Callable[[str], None]) -> None:
    """Remove all that, and the files of clusters that went with their Docker."""
    for left in stale(docker):
        report(f"removing kind cluster {left.name}, whose run was killed")
        remove(docker, left.name)
    here = {cluster.name for cluster in made(docker)}
    for file in state_directory("").glob(f"*/{_OWNER_FILE}"):
        if file.parent.name not in here and not _lives(file.read_text(errors="replace")):
            shutil.rmtree(file.parent, ignore_errors=True)


def remove(docker: Docker, name: str) -> None:
    """Remove a cluster's containers, its network and its files.

    By its labels and not by kind, which is not needed for this: it removes the same containers.
    """
    containers = {
        *docker.labelled("container", f"{_KIND_CLUSTER}={name}", "--all"),
        *docker.labelled("container", f"{CLUSTER_LABEL}={name}", "--all"),
    }
    if containers:
        docker.call("container", "rm", "--force", "--volumes", *sorted(containers), limit=120)
    if docker.labelled("network", f"{CLUSTER_LABEL}={name}"):
        docker.call("network", "rm", name)
    shutil.rmtree(state_directory(name), ignore_errors=True)


def _me() -> str:
    return f"{socket.gethostname()}/{os.getpid()}/{_started(os.getpid())}"


def _lives(owner: str) -> bool:
    host, _, process = owner.partition("/")
    number, _, started = process.partition("/")
    if host != socket.gethostname() or not number.isdecimal():
        return True
    return _started(int(number)) == started


def _started(number: int) -> str:
    """When a process began, in clock ticks since the boot that it belongs to; "" if it is gone."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    try:
        fields = Path(f"/proc/{number}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return f"{boot.read_text(encoding='utf-8').strip()[:8]}-{fields[19]}"
    except OSError:
        return _started_elsewhere(number)


def _started_elsewhere(number: int) -> str:
    """The same where there is no /proc."""
    import psutil

    try:
        return f"{psutil.Process(number).create_time():.0f}"
    except psutil.NoSuchProcess:
        return ""
