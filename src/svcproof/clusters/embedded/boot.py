"""Starting a cluster, in the order that lets everything overlap.

Runs in the supervisor. The API server is the longest pole, so it starts as
soon as it can, and the nodes' runtimes come up while it does.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from svcproof.clusters.embedded import network
from svcproof.clusters.embedded.control_plane import (
    BINARIES,
    PKI,
    control_plane_commands,
    kubeconfig_path,
)
from svcproof.clusters.embedded.kubeconfig import write_kubeconfig
from svcproof.clusters.embedded.node_config import containerd_socket, node_commands, node_files
from svcproof.clusters.embedded.pki import write_pki
from svcproof.clusters.embedded.plan import WORLD, ClusterPlan, NodePlan
from svcproof.clusters.embedded.processes import Component, ProcessTable
from svcproof.clusters.embedded.state import StateDirectory
from svcproof.errors import StartFailed
from svcproof.limits import DEFAULT_LIMITS

__all__ = ["PROGRAMS", "Boot", "component_environment"]

#: Name of a program → binary that it is. Kubernetes' own are one binary, which
#: looks at the name it is called by.
PROGRAMS: Final = {
    **dict.fromkeys(
        (
            "kube-apiserver",
            "kube-controller-manager",
            "kube-scheduler",
            "kube-proxy",
            "kubelet",
            "kubectl",
        ),
        "kube",
    ),
    **{
        name: name
        for name in (
            "etcd",
            "containerd",
            "containerd-shim-runc-v2",
            "ctr",
            "ptp",
            "loopback",
            "host-local",
            "portmap",
            "coredns",
            "echo-hostname",
        )
    },
}

_NODE_SCRIPT: Final = Path(__file__).with_name("node.sh")
_POLL: Final = 0.02


def component_environment() -> dict[str, str]:
    """The environment of every component: no proxies, no settings of the user's."""
    system = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return {"PATH": f"{BINARIES}:{os.environ.get('PATH', system)}:{system}", "HOME": "/root"}


