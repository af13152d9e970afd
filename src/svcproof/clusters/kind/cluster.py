"""A running kind cluster as the harness sees it: the protocol and its optional powers."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from svcproof.clusters.kind.docker import Docker
from svcproof.clusters.kind.engine import Engine
from svcproof.clusters.kind.outside import outside_position, outside_prober
from svcproof.clusters.kind.processes import LISTING, process_of
from svcproof.clusters.kind.sealing import seal
from svcproof.clusters.kubernetes import KubernetesCluster
from svcproof.clusters.objects import node as node_of
from svcproof.errors import ApiRefused, ClusterProblem, NotSupported, UsageError
from svcproof.ports import ClusterFacts
from svcproof.probes import OutsideClient
from svcproof.waits import wait_for

__all__ = ["KindCluster"]

_COMMAND_LIMIT: Final = 120.0
_NOT_FOUND: Final = 404
#: Its health check says yes while it starts, too; the time of its last sync is 0 until it has.
_PROXY_HAS_SYNCED: Final = (
    "curl -sS --max-time 2 http://127.0.0.1:10249/metrics"
    " | grep -qE '^kubeproxy_sync_proxy_rules_last_timestamp_seconds(\\{.*\\})? [1-9]'"
)


class KindCluster(KubernetesCluster):
    """Adds what a cluster whose nodes are containers can do.

    Implements :class:`~svcproof.ports.CanRunInNodes`,
    :class:`~svcproof.ports.CanFreezeComponents`, :class:`~svcproof.ports.CanStopNodes`
    and :class:`~svcproof.ports.CanLoadImages`.
    """

    def __init__(
        self,
        docker: Docker,
        engine: Engine,
        facts: ClusterFacts,
        *,
        containers: Mapping[str, str],
        ranges: Sequence[str],
        on_close: Callable[[], None] | None = None,
    ) -> None:
        """``containers`` by node, the control plane's first; ``ranges`` are the cluster's own."""
        self._docker = docker
        self._engine = engine
        self._containers = containers
        self._ranges = ranges
        self._outside_prober = outside_prober(docker, engine.name)
        super().__init__(
            engine.kubeconfig,
            facts,
            outside=[OutsideClient(outside_position(docker, engine.name), self._outside_prober)],
            on_close=on_close,
            temporary_directory=engine.directory,
        )

    def close(self) -> None:
        """End the client outside, then everything else."""
        self._outside_prober.close()
        super().close()

    def run_in_node(self, node: str, command: Sequence[str]) -> tuple[int, str, str]:
        """Run a command in a node."""
        done = subprocess.run(
            [*self._docker.prefix(self._container(node), "--privileged"), *command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_COMMAND_LIMIT,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    def load_image(self, archive: Path) -> None:
        """Import every image of an OCI layout's tar on every node."""
        self._engine.load(archive)

    def freeze(self, component: str, node: str) -> None:
        """Stop a component in its tracks; its rules and containers live on."""
        self._signal(component, node, "STOP")

    def thaw(self, component: str, node: str) -> None:
        """Let a frozen component go on."""
        self._signal(component, node, "CONT")

    def stop_node(self, node: str) -> None:
        """As a power cut looks from the network: silent at once, then none of its programs run.

        The link first: a killed program's connections would be closed as if it had said goodbye.
        Raises :class:`~svcproof.errors.NotSupported` for the control plane, without which
        nothing could be asked any more.
        """
        container = self._container(node)
        if node == next(iter(self._containers)):
            raise NotSupported(f"{node} has the control plane, and nobody would take over from it")
        self.run_in_node(node, ["ip", "link", "set", "eth0", "down"])
        self._docker.call("container", "kill", container)

    def start_node(self, node: str) -> None:
        """Start it; wait until its kubelet is heard of again, and its kube-proxy has set its rules.

        A node is Ready before that, and would refuse what it is to serve.
        """
        container = self._container(node)
        before = self._heartbeat(node)
        self._docker.call("container", "start", container)
        self.seal(node)
        wait_for(
            f"node {node} to be Ready again",
            lambda: self._silence(node, before),
            limit=self._limits.component_ready,
            remedy=f"docker logs {container}",
        )
        wait_for(
            f"the kube-proxy of {node} to have set its rules",
            lambda: self._proxy_silence(node),
            limit=self._limits.component_ready,
            remedy=f"docker exec {container} crictl ps --all",
        )

    def seal(self, node: str) -> None:
        """Let nothing leave the machine from a node; for as long as it runs."""
        seal(self._docker, self._container(node), self._ranges)

    def _container(self, node: str) -> str:
        if node not in self._containers:
            names = ", ".join(self._containers)
            raise UsageError(f"cluster {self.facts.name} has no node {node!r}; it has {names}")
        return self._containers[node]

    def _signal(self, component: str, node: str, signal: str) -> None:
        where = node or next(iter(self._containers))
        _, listing, _ = self.run_in_node(where, LISTING)
        process = process_of(component, listing)
        if not process:
            raise NotSupported(f"no component {component} runs on {where}")
        code, _, errors = self.run_in_node(where, ["kill", f"-{signal}", process])
        if code:
            raise ClusterProblem(f"{component} on {where} did not get SIG{signal}: {errors}")

    def _proxy_silence(self, node: str) -> str:
        code, _, errors = self.run_in_node(node, ["sh", "-c", _PROXY_HAS_SYNCED])
        return (errors.strip() or "it has not set its rules yet") if code else ""

    def _heartbeat(self, node: str) -> str:
        """When the node's kubelet last renewed its lease; "" while a young node has none."""
        lease = f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{node}"
        try:
            return str(self.api.get(lease)["spec"]["renewTime"])
        except ApiRefused as error:
            if error.status == _NOT_FOUND:
                return ""
            raise

    def _silence(self, node: str, before: str) -> str:
        if self._heartbeat(node) == before:
            return f"not heard of since {before}"
        item = node_of(self.api.get(f"/api/v1/nodes/{node}"))
        return "" if item.ready else "heard of, but not Ready"
