"""externalTrafficPolicy: Cluster hops and hides the client; Local does neither, and can fail."""

from svcproof.errors import NotSupported
from svcproof.testing import App, Clients, Judge, Measure, Pair, Position

APPS = ("webserver", "lonely")
ONE_NODE = "every node has a Pod: a Pod-less one needs a cluster of at least two"


def local_pairs(app: App, position: Position, service: str) -> tuple[list[Pair], list[Pair]]:
    """A client's ways to the nodes that have a Pod of ``lonely-deployment``, and to the others."""
    bearing = {pod.node for pod in app.pods("lonely-deployment")}
    pairs = [(position, target) for target in app.targets("node-port", service)]
    with_pod = [pair for pair in pairs if pair[1].entry_node in bearing]
    return with_pod, [pair for pair in pairs if pair not in with_pod]


def test_cluster_answers_at_every_node(
    echo_app: App, clients: Clients, measure: Measure, judge: Judge
) -> None:
    """Policy Cluster: every node answers, with a Pod or without; the client's address is hidden."""
    (outside,) = clients.everywhere("outside")
    measure((outside, target) for target in echo_app.targets("node-port", "lonely-svc-cluster"))
    judge()


def test_local_keeps_the_client(
    echo_app: App, clients: Clients, measure: Measure, judge: Judge
) -> None:
    """Policy Local: only the entered node's own Pods answer, and they see the client's address."""
    (outside,) = clients.everywhere("outside")
    measure((outside, target) for target in echo_app.targets("node-port", "hostname-svc-local"))
    judge()


def test_local_without_a_pod(
    echo_app: App, clients: Clients, measure: Measure, judge: Judge
) -> None:
    """Policy Local: every request to a Pod-less node fails; the same client is served elsewhere.

    Clients inside count as external at any node but their own.
    """
    answering: list[Pair] = []
    failing: list[Pair] = []
    for position in clients.everywhere("outside", "host-network", "pod"):
        with_pod, without = local_pairs(echo_app, position, "lonely-svc-local")
        answering += with_pod
        failing += [pair for pair in without if pair[1].entry_node != position.node]
    if not failing:
        raise NotSupported(ONE_NODE, remedy="give it more nodes: --svc-nodes 2")
    measure(answering, failing=failing)
    judge()


def test_local_short_circuit(
    echo_app: App, clients: Clients, measure: Measure, judge: Judge
) -> None:
    """Policy Local: a client on a node reaches its own node's port always, Pod there or not."""
    measure(
        (position, target)
        for position in clients.everywhere("pod", "host-network")
        for target in echo_app.targets("node-port", "lonely-svc-local")
        if target.entry_node == position.node
    )
    judge()
