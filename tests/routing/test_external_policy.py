"""externalTrafficPolicy: Cluster hops and hides the client; Local does neither, and can fail."""

from itertools import product

from svcproof.errors import NotSupported
from svcproof.testing import Judge, Run, from_outside_to

APPS = ("webserver", "lonely")
ONE_NODE = "every node has a Pod: a Pod-less one needs a cluster of at least two"


def test_cluster_answers_at_every_node(run: Run, judge: Judge) -> None:
    """Policy Cluster: every node answers, with a Pod or without; the client's address is hidden."""
    run.measure(from_outside_to(run.app, run.clients, "lonely-svc-cluster"))
    judge()


def test_local_keeps_the_client(run: Run, judge: Judge) -> None:
    """Policy Local: only the entered node's own Pods answer, and they see the client's address."""
    bearing = {pod.node for pod in run.app.pods("hostname-deployment")}
    pairs = from_outside_to(run.app, run.clients, "hostname-svc-local")
    run.measure(
        [(client, target) for client, target in pairs if target.entry_node in bearing],
        about_sources=True,
    )
    judge()


def test_local_without_a_pod(run: Run, judge: Judge) -> None:
    """Policy Local: every request to a Pod-less node fails; the same client is served elsewhere.

    Clients inside count as external at any node but their own.
    """
    bearing = {pod.node for pod in run.app.pods("lonely-deployment")}
    positions = run.clients.everywhere("outside", "host-network", "pod")
    pairs = list(product(positions, run.app.targets("node-port", "lonely-svc-local")))
    answering = [(client, target) for client, target in pairs if target.entry_node in bearing]
    failing = [
        (client, target)
        for client, target in pairs
        if target.entry_node not in bearing | {client.node}
    ]
    if not failing:
        raise NotSupported(ONE_NODE, remedy="give it more nodes: --svc-nodes 2")
    run.measure(answering, failing=failing)
    judge()


def test_local_short_circuit(run: Run, judge: Judge) -> None:
    """Policy Local: a client on a node reaches its own node's port always, Pod there or not."""
    run.measure(
        (position, target)
        for position, target in product(
            run.clients.everywhere("pod", "host-network"),
            run.app.targets("node-port", "lonely-svc-local"),
        )
        if target.entry_node == position.node
    )
    judge()
