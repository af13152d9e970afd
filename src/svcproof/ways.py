"""From where to where, as most cases want it: pairs of a client and the address it dials."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import count, product

from svcproof.app import App, Clients
from svcproof.asking import Pair
from svcproof.errors import NotSupported
from svcproof.history import Family, Position, Target
from svcproof.node_addresses import addresses_seen
from svcproof.places import PositionKind
from svcproof.questions import (
    ADDRESS_QUERIES,
    Query,
    Written,
    kept,
    name_target,
    node_port_target,
)

__all__ = [
    "also_from_outside_to",
    "at_own_node",
    "everywhere_to",
    "from_outside_to",
    "keeping_ports",
    "name_of",
    "to_the_dns",
]


def everywhere_to(
    app: App, clients: Clients, service: str, *kinds: PositionKind, port_name: str = ""
) -> list[Pair]:
    """Each client of these kinds: inside by ClusterIP, outside at every node's port.

    Where the API server refuses node ports, clients inside are all there are.
    """
    positions = clients.everywhere(*kinds)
    outside = [position for position in positions if position.kind == "outside"]
    inside = [position for position in positions if position.kind != "outside"]
    pairs = list(product(inside, app.targets("cluster-ip", service, port_name)))
    if outside and not (inside and app.why_no_node_ports(service)):
        pairs += product(outside, app.targets("node-port", service, port_name))
    return pairs


def from_outside_to(
    app: App, clients: Clients, service: str = "", *, port_name: str = ""
) -> list[Pair]:
    """The client outside at every node's port.

    Where there is none, each node's host network at every other node's port: a node is
    external to another one's rules (upstream's end-to-end tests do the same).

    Raises :class:`~svcproof.errors.NotSupported` where neither can be.
    """
    targets = app.targets("node-port", service, port_name)
    lacking = app.cluster.facts.lacking_positions
    if "outside" not in lacking:
        return list(product(clients.everywhere("outside"), targets))
    pairs = [
        (position, target)
        for position, target in product(clients.everywhere("host-network"), targets)
        if target.entry_node != position.node
    ]
    if not pairs:
        raise NotSupported(lacking["outside"], remedy="or give it more nodes")
    return pairs


def also_from_outside_to(
    app: App, clients: Clients, service: str, *, port_name: str = ""
) -> list[Pair]:
    """The same, beside what is asked inside; nothing where it cannot be asked, which the cases
    that are about node ports tell."""
    try:
        return from_outside_to(app, clients, service, port_name=port_name)
    except NotSupported:
        return []


def keeping_ports(app: App, clients: Clients, service: str, *, first_port: int) -> list[Pair]:
    """A Pod on every node at the ClusterIP, each with a port of its own that it keeps.

    Cases side by side need ports of their own, below those of everybody else (11,000).
    No clients in the nodes' own networks: where the last Pod of a Service ran, the kernel
    forgets what was masqueraded on its way out with the interface that it went to.
    """
    ports = count(first_port)
    return [
        (position, kept(target, next(ports)))
        for position, target in product(
            clients.everywhere("pod"), app.targets("cluster-ip", service)
        )
    ]


def at_own_node(
    app: App,
    positions: Iterable[Position],
    service: str,
    families: Collection[Family],
    *others: str,
) -> tuple[list[Pair], list[Pair]]:
    """Each client at its own node's port: at the addresses that the API server knows of the
    node, and beside them at those that the client sees there, and at ``others``.

    Raises :class:`~svcproof.errors.NotSupported` where a client cannot tell what it sees.
    """
    app.refuse_no_node_ports(service)
    positions, snapshot = tuple(positions), app.snapshot()
    found, seen = snapshot.service(service), addresses_seen(app.cluster, positions)
    known = {node.name: node.addresses for node in snapshot.nodes}
    pairs = [
        (position, target)
        for position in positions
        for address in dict.fromkeys((*known[position.node], *seen[position.node], *others))
        if (target := node_port_target(found, position.node, address)).family in families
    ]
    usual = [pair for pair in pairs if pair[1].host in known[pair[0].node]]
    return usual, [pair for pair in pairs if pair not in usual]


def name_of(
    app: App,
    service: str,
    query: Query,
    *,
    written: Written = "full with dot",
    port_name: str = "",
) -> Target:
    """A Service's name in this cluster's domain, or that of one of its ports, to be asked for."""
    return name_target(
        app.snapshot().service(service),
        query,
        written=written,
        port_name=port_name,
        cluster_domain=app.cluster.facts.cluster_domain,
    )


def to_the_dns(app: App, clients: Clients, service: str) -> list[Pair]:
    """A Pod on every node that asks for a Service's address: a control over UDP."""
    target = name_of(app, service, ADDRESS_QUERIES[app.families[0]])
    return [(position, target) for position in clients.everywhere("pod")]