class Boot:
    """One start of one cluster. ``report`` gets each milestone as it is reached."""

    def __init__(
        self, plan: ClusterPlan, state: StateDirectory, report: Callable[[str], None]
    ) -> None:
        self.plan = plan
        self.table = ProcessTable(state.logs, component_environment())
        self._state = state
        self._report = report
        self._commands = control_plane_commands(plan)
        self._began = time.monotonic()
        self.timeline: dict[str, float] = {}

    def run(self, host_namespace: int) -> None:
        """Start everything; returns when all nodes are Ready and the DNS answers.

        Raises :class:`~svcproof.errors.StartFailed`.
        """
        self._make_world()
        network.build_fabric(self.plan, host_namespace)
        self._write_identities()
        self._start_control_plane_program("etcd")
        self._await_port("etcd", "127.0.0.1", 2379)
        api_server = self._start_control_plane_program("kube-apiserver")
        network.build_nodes(self.plan)
        self._milestone("network")
        with ThreadPoolExecutor(max_workers=len(self.plan.nodes)) as pool:
            runtimes = [pool.submit(self._start_runtime, node) for node in self.plan.nodes]
            client = self._connect(api_server)
            for runtime in runtimes:
                runtime.result()
        self._milestone("images")
        self._start_the_rest(client)

    def _make_world(self) -> None:
        for directory in ("netns", "svcproof"):
            (Path("/run") / directory).mkdir(exist_ok=True)
        for name in ("bin", "kubeconfig", "nodes"):
            (WORLD / name).mkdir()
        for program, binary in PROGRAMS.items():
            (BINARIES / program).symlink_to(WORLD / "components" / binary)

    def _write_identities(self) -> None:
        """Keys, certificates and kubeconfigs, and the administrator's where the host finds it."""
        write_pki(self.plan, PKI)
        users = ["admin", "kube-controller-manager", "kube-scheduler", "kube-proxy"]
        users += [f"node-{node.name}" for node in self.plan.nodes]
        for user in users:
            path = kubeconfig_path(user)
            write_kubeconfig(
                path, cluster=self.plan.name, server=self.plan.api_server, pki=PKI, user=user
            )
        shutil.copyfile(kubeconfig_path("admin"), self._state.kubeconfig)
        self._state.kubeconfig.chmod(0o600)

    def _start_control_plane_program(self, name: str) -> Component:
        return self.table.start_in_namespace(name, self._commands[name], network.CONTROL_PLANE)

    def _start_runtime(self, node: NodePlan) -> None:
        """A node's namespaces, its containerd, and the images in it."""
        for path, content in node_files(self.plan, node).items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        script = ["sh", str(_NODE_SCRIPT), node.name, str(node.directory), str(WORLD)]
        init = self.table.start_node(node.name, script)
        self._await(f"the mounts of {node.name}", lambda: self._exists(node.directory / "up"), init)
        children = Path(f"/proc/{init.process.pid}/task/{init.process.pid}/children")
        self.table.node_inits[node.name] = int(children.read_text().split()[0])
        containerd = self._start_on_node("containerd", node)
        self._await(
            f"containerd of {node.name}",
            lambda: self._exists(containerd_socket(node)),
            containerd,
        )
        for image in self.plan.images:
            self._import_image(node, image)

    def _import_image(self, node: NodePlan, image: str) -> None:
        done = subprocess.run(
            [
                str(BINARIES / "ctr"),
                f"--address={containerd_socket(node)}",
                "--namespace=k8s.io",
                "images",
                "import",
                "--local",
                image,
            ],
            capture_output=True,
            text=True,
            timeout=DEFAULT_LIMITS.component_ready,
            env=component_environment(),
            check=False,
        )
        if done.returncode != 0:
            raise StartFailed(
                f"containerd/{node.name}",
                f"image {Path(image).name} could not be imported",
                exit_code=done.returncode,
                log_lines=done.stderr.splitlines()[-20:],
            )

    def _start_on_node(self, name: str, node: NodePlan) -> Component:
        return self.table.start_on_node(name, node.name, node_commands(self.plan, node)[name])

    def _connect(self, api_server: Component):  # type: ignore[no-untyped-def]
        from svcproof.clusters.embedded.objects import ControlPlaneClient

        client = ControlPlaneClient(self._state.kubeconfig)
        self._await("the API server", client.ready, api_server)
        self._milestone("api server ready")
        return client

    def _start_the_rest(self, client) -> None:  # type: ignore[no-untyped-def]
        self._start_control_plane_program("kube-controller-manager")
        self._start_control_plane_program("kube-scheduler")
        client.create_nodes(self.plan)
        for node in self.plan.nodes:
            self._start_on_node("kubelet", node)
            self._start_on_node("kube-proxy", node)
        client.create_dns(self.plan)
        self._await("all nodes Ready", lambda: _unready(client.unready_nodes()))
        self._milestone("nodes ready")
        self._await("the cluster DNS", client.dns_state)
        self._await(
            "the default service account",
            lambda: "" if client.has_default_service_account() else "not there yet",
        )
        self._milestone("dns ready")

    def _await_port(self, name: str, address: str, port: int) -> None:
        import socket

        def connects() -> str:
            outcome: list[str] = []

            def connect() -> None:
                try:
                    socket.create_connection((address, port), timeout=1).close()
                    outcome.append("")
                except OSError as error:
                    outcome.append(str(error))

            network.inside(str(network.namespace_path(network.CONTROL_PLANE)), connect)
            return outcome[0]

        self._await(f"{name} on port {port}", connects, self.table.component(name))

    @staticmethod
    def _exists(path: Path) -> str:
        return "" if path.exists() else f"{path.name} is not there yet"

    def _await(
        self, what: str, state: Callable[[], str], component: Component | None = None
    ) -> None:
        """Wait until ``state()`` is empty, and notice every program that ends meanwhile."""

        def checked() -> str:
            self.table.check()
            return state()

        waiting = Retrying(
            retry=retry_if_result(bool),
            stop=stop_after_delay(DEFAULT_LIMITS.component_ready),
            wait=wait_fixed(_POLL),
        )
        try:
            waiting(checked)
        except RetryError as error:
            last = error.last_attempt.result()
            reason = f"waited {DEFAULT_LIMITS.component_ready:g} s for {what}; last state: {last}"
            if component is not None:
                raise self.table.failure(component, reason) from error
            raise StartFailed(what, reason) from error

    def _milestone(self, name: str) -> None:
        self.timeline[name] = round(time.monotonic() - self._began, 3)
        self._report(name)


def _unready(nodes: dict[str, str]) -> str:
    return "; ".join(f"{name}: {reason}" for name, reason in sorted(nodes.items()))
