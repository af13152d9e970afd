"""Starting a cluster, in the order that lets everything overlap.

Runs in the supervisor. The API server is the longest pole, so it starts as
soon as it can, and the nodes' runtimes come up while it does.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from svcproof.clusters.embedded import network
from svcproof.clusters.embedded.control_plane import PROGRAMS
from svcproof.clusters.embedded.plan import WORLD, ClusterPlan
from svcproof.clusters.embedded.processes import ProcessTable
from svcproof.clusters.embedded.reports import DNS_READY, NODES_READY
from svcproof.clusters.embedded.runtime import prepare_images, start_runtime
from svcproof.clusters.embedded.starting import Starting
from svcproof.clusters.embedded.state import StateDirectory
from svcproof.clusters.embedded.store import connect, prepare_store, start_etcd
from svcproof.components import BINARIES

if TYPE_CHECKING:
    from svcproof.clusters.embedded.objects import ControlPlaneClient

__all__ = ["Boot"]

#: Name of a program → the binary that it is. Kubernetes' own are one binary,
#: which looks at the name it is called by.
_PROGRAMS: Final = {
    **{name: name for name in BINARIES if name != "kube"},
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
}


class Boot:
    """One start of one cluster; ``report`` gets each milestone and its seconds as it is reached."""

    def __init__(
        self, plan: ClusterPlan, state: StateDirectory, report: Callable[[str, float], None]
    ) -> None:
        self.table = ProcessTable(state.logs, _component_environment())
        self.timeline: dict[str, float] = {}
        self._plan = plan
        self._starting = Starting(plan, state, self.table)
        self._report = report
        self._began = time.monotonic()

    def run(self, host_namespace: int) -> None:
        """Start everything; returns when all nodes are Ready and the DNS has a ready Pod.

        Raises :class:`~svcproof.errors.StartFailed`.
        """
        starting = self._starting
        _make_world()
        network.build_fabric(self._plan, host_namespace)
        prepare_store(starting)
        prepare_images(starting)
        self._milestone("seeds")
        start_etcd(starting)
        starting.control_plane_program("kube-apiserver")
        network.build_nodes(self._plan)
        self._milestone("network")
        with ThreadPoolExecutor(max_workers=len(self._plan.nodes)) as pool:
            runtimes = [pool.submit(start_runtime, starting, node) for node in self._plan.nodes]
            client = connect(starting)
            self._milestone("api server ready")
            for runtime in runtimes:
                runtime.result()
        self._start_the_rest(client)

    def _start_the_rest(self, client: ControlPlaneClient) -> None:
        starting = self._starting
        manager = starting.control_plane_program("kube-controller-manager")
        starting.control_plane_program("kube-scheduler")
        client.create_nodes(self._plan)
        for node in self._plan.nodes:
            starting.node_program("kubelet", node)
            starting.node_program("kube-proxy", node)
        client.create_dns(self._plan)
        starting.wait("every namespace's service account", client.namespaces_state, manager)
        starting.wait("all nodes Ready", client.nodes_state)
        self._milestone(NODES_READY)
        starting.wait("every kube-proxy", partial(client.proxies_state, self._plan))
        client.label_zones(self._plan)
        starting.wait("the cluster DNS", client.dns_state)
        self._milestone(DNS_READY)

    def _milestone(self, name: str) -> None:
        self.timeline[name] = round(time.monotonic() - self._began, 3)
        self._report(name, self.timeline[name])


def _make_world() -> None:
    """The directories of the world, and every program by its own name."""
    Path("/run/netns").mkdir()
    for name in ("bin", "kubeconfig", "nodes"):
        (WORLD / name).mkdir()
    for program, binary in _PROGRAMS.items():
        (PROGRAMS / program).symlink_to(WORLD / "components" / binary)


def _component_environment() -> dict[str, str]:
    """The environment of every component: no proxy and no setting of the user's."""
    return {"PATH": f"{PROGRAMS}:{os.environ['PATH']}", "HOME": "/root"}
