"""internalTrafficPolicy Local: a client inside is served by Pods of its own node, or not at all."""

from itertools import product

from svcproof.errors import NotSupported
from svcproof.testing import Judge, Run

APPS = ("webserver", "lonely")


def test_own_node_only(run: Run, judge: Judge) -> None:
    """internalTrafficPolicy Local: only the Pods of the client's own node answer."""
    bearing = {pod.node for pod in run.app.pods("hostname-deployment")}
    positions = [p for p in run.clients.everywhere("pod", "host-network") if p.node in bearing]
    run.measure(product(positions, run.app.targets("cluster-ip", "hostname-svc-internal")))
    judge()


def test_none_on_this_node(run: Run, judge: Judge) -> None:
    """internalTrafficPolicy Local: on a Pod-less node every request fails.

    The control is a Service of policy Cluster with the very same Pod behind it.
    """
    bearing = {pod.node for pod in run.app.pods("lonely-deployment")}
    positions = [p for p in run.clients.everywhere("pod", "host-network") if p.node not in bearing]
    if not positions:
        raise NotSupported(
            "every node has a Pod: a Pod-less one needs a cluster of at least two",
            remedy="give it more nodes: --svc-nodes 2",
        )
    run.measure(
        product(positions, run.app.targets("cluster-ip", "lonely-svc-anywhere")),
        failing=product(positions, run.app.targets("cluster-ip", "lonely-svc-internal")),
    )
    judge()
