"""Which endpoints count: those that get connections, and those that an EndpointSlice must list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from svcproof.history import Family
from svcproof.snapshot import Endpoint, Node, Pod, Service, Snapshot

__all__ = ["endpoint_lists", "endpoints_of", "family_of", "hinted", "nearest", "usable"]

_PREFERENCES: Final = frozenset({"PreferClose", "PreferSameZone", "PreferSameNode"})
_FAMILIES: Final[dict[str, Family]] = {"IPv4": "ipv4", "IPv6": "ipv6"}


def usable(endpoints: Sequence[Endpoint]) -> tuple[Endpoint, ...]:
    """The endpoints that get new connections: the ready ones, else the dying but serving."""
    ready = tuple(endpoint for endpoint in endpoints if endpoint.ready)
    return ready or tuple(
        endpoint for endpoint in endpoints if endpoint.serving and endpoint.terminating
    )


def nearest(
    endpoints: Sequence[Endpoint], service: Service, node: Node | None
) -> tuple[Endpoint, ...]:
    """Those endpoints that trafficDistribution, or else topology hints, leave to a node.

    What the Service's spec says is promised whatever the EndpointSlices hint at:
    PreferSameNode takes the node's own, else those of its zone; PreferSameZone and
    its old name PreferClose those of its zone; where there are none, or where the zone
    of a ready endpoint is not known, all (KEP-4444, KEP-3015).
    """
    ready = [endpoint for endpoint in endpoints if endpoint.ready]
    if node is None or service.traffic_distribution not in _PREFERENCES:
        return hinted(endpoints, node)
    zoned = all(endpoint.zone for endpoint in ready)
    same_zone = tuple(e for e in ready if zoned and e.zone == node.zone)
    same_node = tuple(e for e in ready if e.node == node.name)
    preferred = same_node if service.traffic_distribution == "PreferSameNode" else ()
    return preferred or same_zone or tuple(endpoints)


def hinted(endpoints: Sequence[Endpoint], node: Node | None) -> tuple[Endpoint, ...]:
    """Those endpoints that topology hints leave to a node (kube-proxy ``topologyModeFromHints``).

    Hints count only when every ready endpoint carries them and at least one
    names this node, else this node's zone; otherwise all endpoints remain.
    """
    ready = [endpoint for endpoint in endpoints if endpoint.ready]
    if node is None or not ready:
        return tuple(endpoints)
    same_node = _for(node.name, [(endpoint, endpoint.for_nodes) for endpoint in ready])
    same_zone = _for(node.zone, [(endpoint, endpoint.for_zones) for endpoint in ready])
    return same_node or same_zone or tuple(endpoints)


def _for(wanted: str, hints: Sequence[tuple[Endpoint, tuple[str, ...]]]) -> tuple[Endpoint, ...]:
    """Who is hinted at for a place, if everybody carries such hints."""
    if not all(names for _, names in hints):
        return ()
    return tuple(endpoint for endpoint, names in hints if wanted in names)


def endpoint_lists(snapshot: Snapshot, service: Service) -> tuple[list[str], list[str]]:
    """The Pods that the EndpointSlices list as ready, and those that are, as ``name address``.

    A Pod is due once per family of the Service, when it matches the selector,
    is ready and is not being deleted (endpointslice ``ShouldPodBeInEndpoints``
    and the ``ready`` condition of KEP-1672). With publishNotReadyAddresses every
    Pod that has an address and has not ended is listed as ready.
    """
    listed = {
        f"{endpoint.pod or '(no Pod)'} {address}"
        for item in snapshot.slices_of(service.name)
        for endpoint in item.endpoints
        if endpoint.ready
        for address in endpoint.addresses
    }
    families = _families(service, snapshot)
    due = {
        f"{pod.name} {address}"
        for pod in snapshot.pods_matching(service.selector)
        if _is_due(pod, service)
        for address in pod.addresses
        if family_of(address) in families
    }
    return sorted(listed), sorted(due)


def _is_due(pod: Pod, service: Service) -> bool:
    if service.publish_not_ready_addresses:
        return pod.phase in ("Pending", "Running")
    return pod.ready and not pod.terminating


def _families(service: Service, snapshot: Snapshot) -> set[Family]:
    if service.ip_families:
        return {_FAMILIES[family] for family in service.ip_families}
    if not service.headless:
        return {family_of(address) for address in service.cluster_ips}
    # A headless Service has no addresses to tell its families by.
    return {
        _FAMILIES[item.family]
        for item in snapshot.slices_of(service.name)
        if item.family in _FAMILIES
    }


def family_of(address: str) -> Family:
    """The family of a literal address."""
    return "ipv6" if ":" in address else "ipv4"


def endpoints_of(
    snapshot: Snapshot, service: Service, family: Family, port_name: str | None = None
) -> list[Endpoint]:
    """A Service's endpoints of one family, each address once; with ``port_name`` those that have
    that port, be its name "". An address that is there twice, as when a Pod has got that of one
    that is going, is ready if any of them is (kubernetes/kubernetes#135593).

    A slice without the port holds Pods that have no such container port: no proxy uses
    it (kubernetes/kubernetes#129886).
    """
    found: dict[tuple[str, ...], Endpoint] = {}
    for item in snapshot.slices_of(service.name):
        if _FAMILIES.get(item.family) == family and port_name in (None, *item.ports):
            for endpoint in item.endpoints:
                other = found.get(endpoint.addresses)
                if other is None or _conditions(endpoint) > _conditions(other):
                    found[endpoint.addresses] = endpoint
    return list(found.values())


def _conditions(endpoint: Endpoint) -> tuple[bool, bool]:
    return endpoint.ready, endpoint.serving
