"""From where to where, as most cases want it: pairs of a client and the address it dials."""

from __future__ import annotations

from itertools import product

from svcproof.app import App, Clients
from svcproof.errors import NotSupported
from svcproof.history import Position, Target
from svcproof.places import PositionKind

__all__ = ["everywhere_to", "from_outside_to"]


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
