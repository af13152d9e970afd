"""Session affinity: with ClientIP a client keeps its Pod, and without it does not."""

from typing import Any

import pytest

from svcproof.testing import App, Clients, Judge, Measure, Pair, Patch

SERVICE = "hostname-svc-affinity"
PORTS = ("web-1", "web-2", "web-3")
#: Requests of one client to one port: three ports make at least a hundred.
COUNT = 40


def inside(app: App, clients: Clients) -> list[Pair]:
    """Every client inside, and every port of the Service."""
    return [
        (position, target)
        for port in PORTS
        for target in app.targets("cluster-ip", SERVICE, port)
        for position in clients.everywhere("pod", "host-network")
    ]


def at_node_ports(app: App, clients: Clients) -> list[Pair]:
    """The client outside, at every node and every port. Each node remembers for itself."""
    (outside,) = clients.everywhere("outside")
    return [
        (outside, target) for port in PORTS for target in app.targets("node-port", SERVICE, port)
    ]


@pytest.mark.parametrize("pairs_of", [inside, at_node_ports], ids=["ClusterIP", "NodePort"])
def test_affinity(
    pairs_of: Any,
    echo_app: App,
    clients: Clients,
    patch: Patch,
    measure: Measure,
    judge: Judge,
) -> None:
    """With sessionAffinity ClientIP no client ever changes its Pod; with None each Pod answers all.

    None first: it proves that all Pods are there to change to. And None again in
    the end: what was remembered is forgotten.
    """
    pairs = pairs_of(echo_app, clients)
    patch("Service", SERVICE, {"spec": {"sessionAffinity": "None"}})
    measure(pairs)
    patch("Service", SERVICE, {"spec": {"sessionAffinity": "ClientIP"}})
    measure(pairs, count=COUNT, affinity="pin")
    patch("Service", SERVICE, {"spec": {"sessionAffinity": "None"}})
    measure(pairs[: len(pairs) // len(PORTS)])
    judge()
