"""From the API server's JSON to the plain values of a snapshot.

Whatever the API's types allow is read: a field may be left out or ``null``, and of those that
are always written a list may be ``null`` (an empty one in Go). No function here raises.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import Any, Final

from svcproof.clusters.placing import Toleration
from svcproof.snapshot import (
    DEFAULT_AFFINITY_SECONDS,
    Endpoint,
    EndpointSlice,
    Node,
    Pod,
    Service,
    ServicePort,
)

__all__ = ["endpoint_slice", "node", "pod", "service"]

Json = Mapping[str, Any]

_SERVICE_LABEL: Final = "kubernetes.io/service-name"
_ZONE_LABEL: Final = "topology.kubernetes.io/zone"
#: Reasons of a container that only takes its time.
_ON_ITS_WAY: Final = frozenset({"", "ContainerCreating", "PodInitializing"})
#: Client Pods tolerate it, as their manifests say: a node of a control plane is one as any other.
_CONTROL_PLANE: Final = Toleration("node-role.kubernetes.io/control-plane")
#: The scheduler takes a cordoned node for one with this taint.
_CORDONED: Final = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}


def node(item: Json, tolerated: Sequence[Toleration] = ()) -> Node:
    """A Node, to Pods with these tolerations."""
    metadata, spec, status = _parts(item)
    info, labels = status.get("nodeInfo") or {}, metadata.get("labels") or {}
    return Node(
        name=metadata.get("name") or "",
        addresses=tuple(
            entry["address"]
            for entry in status.get("addresses") or ()
            if entry.get("type") == "InternalIP" and _is_address(entry.get("address"))
        ),
        unfit=_unfit(info, labels, metadata.get("annotations") or {}),
        repels=_repels(spec, (_CONTROL_PLANE, *tolerated)),
        architecture=info.get("architecture") or labels.get("kubernetes.io/arch", ""),
        ready=_condition(status, "Ready"),
        zone=labels.get(_ZONE_LABEL, ""),
    )


def _parts(item: Json) -> tuple[Json, Json, Json]:
    """Its metadata, spec and status."""
    return item.get("metadata") or {}, item.get("spec") or {}, item.get("status") or {}


def _repels(spec: Json, tolerated: Sequence[Toleration]) -> str:
    taints = [_CORDONED] if spec.get("unschedulable") else []
    for taint in [*taints, *(spec.get("taints") or ())]:
        effect = taint.get("effect")
        if effect in ("NoSchedule", "NoExecute") and not any(
            each.tolerates(taint) for each in tolerated
        ):
            value = f"={taint['value']}" if taint.get("value") else ""
            return "cordoned" if taint is _CORDONED else f"tainted {taint['key']}{value}:{effect}"
    return ""


def _is_address(text: str | None) -> bool:
    """Some clouds put a name there."""
    try:
        ip_address(text or "")
    except ValueError:
        return False
    return True


def _unfit(info: Json, labels: Json, annotations: Json) -> str:
    """Why a node runs no Linux program of ours: another system, or no kubelet at all."""
    system = info.get("operatingSystem") or labels.get("kubernetes.io/os") or "linux"
    if system != "linux":
        return f"a {system.capitalize()} node"
    if labels.get("type") == "virtual-kubelet" or "kubernetes.azure.com/virtual-node" in labels:
        return "a virtual node (virtual-kubelet)"
    if "kwok.x-k8s.io/node" in annotations:
        return "a node that only pretends to run Pods (kwok)"
    if not info.get("kubeletVersion"):
        return "no kubelet has told what it is (no nodeInfo)"
    return ""


def pod(item: Json) -> Pod:
    """A Pod."""
    metadata, spec, status = _parts(item)
    return Pod(
        name=metadata.get("name") or "",
        namespace=metadata.get("namespace") or "",
        uid=metadata.get("uid") or "",
        node=spec.get("nodeName") or "",
        addresses=tuple(
            entry["ip"] for entry in status.get("podIPs") or () if _is_address(entry.get("ip"))
        ),
        labels=dict(metadata.get("labels") or {}),
        phase=status.get("phase") or "",
        ready=_condition(status, "Ready"),
        terminating=bool(metadata.get("deletionTimestamp")),
        host_network=spec.get("hostNetwork") or False,
        waiting=_waiting(status) or _gate(spec, status) or _unscheduled(status),
    )


def _waiting(status: Json) -> str:
    """What holds up the first container that is held up."""
    kinds = ("initContainerStatuses", "containerStatuses")
    for container in [entry for kind in kinds for entry in status.get(kind) or ()]:
        state = (container.get("state") or {}).get("waiting") or {}
        reason = state.get("reason") or ""
        if reason not in _ON_ITS_WAY:
            return f"{reason}: {state.get('message') or ''}".rstrip(": ")
    return ""


def _gate(spec: Json, status: Json) -> str:
    """The first readiness gate that holds up a Pod whose containers are ready (KEP-580)."""
    if not _condition(status, "ContainersReady"):
        return ""
    gates = [gate["conditionType"] for gate in spec.get("readinessGates") or ()]
    closed = next((gate for gate in gates if not _condition(status, gate)), "")
    return closed and f"its readiness gate {closed} is not set to True: see which controller does"


def _unscheduled(status: Json) -> str:
    """Why the scheduler finds no node for a Pod."""
    for condition in status.get("conditions") or ():
        if (condition["type"], condition.get("reason")) == ("PodScheduled", "Unschedulable"):
            return f"Unschedulable: {condition.get('message') or ''}".rstrip(": ")
    return ""


def service(item: Json) -> Service:
    """A Service."""
    metadata, spec, status = _parts(item)
    affinity = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
    ingress = (status.get("loadBalancer") or {}).get("ingress") or ()
    return Service(
        name=metadata.get("name") or "",
        namespace=metadata.get("namespace") or "",
        type=spec.get("type") or "ClusterIP",
        cluster_ips=tuple(spec.get("clusterIPs") or ()),
        ports=tuple(_service_port(port) for port in spec.get("ports") or ()),
        selector=dict(spec.get("selector") or {}),
        session_affinity=spec.get("sessionAffinity") or "None",
        affinity_timeout_seconds=affinity.get("timeoutSeconds") or DEFAULT_AFFINITY_SECONDS,
        external_traffic_policy=spec.get("externalTrafficPolicy") or "",
        internal_traffic_policy=spec.get("internalTrafficPolicy") or "Cluster",
        external_name=spec.get("externalName") or "",
        load_balancer_addresses=tuple(entry["ip"] for entry in ingress if entry.get("ip")),
        load_balancer_names=tuple(
            entry["hostname"] for entry in ingress if entry.get("hostname") and not entry.get("ip")
        ),
        load_balancer_proxies=tuple(
            entry["ip"] for entry in ingress if entry.get("ip") and entry.get("ipMode") == "Proxy"
        ),
        health_check_node_port=spec.get("healthCheckNodePort") or 0,
        publish_not_ready_addresses=spec.get("publishNotReadyAddresses") or False,
        load_balancer_source_ranges=tuple(spec.get("loadBalancerSourceRanges") or ()),
        external_ips=tuple(spec.get("externalIPs") or ()),
        traffic_distribution=spec.get("trafficDistribution") or "",
        ip_families=tuple(spec.get("ipFamilies") or ()),
    )


def endpoint_slice(item: Json) -> EndpointSlice:
    """An EndpointSlice; one that belongs to no Service has an empty ``service``."""
    metadata = item.get("metadata") or {}
    return EndpointSlice(
        name=metadata.get("name") or "",
        service=(metadata.get("labels") or {}).get(_SERVICE_LABEL, ""),
        family=item["addressType"],
        ports={
            port.get("name") or "": port["port"]
            for port in item.get("ports") or ()
            if port.get("port") is not None
        },
        # One without an address cannot be dialled.
        endpoints=tuple(
            _endpoint(each) for each in item.get("endpoints") or () if each["addresses"]
        ),
    )


def _endpoint(entry: Json) -> Endpoint:
    conditions = entry.get("conditions") or {}
    reference = entry.get("targetRef") or {}
    is_pod = reference.get("kind") == "Pod"
    # A condition that is not set: ready and serving read as true, terminating as
    # false (discovery/v1 EndpointConditions).
    ready, serving = conditions.get("ready") is not False, conditions.get("serving")
    hints = entry.get("hints") or {}
    return Endpoint(
        addresses=tuple(entry["addresses"]),
        ready=ready,
        serving=ready if serving is None else serving,
        terminating=conditions.get("terminating") or False,
        node=entry.get("nodeName") or "",
        zone=entry.get("zone") or "",
        pod=(is_pod and reference.get("name")) or "",
        pod_uid=(is_pod and reference.get("uid")) or "",
        hostname=entry.get("hostname") or "",
        for_zones=tuple(hint["name"] for hint in hints.get("forZones") or ()),
        for_nodes=tuple(hint["name"] for hint in hints.get("forNodes") or ()),
    )


def _service_port(port: Json) -> ServicePort:
    return ServicePort(
        port=port["port"],
        target_port=port.get("targetPort") or port["port"],
        protocol=port.get("protocol") or "TCP",
        name=port.get("name") or "",
        node_port=port.get("nodePort") or 0,
    )


def _condition(status: Json, kind: str) -> bool:
    return any(
        condition.get("type") == kind and condition.get("status") == "True"
        for condition in status.get("conditions") or ()
    )
