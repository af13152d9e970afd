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
from typing import Final, TypeVar

import msgspec

from svcproof.clusters.embedded.plan import ClusterPlan
from svcproof.errors import ClusterNotFound, EnvironmentProblem, OtherVersion

__all__ = [
    "BASE",
    "Processes",
    "StateDirectory",
    "base_lock",
    "find_running",
    "running",
    "stale",
    "strange",
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


class _Named(msgspec.Struct, frozen=True):
    name: str


class _Slot(msgspec.Struct, frozen=True):
    slot: int


#: What becomes of a file that is not as this version writes it, or not there.
_UNREADABLE: Final = (OSError, msgspec.DecodeError, UnicodeError, RecursionError)
#: What is in a cluster's directory before anything of the cluster is made.
_FIRST: Final = frozenset({"logs", "plan.json"})

_T = TypeVar("_T")


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

    @property
    def is_cluster(self) -> bool:
        """Whether it is a cluster's: its plan says so, or nothing but a plan was begun.

        A newer version may keep other things beside the clusters; they are none of ours.
        """
        plan = _decoded(self.plan_file, _Named)
        if plan is not None:
            return plan.name == self.name
        names = {path.name for path in self.path.glob("*")}
        return names <= _FIRST and not any(self.logs.glob("*"))

    def plan(self) -> ClusterPlan:
        """The plan as it was written.

        Raises :class:`~svcproof.errors.OtherVersion` for one that this version cannot read.
        """
        return self._read(self.plan_file, ClusterPlan)

    @property
    def slot(self) -> int | None:
        """Which range of addresses it has, whatever version wrote that; None if it says none."""
        found = _decoded(self.plan_file, _Slot)
        return None if found is None else found.slot

    def supervisor(self) -> int:
        """The supervisor's process number on the host; raises as :meth:`plan`."""
        return self._read(self.supervisor_file, int)

    def processes(self) -> Processes:
        """The processes of a cluster that is ready; raises as :meth:`plan`."""
        return self._read(self.processes_file, Processes)

    def timeline(self) -> dict[str, float]:
        """How long each milestone of the start took; raises as :meth:`plan`."""
        return self._read(self.timeline_file, dict[str, float])

    def _read(self, file: Path, kind: type[_T]) -> _T:
        try:
            return msgspec.json.decode(file.read_bytes(), type=kind)
        except OSError as error:
            if not self.path.exists():
                raise ClusterNotFound(f"cluster {self.name} has just ended") from error
            raise OtherVersion(
                f"{file}: {error.strerror}: cluster {self.name} still starts, or another version "
                "of svcproof started it",
                remedy=f"see what it does: svcproof status; {self._way_out}",
            ) from error
        except _UNREADABLE as error:
            raise OtherVersion(
                f"cluster {self.name} was started by another version of svcproof: {file}: {error}",
                remedy=self._way_out,
            ) from error

    @property
    def _way_out(self) -> str:
        return f"use that version with it, or end it: svcproof down --name {self.name}"


def _decoded(file: Path, kind: type[_T]) -> _T | None:
    """What a file holds, if it holds that."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=kind)
    except _UNREADABLE:
        return None


@contextmanager
def base_lock() -> Iterator[Path]:
    """Hold the lock under which names and address ranges are chosen."""
    try:
        BASE.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(BASE, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise EnvironmentProblem(
            f"{BASE}, where the state of clusters is: {error.strerror}",
            remedy="it must be a directory, and its owner is root: run the same command with sudo",
        ) from error
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
    return [directory for directory in _unlocked() if directory.is_cluster]


def strange() -> list[StateDirectory]:
    """What is there beside clusters, and is left alone."""
    return [directory for directory in _unlocked() if not directory.is_cluster]


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


def _unlocked() -> list[StateDirectory]:
    return [StateDirectory(path) for path in _directories() if _is_stale(path)]


def _is_stale(path: Path) -> bool:
    try:
        descriptor = try_lock(path)
    except FileNotFoundError:  # it ended between the listing and now
        return False
    if descriptor is None:
        return False
    os.close(descriptor)
    return True
