"""Targets that are not dialled as a Service: one Pod, a name to ask for, a health check."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from svcproof.history import Family, Target
from svcproof.snapshot import Pod, Service

__all__ = [
    "ADDRESS_QUERIES",
    "Query",
    "Written",
    "health_check_target",
    "kept",
    "name_target",
    "pod_target",
]

#: A DNS record type.
Query = Literal["A", "AAAA", "CNAME", "SRV"]
#: The record type that holds a family's addresses.
ADDRESS_QUERIES: Final[dict[Family, Query]] = {"ipv4": "A", "ipv6": "AAAA"}

#: How a Service's name is written: with how few dots, and so with how much of the search list.
Written = Literal["short", "with namespace", "with svc", "full", "full with dot"]


def pod_target(pod: Pod, port: int, family: Family) -> Target:
    """One Pod's own address: the control that tells a Service's fault from the network's."""
    (address,) = (a for a in pod.addresses if (":" in a) == (family == "ipv6"))
    return Target(
        name=f"Pod {pod.name} itself{_over(address)}",
        service="",
        form="pod-ip",
        host=address,
        port=port,
        family=family,
        entry_node=pod.node,
    )


def name_target(
    service: Service,
    query: Query,
    *,
    written: Written = "full with dot",
    port_name: str = "",
    cluster_domain: str = "cluster.local",
) -> Target:
    """A Service's name, to be asked of the DNS; with ``port_name`` that port's SRV name."""
    name = _written(service, written, cluster_domain)
    if query == "SRV":
        port = next(port for port in service.ports if port.name == port_name)
        name = f"_{port.name}._{port.protocol.lower()}.{name}"
    return Target(
        name=f"{query} of {name}",
        service=service.name,
        form="dns",
        host=name,
        port=53,
        protocol="udp",
        family="ipv6" if query == "AAAA" else "ipv4",
        port_name=port_name,
        query=query,
    )


def kept(target: Target, source_port: int) -> Target:
    """The same address, asked by a client that sends all it sends from one port.

    So does a client that keeps its UDP socket, and its node's connection tracking takes all
    of it for one flow.
    """
    return msgspec.structs.replace(
        target, name=f"{target.name} from one port", source_port=source_port
    )


def health_check_target(service: Service, node: str, address: str) -> Target:
    """What the kube-proxy of a node tells load balancers about a Service."""
    return Target(
        name=f"health check of {service.name} at {node}{_over(address)}",
        service=service.name,
        form="health-check",
        host=address,
        port=service.health_check_node_port,
        family="ipv6" if ":" in address else "ipv4",
        entry_node=node,
    )


def _over(address: str) -> str:
    return " over IPv6" if ":" in address else ""


def _written(service: Service, written: Written, domain: str) -> str:
    full = f"{service.name}.{service.namespace}.svc.{domain}"
    return {
        "short": service.name,
        "with namespace": f"{service.name}.{service.namespace}",
        "with svc": f"{service.name}.{service.namespace}.svc",
        "full": full,
        "full with dot": f"{full}.",
    }[written]
