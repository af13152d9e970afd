"""Entering a running cluster's namespaces from the host."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from svcproof.clusters.embedded.network import OUTSIDE
from svcproof.clusters.embedded.plan import ClusterPlan
from svcproof.clusters.embedded.state import Processes, StateDirectory
from svcproof.errors import NotSupported, UsageError

if TYPE_CHECKING:
    import psutil

__all__ = ["World"]


class World:
    """A running cluster, seen by somebody who may enter its namespaces."""

    def __init__(self, directory: StateDirectory) -> None:
        self.directory = directory
        self.plan: ClusterPlan = directory.plan()
        self._supervisor = directory.supervisor()

    @property
    def processes(self) -> Processes:
        """The process numbers now (a node that was restarted has new ones)."""
        return self.directory.processes()

    def process_tree(self) -> list[psutil.Process]:
        """Every process of the cluster, the keeper first."""
        import psutil

        unshare = psutil.Process(self._supervisor).parent()
        keeper = unshare.parent() if unshare else None
        return [keeper, *keeper.children(recursive=True)] if keeper else []

    def outside_prefix(self) -> list[str]:
        """Command prefix for a client that is neither a node nor a Pod nor the host."""
        return ["nsenter", f"--net=/proc/{self._supervisor}/root/run/netns/{OUTSIDE}", "--"]

    def node_prefix(self, node: str) -> list[str]:
        """Command prefix for all namespaces of a node.

        Raises :class:`~svcproof.errors.UsageError`, listing the nodes, for an unknown one.
        """
        inits = self.processes.node_inits
        if node not in inits:
            raise UsageError(
                f"cluster {self.plan.name} has no node {node!r}; it has {', '.join(sorted(inits))}"
            )
        enter = ["nsenter", f"--target={inits[node]}", "--net", "--mount", "--pid"]
        return [*self.supervisor_prefix(), *enter, "--uts", "--ipc", "--"]

    def supervisor_prefix(self) -> list[str]:
        """Command prefix for the supervisor's namespaces: all processes, all mounts."""
        return ["nsenter", f"--target={self._supervisor}", "--net", "--mount", "--pid", "--"]

    def signal_component(self, component: str, node: str, number: signal.Signals) -> None:
        """Send a signal to one component (``node`` is empty for the control plane's).

        Raises :class:`~svcproof.errors.NotSupported`, listing the components, for an unknown one.
        """
        label = f"{component}/{node}" if node else component
        known = self.processes.components
        if label not in known:
            raise NotSupported(f"no component {label}; there are {', '.join(sorted(known))}")
        command = [*self.supervisor_prefix(), "kill", f"-{number.name[3:]}", str(known[label])]
        subprocess.run(command, check=True, timeout=10)

    def signal_node(self, node: str, number: signal.Signals) -> None:
        """Send a signal to every process of a node, its Pods' included, except the node's init.

        ``kill`` with -1 means all of the PID namespace but its init and the caller.
        """
        command = ["sh", "-c", f"kill -{number.name[3:]} -1"]
        subprocess.run([*self.node_prefix(node), *command], check=True, timeout=10)

    def set_link(self, node: str, state: Literal["up", "down"]) -> None:
        """Plug a node's cable into the fabric, or pull it: the fabric's end has the node's name."""
        command = [*self.supervisor_prefix(), "ip", "link", "set", node, state]
        subprocess.run(command, check=True, timeout=10)

    def alive(self) -> dict[str, bool]:
        """Component label → whether its process is there and no zombie."""
        proc = Path(f"/proc/{self._supervisor}/root/proc")
        return {
            label: _is_alive(proc / str(number))
            for label, number in self.processes.components.items()
        }

    def run_in_node(self, node: str, command: Sequence[str]) -> tuple[int, str, str]:
        """Run a command in a node: exit code, standard output, standard error."""
        done = subprocess.run(
            [*self.node_prefix(node), *command],
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=120,
            check=False,
            env=os.environ,
        )
        return done.returncode, done.stdout, done.stderr


def _is_alive(process: Path) -> bool:
    try:
        return process.joinpath("stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except FileNotFoundError:
        return False
