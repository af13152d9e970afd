"""Node death: connections to a lost node's Pods fail for a bounded time, and no longer."""

from collections.abc import Iterator
from itertools import product

import pytest

from svcproof.errors import NotSupported
from svcproof.events import Other
from svcproof.ports import CanStopNodes
from svcproof.testing import App, Clients, Cluster, Judge, Pair, Routing
from svcproof.waits import wait_for

OWN_NAMESPACE = True
APPS = ("webserver",)

SERVICE = "hostname-svc-death"
#: Connections of each client, a second. Each that hits the lost Pod hangs until it times out.
RATE = 30.0
#: A silent node is NotReady after 40 to 50 s (node-monitor-grace-period), with its endpoints.
TROUBLE_MS = 60_000
#: Until then the other Pods answer their share: 150 draws of the lost one never come.
OUTAGE_MS = 5_000
#: For the objects to say so.
NOTICED_SECONDS = 120.0


@pytest.fixture
def stopper(cluster: Cluster) -> CanStopNodes:
    """The cluster, if it can stop its nodes."""
    if not isinstance(cluster, CanStopNodes):
        raise NotSupported(
            "the nodes of this cluster cannot be stopped",
            remedy="judge a cluster that svcproof starts, embedded or kind",
        )
    return cluster


@pytest.fixture
def lost_node(echo_app: App, stopper: CanStopNodes) -> Iterator[str]:
    """The last node that has a Pod; it is running again afterwards, whatever happens."""
    node = echo_app.pods()[-1].node
    yield node
    stopper.start_node(node)


def survivors(app: App, clients: Clients, lost: str) -> list[Pair]:
    """A Pod on every other node by ClusterIP, and the client outside at every other node."""
    inside = [position for position in clients.everywhere("pod") if position.node != lost]
    return [
        *product(inside, app.targets("cluster-ip")),
        *(
            (outside, target)
            for outside, target in product(clients.everywhere("outside"), app.targets("node-port"))
            if target.entry_node != lost
        ),
    ]


@pytest.mark.svc_slow
def test_node_death(
    echo_app: App,
    clients: Clients,
    stopper: CanStopNodes,
    lost_node: str,
    routing: Routing,
    judge: Judge,
) -> None:
    """When a node dies, connections are lost for a bounded time only, and it can come back."""
    pairs = survivors(echo_app, clients, lost_node)
    routing.settle(pairs)
    with routing.steady(pairs, rate=RATE) as traffic:
        traffic.expect()
        traffic.gather()
        with traffic.changing(await_app=False, outage_ms=OUTAGE_MS, trouble_ms=TROUBLE_MS):
            routing.recorder.event(Other(kind="node-stopped", facts={"node": lost_node}))
            stopper.stop_node(lost_node)
            wait_for(
                f"the endpoints on {lost_node} to go",
                lambda: _still_ready(echo_app, lost_node),
                limit=NOTICED_SECONDS,
            )
        with traffic.changing():
            stopper.start_node(lost_node)
            routing.recorder.event(Other(kind="node-started", facts={"node": lost_node}))
    judge()


def _still_ready(app: App, node: str) -> str:
    """The endpoints on a node that still get traffic; "" when there are none."""
    ready = [
        endpoint.pod
        for item in app.snapshot().slices_of(SERVICE)
        for endpoint in item.endpoints
        if endpoint.ready and endpoint.node == node
    ]
    return f"ready: {', '.join(ready)}" if ready else ""
