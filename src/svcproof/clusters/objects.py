"""From the API server's JSON to the plain values of a snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any, Final

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
#: Client Pods tolerate these; any other such taint keeps them off the node.
_TOLERATED: Final = frozenset({"node-role.kubernetes.io/control-plane"})


def node(item: Json) -> Node:
    """A Node."""
    spec, status = item.get("spec", {}), item.get("status", {})
    repelling = any(
        taint["effect"] in ("NoSchedule", "NoExecute") and taint["key"] not in _TOLERATED
        for taint in spec.get("taints") or ()
    )
    info, labels = status.get("nodeInfo") or {}, item["metadata"].get("labels") or {}
    unfit = _unfit(info, labels, item["metadata"].get("annotations") or {})
    return Node(
        name=item["metadata"]["name"],
        addresses=tuple(
            address["address"]
            for address in status.get("addresses") or ()
            if address["type"] == "InternalIP" and _is_address(address["address"])
        ),
        unfit=unfit,
        architecture=info.get("architecture") or labels.get("kubernetes.io/arch", ""),
        ready=_condition(status, "Ready"),
        zone=labels.get(_ZONE_LABEL, ""),
        schedulable=not spec.get("unschedulable", False) and not repelling and not unfit,
    )


def _is_address(text: str) -> bool:
    """Some clouds put a name there."""
    try:
        ip_address(text)
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
    metadata, spec, status = item["metadata"], item.get("spec", {}), item.get("status", {})
    return Pod(
        name=metadata["name"],
        namespace=metadata["namespace"],
        uid=metadata["uid"],
        node=spec.get("nodeName", ""),
        addresses=tuple(entry["ip"] for entry in status.get("podIPs") or ()),
        labels=dict(metadata.get("labels") or {}),
        phase=status.get("phase", ""),
        ready=_condition(status, "Ready"),
        terminating="deletionTimestamp" in metadata,
        host_network=spec.get("hostNetwork", False),
        waiting=_waiting(status),
    )


def _waiting(status: Json) -> str:
    """What holds up the first container that is held up."""
    kinds = ("initContainerStatuses", "containerStatuses")
    for container in [entry for kind in kinds for entry in status.get(kind) or ()]:
        state = (container.get("state") or {}).get("waiting") or {}
        if state.get("reason", "") not in _ON_ITS_WAY:
            return f"{state['reason']}: {state.get('message', '')}".rstrip(": ")
    return ""


def service(item: Json) -> Service:
    """A Service."""
    spec = item["spec"]
    affinity = spec.get("sessionAffinityConfig") or {}
    balancer = item.get("status", {}).get("loadBalancer") or {}
    return Service(
        name=item["metadata"]["name"],
        namespace=item["metadata"]["namespace"],
        type=spec.get("type", "ClusterIP"),
        cluster_ips=tuple(spec.get("clusterIPs") or ()),
        ports=tuple(_service_port(port) for port in spec.get("ports") or ()),
        selector=dict(spec.get("selector") or {}),
        session_affinity=spec.get("sessionAffinity", "None"),
        affinity_timeout_seconds=(affinity.get("clientIP") or {}).get(
            "timeoutSeconds", DEFAULT_AFFINITY_SECONDS
        ),
        external_traffic_policy=spec.get("externalTrafficPolicy", ""),
        internal_traffic_policy=spec.get("internalTrafficPolicy", "Cluster"),
        external_name=spec.get("externalName", ""),
        load_balancer_addresses=tuple(
            entry["ip"] for entry in balancer.get("ingress") or () if "ip" in entry
        ),
        health_check_node_port=spec.get("healthCheckNodePort", 0),
        publish_not_ready_addresses=spec.get("publishNotReadyAddresses", False),
        load_balancer_source_ranges=tuple(spec.get("loadBalancerSourceRanges") or ()),
        external_ips=tuple(spec.get("externalIPs") or ()),
        traffic_distribution=spec.get("trafficDistribution", ""),
        ip_families=tuple(spec.get("ipFamilies") or ()),
    )


def endpoint_slice(item: Json) -> EndpointSlice:
    """An EndpointSlice; one that belongs to no Service has an empty ``service``."""
    return EndpointSlice(
        name=item["metadata"]["name"],
        service=(item["metadata"].get("labels") or {}).get(_SERVICE_LABEL, ""),
        family=item["addressType"],
        ports={
            port.get("name") or "": port["port"]
            for port in item.get("ports") or ()
            if port.get("port") is not None
        },
        endpoints=tuple(_endpoint(entry) for entry in item.get("endpoints") or ()),
    )


def _endpoint(entry: Json) -> Endpoint:
    conditions = entry.get("conditions") or {}
    reference = entry.get("targetRef") or {}
    # A condition that is not set: ready and serving read as true, terminating as
    # false (discovery/v1 EndpointConditions).
    ready = conditions.get("ready", True)
    hints = entry.get("hints") or {}
    return Endpoint(
        addresses=tuple(entry["addresses"]),
        ready=ready,
        serving=conditions.get("serving", ready),
        terminating=conditions.get("terminating", False),
        node=entry.get("nodeName") or "",
        zone=entry.get("zone") or "",
        pod=reference.get("name", "") if reference.get("kind") == "Pod" else "",
        pod_uid=reference.get("uid", "") if reference.get("kind") == "Pod" else "",
        hostname=entry.get("hostname") or "",
        for_zones=tuple(hint["name"] for hint in hints.get("forZones") or ()),
        for_nodes=tuple(hint["name"] for hint in hints.get("forNodes") or ()),
    )


def _service_port(port: Json) -> ServicePort:
    return ServicePort(
        port=port["port"],
        target_port=port.get("targetPort", port["port"]),
        protocol=port.get("protocol", "TCP"),
        name=port.get("name") or "",
        node_port=port.get("nodePort", 0),
    )


def _condition(status: Json, kind: str) -> bool:
    return any(
        condition["type"] == kind and condition["status"] == "True"
        for condition in status.get("conditions") or ()
    )
