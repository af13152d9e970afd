"""A running embedded cluster as the harness sees it: the protocol and its optional powers."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from svcproof.clusters import objects
from svcproof.clusters.embedded.dns import OUTSIDE_NAMES
from svcproof.clusters.embedded.state import StateDirectory
from svcproof.clusters.embedded.world import World
from svcproof.clusters.kubernetes import KubernetesCluster
from svcproof.history import Position
from svcproof.ports import ClusterFacts
from svcproof.probes import OutsideClient
from svcproof.probes.program import ProgramProber
from svcproof.snapshot import Snapshot
from svcproof.waits import wait_for

if TYPE_CHECKING:
    import psutil

    from svcproof.clusters.embedded.owner import Owner

__all__ = ["EmbeddedCluster"]

_FREEZE: Final = signal.SIGSTOP
_THAW: Final = signal.SIGCONT


class EmbeddedCluster(KubernetesCluster):
    """Adds what only a cluster on this very machine can do.

    Implements :class:`~svcproof.ports.CanRunInNodes`,
    :class:`~svcproof.ports.CanFreezeComponents`, :class:`~svcproof.ports.CanStopNodes`,
    :class:`~svcproof.ports.CanLoadImages` and :class:`~svcproof.ports.CanBalanceLoad`.
    """

    def __init__(
        self,
        directory: StateDirectory,
        *,
        owner: Owner | None = None,
        report: Callable[[str], None] = lambda _: None,
        allow_install: bool = True,
    ) -> None:
        """``owner``, if this run started the cluster: it ends it, and knows when it is all up.

        ``allow_install`` is for what has to be built later on.
        """
        self._world = World(directory)
        self._allow_install = allow_install
        self._starting = owner
        self._report = report
        plan = self._world.plan
        outside = Position(
            name="outside",
            kind="outside",
            addresses=tuple(family.outside for family in plan.families),
        )
        program = Path(plan.components) / "echo-hostname"
        prober = ProgramProber(program, prefix=self._world.outside_prefix())
        super().__init__(
            directory.kubeconfig,
            ClusterFacts(
                name=plan.name,
                kind="embedded",
                kubernetes_version=plan.kubernetes_version,
                proxy_mode=plan.proxy_mode,
                families=tuple(family.family for family in plan.families),
                node_names=tuple(node.name for node in plan.nodes),
                outside_names=OUTSIDE_NAMES,
                outside_ranges={family.family: family.clients for family in plan.families},
                limits_refusals=False,
            ),
            outside=[OutsideClient(outside, prober)],
            on_close=owner.end if owner else None,
            temporary_directory=directory.path,
        )

    @property
    def timeline(self) -> dict[str, float]:
        """Milestone of the start → seconds since its beginning."""
        return self._world.directory.timeline()

    def process_tree(self) -> list[psutil.Process]:
        """Every process of the cluster, the keeper first."""
        return self._world.process_tree()

    def node_prefix(self, node: str) -> list[str]:
        """What a command begins with that is to run in all namespaces of a node."""
        return self._world.node_prefix(node)

    def snapshot(self, namespace: str) -> Snapshot:
        """Whoever looks at workloads is about to use them: from here on all of the start is over.

        Raises :class:`~svcproof.errors.StartFailed` when the rest of it fails.
        """
        if self._starting is not None:
            starting, self._starting = self._starting, None
            starting.follow(self._report)
        return super().snapshot(namespace)

    def run_in_node(self, node: str, command: Sequence[str]) -> tuple[int, str, str]:
        """Run a command in all namespaces of a node."""
        return self._world.run_in_node(node, command)

    def load_image(self, archive: Path) -> None:
        """Import every image of an OCI layout's tar on every node."""
        from svcproof.clusters.embedded.loading import load_image

        load_image(self._world, archive)

    def provide_load_balancer(self) -> None:
        """Bring up MetalLB, unless it is up; build its programs if they are not there."""
        from svcproof.clusters.embedded.load_balancer import provide_load_balancer

        provide_load_balancer(self, self._world, allow_install=self._allow_install)

    def freeze(self, component: str, node: str) -> None:
        """Stop a component in its tracks; its rules and containers live on."""
        self._world.signal_component(component, node, _FREEZE)

    def thaw(self, component: str, node: str) -> None:
        """Let a frozen component go on."""
        self._world.signal_component(component, node, _THAW)

    def stop_node(self, node: str) -> None:
        """As a power cut looks from the network: silent at once, and none of its programs run.

        The cable first, so that no program says goodbye. What was frozen on the
        node goes on with all the others when the node starts.
        """
        self._world.node_prefix(node)  # an unknown name is told before anything is done
        self._world.set_link(node, "down")
        self._world.signal_node(node, _FREEZE)

    def start_node(self, node: str) -> None:
        """Let everything go on, and wait until the node's kubelet is heard of again.

        Its Ready condition alone would not do: it stays true for 50 s after a node has died.
        """
        before = self._heartbeat(node)
        self._world.set_link(node, "up")
        self._world.signal_node(node, _THAW)
        wait_for(
            f"node {node} to be Ready again",
            lambda: self._silence(node, before),
            limit=self._limits.component_ready,
            remedy=f"svcproof logs --name {self.facts.name} kubelet {node}",
        )

    def _heartbeat(self, node: str) -> str:
        """When the node's kubelet last renewed its lease."""
        lease = f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{node}"
        return str(self.api.get(lease)["spec"]["renewTime"])

    def _silence(self, node: str, before: str) -> str:
        if self._heartbeat(node) == before:
            return f"not heard of since {before}"
        item = objects.node(self.api.get(f"/api/v1/nodes/{node}"))
        return "" if item.ready else "heard of, but not Ready"
