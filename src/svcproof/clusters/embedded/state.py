"""The running clusters of this machine: one directory each.

A cluster's directory is locked (``flock``) by its keeper for as long as the
cluster lives; the kernel drops the lock with the last process that holds it.
So a directory that can be locked belongs to nobody any more, and there are no
process numbers to mistake for somebody else's.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from svcproof.clusters.embedded.plan import ClusterPlan
from svcproof.errors import ClusterNotFound, OtherVersion

__all__ = [
    "BASE",
    "Processes",
    "StateDirectory",
    "base_lock",
    "find_running",
    "running",
    "stale",
    "try_lock",
]

#: Not below /run, which is covered by a tmpfs in the clusters' own mount namespaces.
BASE: Final = Path("/var/lib/svcproof")


class Processes(msgspec.Struct, frozen=True):
    """Process numbers of a running cluster, as its supervisor's PID namespace counts.

    ``components`` maps ``NAME`` of the control plane, and ``NAME/NODE`` of a
    node, to the program itself.
    """

    node_inits: dict[str, int]
    components: dict[str, int]


class _Slot(msgspec.Struct, frozen=True):
    slot: int


class StateDirectory:
    """The files of one cluster, and where they are."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def name(self) -> str:
        """The cluster's name."""
        return self.path.name

    @property
    def plan_file(self) -> Path:
        """The :class:`ClusterPlan`, written before anything is started."""
        return self.path / "plan.json"

    @property
    def processes_file(self) -> Path:
        """The :class:`Processes`, written when the cluster is ready."""
        return self.path / "processes.json"

    @property
    def timeline_file(self) -> Path:
        """Milestone → seconds since the start, written when the cluster is ready."""
        return self.path / "timeline.json"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.path / "kubeconfig"

    @property
    def logs(self) -> Path:
        """One file per component: ``NAME.log`` or ``NAME-NODE.log``."""
        return self.path / "logs"

    @property
    def supervisor_file(self) -> Path:
        """The supervisor's process number on the host, written by the keeper."""
        return self.path / "supervisor"

    @property
    def control_socket(self) -> Path:
        """The keeper listens here for ``end``."""
        return self.path / "control"

    def plan(self) -> ClusterPlan:
        """The plan as it was written.

        Raises :class:`~svcproof.errors.OtherVersion` for one that this version cannot read.
        """
        try:
            return msgspec.json.decode(self.plan_file.read_bytes(), type=ClusterPlan)
        except msgspec.DecodeError as error:
            raise OtherVersion(
                f"cluster {self.name} was started by another version of svcproof: {error}",
                remedy=f"use that version with it, or end it: svcproof down --name {self.name}",
            ) from error

    @property
    def slot(self) -> int | None:
        """Which range of addresses it has, whatever version wrote that; None if it says none."""
        try:
            return msgspec.json.decode(self.plan_file.read_bytes(), type=_Slot).slot
        except (OSError, msgspec.DecodeError):
            return None

    def processes(self) -> Processes:
        """The processes of a cluster that is ready."""
        return msgspec.json.decode(self.processes_file.read_bytes(), type=Processes)

    def timeline(self) -> dict[str, float]:
        """How long each milestone of the start took."""
        return msgspec.json.decode(self.timeline_file.read_bytes(), type=dict[str, float])


@contextmanager
def base_lock() -> Iterator[Path]:
    """Hold the lock under which names and address ranges are chosen."""
    BASE.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(BASE, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield BASE
    finally:
        os.close(descriptor)


def try_lock(directory: Path) -> int | None:
    """Lock a cluster's directory: an open descriptor, or ``None`` when its cluster lives."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def running() -> list[StateDirectory]:
    """The clusters that live, by name, from when it is known what they are to be."""
    found = [StateDirectory(path) for path in _directories() if not _is_stale(path)]
    return [directory for directory in found if directory.plan_file.exists()]


def stale() -> list[StateDirectory]:
    """What is left of clusters whose processes were all killed at once."""
    return [StateDirectory(path) for path in _directories() if _is_stale(path)]


def find_running(name: str) -> StateDirectory:
    """The running cluster of that name; ``ClusterNotFound`` lists those there are."""
    clusters = running()
    for cluster in clusters:
        if cluster.name == name:
            return cluster
    names = ", ".join(cluster.name for cluster in clusters) or "none"
    raise ClusterNotFound(
        f"no running cluster is called {name!r}; running: {names}",
        remedy=f"say which of them: --name {clusters[0].name} (before the arguments of another "
        "command, as kubectl's)"
        if clusters
        else f"start one with: svcproof up --name {name}",
    )


def _directories() -> list[Path]:
    if not BASE.is_dir():
        return []
    return sorted(path for path in BASE.iterdir() if path.is_dir())


def _is_stale(path: Path) -> bool:
    try:
        descriptor = try_lock(path)
    except FileNotFoundError:  # it ended between the listing and now
        return False
    if descriptor is None:
        return False
    os.close(descriptor)
    return True
