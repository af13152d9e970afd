"""What every step of a start shares: the plan, the programs so far, and bounded waits."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from svcproof.clusters.embedded import network
from svcproof.clusters.embedded.control_plane import control_plane_commands
from svcproof.clusters.embedded.node_config import node_commands
from svcproof.clusters.embedded.plan import ClusterPlan, NodePlan
from svcproof.clusters.embedded.processes import Component, ProcessTable
from svcproof.clusters.embedded.state import StateDirectory
from svcproof.errors import StartFailed, WaitExpired
from svcproof.limits import DEFAULT_LIMITS
from svcproof.waits import wait_for

__all__ = ["Starting", "absent", "keep"]

_POLL: Final = 0.02


@dataclass(frozen=True, slots=True)
class Starting:
    """A cluster that is being started."""

    plan: ClusterPlan
    state: StateDirectory
    table: ProcessTable

    def control_plane_program(self, name: str) -> Component:
        """Start etcd or a program of the control plane."""
        command = control_plane_commands(self.plan)[name]
        return self.table.start_in_namespace(name, command, network.CONTROL_PLANE)

    def node_program(self, name: str, node: NodePlan) -> Component:
        """Start containerd, the kubelet or kube-proxy on a node."""
        return self.table.start_on_node(name, node.name, node_commands(self.plan, node)[name])

    def wait(self, what: str, state: Callable[[], str], component: Component | None = None) -> None:
        """Wait until ``state()`` is empty, and notice every program that ends meanwhile.

        Raises :class:`~svcproof.errors.StartFailed` with the last state, and
        with the end of the log of the ``component`` that was waited for.
        """

        def checked() -> str:
            self.table.check()
            return state()

        try:
            wait_for(what, checked, limit=DEFAULT_LIMITS.component_ready, interval=_POLL)
        except WaitExpired as error:
            if component is not None:
                raise self.table.failure(component, error.what) from error
            raise StartFailed(what, error.what) from error


def absent(path: Path) -> str:
    """A state for :meth:`Starting.wait`: empty once the path exists."""
    return "" if path.exists() else f"{path} is not there yet"


def keep(growing: Path, seed: Path) -> None:
    """Put a seed that is complete in its place; another cluster's, if that was faster, stays."""
    try:
        growing.rename(seed)
    except OSError:
        if not seed.is_dir():
            raise
        shutil.rmtree(growing)
