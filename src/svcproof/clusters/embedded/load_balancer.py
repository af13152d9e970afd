"""Bringing MetalLB up in a running cluster, when somebody first asks for it.

Not at the start of the cluster: most runs have no Service of type LoadBalancer,
and its programs are built and its images loaded only for those that do.
"""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from svcproof.clusters.embedded import metallb
from svcproof.clusters.embedded.loading import load_image
from svcproof.clusters.embedded.objects import pod_state
from svcproof.clusters.embedded.seeds import ensure_metallb_archive
from svcproof.clusters.embedded.world import World
from svcproof.clusters.kubernetes import KubernetesCluster
from svcproof.components.metallb import obtain_metallb
from svcproof.components.progress import open_progress
from svcproof.errors import ApiRefused, NotSupported
from svcproof.limits import DEFAULT_LIMITS
from svcproof.waits import wait_for

__all__ = ["provide_load_balancer"]

_NOT_FOUND: Final = 404
_POLL: Final = 0.05
_GROUP: Final = "/apis/metallb.io"
_WORKLOADS: Final = f"/apis/apps/v1/namespaces/{metallb.NAMESPACE}"
_PODS: Final = f"/api/v1/namespaces/{metallb.NAMESPACE}/pods"


def provide_load_balancer(cluster: KubernetesCluster, world: World, *, allow_install: bool) -> None:
    """Load the images, create the objects, wait until all of it is ready.

    Raises :class:`~svcproof.errors.NotSupported`,
    :class:`~svcproof.errors.ComponentsUnavailable` and
    :class:`~svcproof.errors.WaitExpired`.
    """
    if not _lacking(cluster):
        return
    _require_packet_sockets()
    # What does not need the images is made while they are loaded.
    with ThreadPoolExecutor(max_workers=1) as pool:
        loading = pool.submit(_load, world, allow_install)
        _configure(cluster, world)
        loading.result()
    cluster.apply(metallb.workloads(), namespace=metallb.NAMESPACE)
    wait_for(
        "MetalLB's controller and a speaker on each node",
        lambda: _lacking(cluster),
        limit=DEFAULT_LIMITS.workload_ready,
        interval=_POLL,
        remedy=f"svcproof kubectl --name {world.plan.name} -n {metallb.NAMESPACE} get pods,events",
    )


def _require_packet_sockets() -> None:
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0).close()
    except OSError as error:
        raise NotSupported(
            f"no load balancer: MetalLB answers ARP requests from packet sockets, and: {error}",
            remedy="modprobe af_packet; in a container: --privileged, or --cap-add NET_RAW",
        ) from error


def _load(world: World, allow_install: bool) -> None:
    with open_progress() as progress:
        programs = obtain_metallb(
            Path(world.plan.components), allow_install=allow_install, progress=progress
        )
    load_image(world, ensure_metallb_archive(programs))


def _configure(cluster: KubernetesCluster, world: World) -> None:
    """The kinds, the accounts, and the addresses to give out."""
    cluster.apply(metallb.definitions(), namespace="")
    cluster.apply(metallb.account_objects(), namespace=metallb.NAMESPACE)
    wait_for(
        "the API server to serve MetalLB's kinds",
        lambda: _unserved(cluster),
        limit=DEFAULT_LIMITS.workload_ready,
        interval=_POLL,
    )
    cluster.apply(metallb.pool_objects(world.plan.families), namespace=metallb.NAMESPACE)


def _unserved(cluster: KubernetesCluster) -> str:
    lacking: set[str] = set()
    for version in metallb.VERSIONS:
        listed = _get(cluster, f"{_GROUP}/{version}").get("resources", ())
        kinds = metallb.served_kinds(version) - {item["kind"] for item in listed}
        lacking |= {f"{version} {kind}" for kind in kinds}
    return f"not yet {', '.join(sorted(lacking))}" if lacking else ""


def _lacking(cluster: KubernetesCluster) -> str:
    """What is not up, in words; "" when all of it is."""
    controller = _status(cluster, f"{_WORKLOADS}/deployments/{metallb.CONTROLLER}")
    speakers = _status(cluster, f"{_WORKLOADS}/daemonsets/{metallb.SPEAKER}")
    wanted = speakers.get("desiredNumberScheduled", 0)
    if controller.get("readyReplicas") and 0 < wanted <= speakers.get("numberReady", 0):
        return ""
    pods = [pod_state(pod) for pod in _get(cluster, _PODS).get("items", ())]
    return "; ".join(pods) or "no Pod of MetalLB yet"


def _status(cluster: KubernetesCluster, path: str) -> dict[str, Any]:
    status: dict[str, Any] = _get(cluster, path).get("status", {})
    return status


def _get(cluster: KubernetesCluster, path: str) -> dict[str, Any]:
    """An object, or an empty one while there is none."""
    try:
        found: dict[str, Any] = cluster.api.get(path)
    except ApiRefused as error:
        if error.status == _NOT_FOUND:
            return {}
        raise
    return found
