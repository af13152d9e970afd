"""Session affinity: with ClientIP a client keeps its Pod, and without it does not."""

from collections import Counter
from itertools import product

from svcproof.events import Other
from svcproof.history import History
from svcproof.testing import App, Clients, Judge, Measure, Pair, Patch, Routing, from_outside_to

SERVICE = "hostname-svc-affinity"
PORTS = ("web-1", "web-2", "web-3")
#: Requests of one client to one port: three ports make at least a hundred.
COUNT = 40


def inside(app: App, clients: Clients) -> list[Pair]:
    """Every client inside, and every port of the Service."""
    positions = clients.everywhere("pod", "host-network")
    return [
        pair
        for port in PORTS
        for pair in product(positions, app.targets("cluster-ip", SERVICE, port))
    ]


def at_node_ports(app: App, clients: Clients) -> list[Pair]:
    """The client outside, at every node and every port. Each node remembers for itself."""
    return [
        pair for port in PORTS for pair in from_outside_to(app, clients, SERVICE, port_name=port)
    ]


def test_affinity(
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
    pairs = [*inside(echo_app, clients), *at_node_ports(echo_app, clients)]
    patch("Service", SERVICE, {"spec": {"sessionAffinity": "None"}})
    measure(pairs)
    patch("Service", SERVICE, {"spec": {"sessionAffinity": "ClientIP"}})
    measure(pairs, count=COUNT, affinity="pin")
    patch("Service", SERVICE, {"spec": {"sessionAffinity": "None"}})
    measure(pairs[:: len(PORTS)])
    judge()


def test_pinned_pod_deleted(
    echo_app: App,
    clients: Clients,
    patch: Patch,
    routing: Routing,
    measure: Measure,
    judge: Judge,
) -> None:
    """When a Pod is deleted its clients move to one other Pod each, and all others stay."""
    pairs = inside(echo_app, clients)
    patch("Service", SERVICE, {"spec": {"sessionAffinity": "ClientIP"}})
    measure(pairs, affinity="pin")
    chosen = last_answers(routing.recorder.freeze())
    victim = Counter(chosen.values()).most_common(1)[0][0]
    routing.recorder.event(Other(kind="deleting", facts={"object": f"Pod {victim}"}))
    echo_app.cluster.delete("Pod", victim, namespace=echo_app.namespace)
    staying = [pair for pair in pairs if chosen[str(pair[0]), str(pair[1])] != victim]
    measure(staying, affinity="keep")
    measure([pair for pair in pairs if pair not in staying], affinity="pin")
    judge()


def last_answers(history: History) -> dict[tuple[str, str], str]:
    """Each pair's last Pod."""
    return {
        (entry.position, entry.target): entry.backend.pod
        for entry in history.observations
        if entry.backend is not None
    }
