"""Targets that are not dialled as a Service: one Pod, a name to ask for, a health check."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final, Literal

import msgspec

from svcproof.history import Family, Target
from svcproof.snapshot import Pod, Service

__all__ = [
    "ADDRESS_QUERIES",
    "Query",
    "Written",
    "asked_of",
    "connect_target",
    "health_check_target",
    "kept",
    "name_target",
    "nobodys_target",
    "node_port_target",
    "of_many",
    "over_tcp",
    "pod_target",
    "reverse_target",
]

#: A DNS record type.
Query = Literal["A", "AAAA", "CNAME", "SRV", "PTR"]
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
    """A Service's name, to be asked of the DNS.

    SRV: with ``port_name`` that port's name, without one that of all ports together.
    """
    name = _written(service, written, cluster_domain)
    if query == "SRV" and port_name:
        port = next(port for port in service.ports if port.name == port_name)
        name = f"_{port.name}._{port.protocol.lower()}.{name}"
    return _asked(name, query, service=service.name, port_name=port_name)


def reverse_target(service: Service, address: str) -> Target:
    """The name in which an address of a Service is asked for (RFC 1035, 3.5; RFC 3596, 2.5)."""
    return _asked(f"{ip_address(address).reverse_pointer}.", "PTR", service=service.name)


def nobodys_target(
    name: str, namespace: str, query: Query, *, cluster_domain: str = "cluster.local"
) -> Target:
    """A name that no Service has, to be asked of the DNS."""
    target = _asked(f"{name}.{namespace}.svc.{cluster_domain}.", query, service="")
    return msgspec.structs.replace(target, name=f"{target.name}, which no Service has")


def _asked(name: str, query: Query, *, service: str, port_name: str = "") -> Target:
    return Target(
        name=f"{query} of {name}",
        service=service,
        form="dns",
        host=name,
        port=53,
        protocol="udp",
        family="ipv6" if query == "AAAA" else "ipv4",
        port_name=port_name,
        query=query,
    )


def over_tcp(target: Target) -> Target:
    """The same question, asked by TCP at once and not only where the answer is too long."""
    return msgspec.structs.replace(target, name=f"{target.name} over TCP", protocol="tcp")


def asked_of(target: Target, address: str, who: str, *, pod: Pod | None = None) -> Target:
    """The same question, asked of the server at that address, with ``who`` as its words."""
    return msgspec.structs.replace(
        target,
        name=f"{target.name} asked of {who}{_over(address)}",
        server=address,
        server_pod=pod.name if pod else "",
        entry_node=pod.node if pod else "",
    )


def connect_target(name: str, address: str, port: int) -> Target:
    """An address that is only connected to: who answers is not known here."""
    return Target(
        name=f"{name}{_over(address)}",
        service="",
        form="connect",
        host=address,
        port=port,
        family="ipv6" if ":" in address else "ipv4",
    )


def kept(target: Target, source_port: int) -> Target:
    """The same address, asked by a client that sends all it sends from one port.

    So does a client that keeps its UDP socket, and its node's connection tracking takes all
    of it for one flow.
    """
    return msgspec.structs.replace(
        target, name=f"{target.name} from one port", source_port=source_port
    )


def of_many(target: Target, addresses: str) -> Target:
    """The same address, asked by many clients: one for each address of a prefix, in turn."""
    return msgspec.structs.replace(
        target, name=f"{target.name} by clients of {addresses}", source_range=addresses
    )


def node_port_target(
    service: Service, node: str, address: str, *, port_name: str = "", whose: str = ""
) -> Target:
    """A TCP node port at any address of a node; ``whose`` says which one it is."""
    port = next(port for port in service.ports if port_name in ("", port.name))
    return Target(
        name=f"{service.name} at {whose or address} of {node}",
        service=service.name,
        form="node-port",
        host=address,
        port=port.node_port,
        family="ipv6" if ":" in address else "ipv4",
        entry_node=node,
        port_name=port.name,
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
