"""What a cluster's objects said at one moment, reduced to what routing depends on.

Plain values without behaviour of their own: a cluster fills them in, ``expect``
and the checkers read them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final, Literal

__all__ = [
    "DEFAULT_AFFINITY_SECONDS",
    "Endpoint",
    "EndpointSlice",
    "Node",
    "Pod",
    "Service",
    "ServicePort",
    "Snapshot",
]


#: What the API server makes of an affinity without a time-out.
DEFAULT_AFFINITY_SECONDS: Final = 10800


@dataclass(frozen=True, slots=True)
class Node:
    """A node; ``addresses`` are its InternalIPs.

    ``unfit`` is why no Pod of ours can run there, whatever it tolerates, ``repels`` why none of
    ours is to: the taint that it does not tolerate; "" if there is no reason.
    """

    name: str
    addresses: tuple[str, ...]
    ready: bool
    zone: str = ""
    unfit: str = ""
    repels: str = ""
    architecture: str = ""

    @property
    def schedulable(self) -> bool:
        """Whether Pods of ours can run there."""
        return not self.unfit and not self.repels


@dataclass(frozen=True, slots=True)
class Pod:
    """A Pod; ``ready`` is its Ready condition, ``terminating`` that it has a deletion time.

    ``waiting`` is why a container of it does not start, as ``ErrImagePull: …``, or else the
    readiness gate that holds it up, or ``Unschedulable: …``; "" if nothing does.
    """

    name: str
    namespace: str
    uid: str
    node: str
    addresses: tuple[str, ...]
    labels: dict[str, str]
    phase: str
    ready: bool
    terminating: bool = False
    host_network: bool = False
    waiting: str = ""


@dataclass(frozen=True, slots=True)
class ServicePort:
    """One port of a Service; ``target_port`` is a number or a container port's name."""

    port: int
    target_port: int | str
    protocol: Literal["TCP", "UDP", "SCTP"] = "TCP"
    name: str = ""
    node_port: int = 0


@dataclass(frozen=True, slots=True)
class Service:
    """A Service's spec, as the API server completed it, and where its load balancer is.

    ``load_balancer_names`` are hostnames instead of addresses, as some clouds give;
    ``load_balancer_proxies`` those of the addresses (``ipMode: Proxy``, KEP-1860) that the nodes'
    rules do not know, as they know no hostname: whoever dials them passes the load balancer.
    """

    name: str
    namespace: str
    type: Literal["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"]
    cluster_ips: tuple[str, ...]
    ports: tuple[ServicePort, ...]
    selector: dict[str, str] = field(default_factory=dict)
    session_affinity: Literal["None", "ClientIP"] = "None"
    affinity_timeout_seconds: int = DEFAULT_AFFINITY_SECONDS
    external_traffic_policy: Literal["", "Cluster", "Local"] = ""
    internal_traffic_policy: Literal["Cluster", "Local"] = "Cluster"
    external_name: str = ""
    load_balancer_addresses: tuple[str, ...] = ()
    load_balancer_names: tuple[str, ...] = ()
    load_balancer_proxies: tuple[str, ...] = ()
    external_ips: tuple[str, ...] = ()
    load_balancer_source_ranges: tuple[str, ...] = ()
    health_check_node_port: int = 0
    publish_not_ready_addresses: bool = False
    traffic_distribution: str = ""
    ip_families: tuple[Literal["IPv4", "IPv6"], ...] = ()

    @property
    def headless(self) -> bool:
        """Whether there is nothing but DNS: no address of its own, no proxying."""
        return "None" in self.cluster_ips


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint of an EndpointSlice, with its three conditions and its topology hints.

    ``hostname`` is its name below a headless Service's, as Pods of a StatefulSet have one.

    ``for_zones`` and ``for_nodes`` name who should prefer it (KEP-2433, KEP-4444).
    """

    addresses: tuple[str, ...]
    ready: bool
    serving: bool
    terminating: bool
    node: str = ""
    zone: str = ""
    pod: str = ""
    pod_uid: str = ""
    hostname: str = ""
    for_zones: tuple[str, ...] = ()
    for_nodes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EndpointSlice:
    """An EndpointSlice; ``ports`` maps a port's name to its number."""

    name: str
    service: str
    family: Literal["IPv4", "IPv6", "FQDN"]
    ports: dict[str, int]
    endpoints: tuple[Endpoint, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The nodes of a cluster, and the Pods, Services and EndpointSlices of one namespace.

    ``others`` are the Services of other namespaces that its ExternalName Services lead to;
    ``absent`` the full names, in lower case, of those that are not there.
    """

    nodes: tuple[Node, ...]
    pods: tuple[Pod, ...]
    services: tuple[Service, ...]
    slices: tuple[EndpointSlice, ...]
    others: tuple[Service, ...] = ()
    absent: frozenset[str] = frozenset()

    def service(self, name: str) -> Service:
        """The Service of that name; ``KeyError`` lists the names there are."""
        for service in self.services:
            if service.name == name:
                return service
        raise KeyError(f"no Service {name!r}; there are {[s.name for s in self.services]}")

    def node(self, name: str) -> Node | None:
        """The node of that name, if there is one."""
        return next((node for node in self.nodes if node.name == name), None)

    def pod_at(self, addresses: Collection[str]) -> Pod | None:
        """The Pod that has one of these addresses now. That of one that has ended is given to
        others, and that of one that is being deleted can be."""
        found = [
            pod
            for pod in self.pods
            if pod.phase not in ("Succeeded", "Failed")
            and not set(pod.addresses).isdisjoint(addresses)
        ]
        return min(found, key=lambda pod: pod.terminating, default=None)

    def slices_of(self, service: str) -> tuple[EndpointSlice, ...]:
        """The EndpointSlices that belong to a Service."""
        return tuple(item for item in self.slices if item.service == service)

    def pods_matching(self, selector: dict[str, str]) -> tuple[Pod, ...]:
        """The Pods whose labels match every pair of a (non-empty) selector."""
        if not selector:
            return ()
        return tuple(pod for pod in self.pods if selector.items() <= pod.labels.items())
