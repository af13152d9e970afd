"""Load distribution: fresh connections are shared among the Pods as the data plane promises."""

from itertools import product

from svcproof.testing import App, Clients, Judge, Measure, from_outside_to

#: Connections of one client to one address; at least 3,000 are made in all.
COUNT = 500


def test_clusterip_shares(echo_app: App, clients: Clients, measure: Measure, judge: Judge) -> None:
    """From every Pod and every node, a ClusterIP's connections are shared among all Pods alike."""
    measure(
        product(clients.everywhere("pod", "host-network"), echo_app.targets("cluster-ip")),
        count=COUNT,
        choice=True,
        plan={"concurrency": 1},  # the order of the choices is evidence too
    )
    judge()


def test_node_port_shares(echo_app: App, clients: Clients, measure: Measure, judge: Judge) -> None:
    """From outside, a node port's connections are shared among all Pods alike, at every node."""
    measure(
        from_outside_to(echo_app, clients),
        count=COUNT,
        choice=True,
        plan={"concurrency": 1},
    )
    judge()


def test_one_connection_stays(
    echo_app: App, clients: Clients, measure: Measure, judge: Judge
) -> None:
    """A Pod is chosen per connection, not per request: a kept connection stays at one Pod."""
    position = clients.everywhere("pod")[0]
    measure(
        ((position, target) for target in echo_app.targets("cluster-ip")),
        plan={"keep_alive": True, "concurrency": 1},
        affinity="pin",
        cover=False,
    )
    judge()
