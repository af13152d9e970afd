"""Load distribution: fresh connections are shared among the Pods as the data plane promises."""

from itertools import product

from svcproof.testing import Judge, Run, from_outside_to

#: Connections of one client to one address; at least 3,000 are made in all.
COUNT = 500


def test_clusterip_shares(run: Run, judge: Judge) -> None:
    """From every Pod and every node, a ClusterIP's connections are shared among all Pods alike."""
    run.measure(
        product(run.clients.everywhere("pod", "host-network"), run.app.targets("cluster-ip")),
        count=COUNT,
        choice=True,
    )
    judge()


def test_node_port_shares(run: Run, judge: Judge) -> None:
    """From outside, a node port's connections are shared among all Pods alike, at every node."""
    run.measure(
        from_outside_to(run.app, run.clients),
        count=COUNT,
        choice=True,
    )
    judge()


def test_one_connection_stays(run: Run, judge: Judge) -> None:
    """A Pod is chosen per connection, not per request: a kept connection stays at one Pod."""
    position = run.clients.everywhere("pod")[0]
    run.measure(
        ((position, target) for target in run.app.targets("cluster-ip")),
        keep_alive=True,
        concurrency=1,
        affinity="pin",
        cover=False,
    )
    judge()
