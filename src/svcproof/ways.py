"""From where to where, as most cases want it: pairs of a client and the address it dials."""

from __future__ import annotations

from itertools import count, product

from svcproof.app import App, Clients
from svcproof.errors import NotSupported
from svcproof.history import Position, Target
from svcproof.places import PositionKind
from svcproof.questions import ADDRESS_QUERIES, kept, name_target

__all__ = ["everywhere_to", "from_outside_to", "keeping_ports", "to_the_dns"]


def everywhere_to(
    app: App, clients: Clients, service: str, *kinds: PositionKind, port_name: str = ""
) -> list[tuple[Position, Target]]:
    """Each client of these kinds: inside by ClusterIP, outside at every node's port."""
    positions = clients.everywhere(*kinds)
    outside = [position for position in positions if position.kind == "outside"]
    inside = [position for position in positions if position.kind != "outside"]
    pairs = list(product(inside, app.targets("cluster-ip", service, port_name)))
    if outside:
        pairs += product(outside, app.targets("node-port", service, port_name))
    return pairs


def from_outside_to(
    app: App, clients: Clients, service: str = "", *, port_name: str = ""
) -> list[tuple[Position, Target]]:
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


def keeping_ports(
    app: App, clients: Clients, service: str, *, first_port: int
) -> list[tuple[Position, Target]]:
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


def to_the_dns(app: App, clients: Clients, service: str) -> list[tuple[Position, Target]]:
    """A Pod on every node that asks for a Service's address: a control over UDP."""
    facts = app.cluster.facts
    query = ADDRESS_QUERIES[facts.families[0]]
    found = app.snapshot().service(service)
    target = name_target(found, query, cluster_domain=facts.cluster_domain)
    return [(position, target) for position in clients.everywhere("pod")]
