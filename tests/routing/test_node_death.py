"""Node death: connections to a lost node's Pods fail for a bounded time, and no longer."""

from functools import partial
from itertools import product

import pytest

from svcproof.errors import NotSupported
from svcproof.ports import CanStopNodes
from svcproof.testing import App, Judge, Pair, Run, from_outside_to
from svcproof.waits import wait_for

OWN_NAMESPACE = True
ALONE = True  # every other case would lose a node, too
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


def stopper(run: Run) -> CanStopNodes:
    """The cluster, if it can stop its nodes."""
    cluster = run.app.cluster
    if not isinstance(cluster, CanStopNodes):
        raise NotSupported(
            "the nodes of this cluster cannot be stopped",
            remedy="judge a cluster that svcproof starts, embedded or kind",
        )
    return cluster


def survivors(run: Run, lost: str) -> list[Pair]:
    """A Pod on every other node by ClusterIP, and the client outside at every other node."""
    inside = [position for position in run.clients.everywhere("pod") if position.node != lost]
    return [
        *product(inside, run.app.targets("cluster-ip")),
        *(
            (outside, target)
            for outside, target in from_outside_to(run.app, run.clients)
            if target.entry_node != lost
        ),
    ]


@pytest.mark.svc_slow
def test_node_death(run: Run, judge: Judge) -> None:
    """When a node dies, connections are lost for a bounded time only, and it can come back."""
    cluster = stopper(run)
    lost = run.app.pods()[-1].node  # the last node that has a Pod
    pairs = survivors(run, lost)
    run.settle(pairs)
    try:
        with run.steady(pairs, rate=RATE) as traffic:
            traffic.expect()
            traffic.gather()
            with traffic.changing(await_app=False, outage_ms=OUTAGE_MS, trouble_ms=TROUBLE_MS):
                run.note("node-stopped", node=lost)
                cluster.stop_node(lost)
                wait_for(
                    f"the endpoints on {lost} to go",
                    partial(_still_ready, run.app, lost),
                    limit=NOTICED_SECONDS,
                )
            with traffic.changing():
                cluster.start_node(lost)
                run.note("node-started", node=lost)
    finally:
        cluster.start_node(lost)  # it is running again afterwards, whatever happens
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
