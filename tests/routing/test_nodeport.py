"""NodePort: from outside, one port on every node leads to all of a Service's Pods."""

import pytest

from svcproof.testing import (
    Judge,
    Outcome,
    Position,
    Run,
    Target,
    everywhere_to,
    from_outside_to,
)
from svcproof.ways import at_own_node

SERVICE = "hostname-svc-nodeport"
LOOPBACK = "127.0.0.1"


@pytest.mark.positions("outside")
@pytest.mark.targets("node-port")
def test_nodeport(position: Position, target: Target, run: Run, judge: Judge) -> None:
    """A NodePort answers from outside at every node: each ready Pod, no other, no loss."""
    run.measure([(position, target)])
    judge()


def test_same_port_on_every_node(run: Run, judge: Judge) -> None:
    """One and the same port number answers on all nodes in the same moment."""
    run.measure(from_outside_to(run.app, run.clients))
    judge()


def test_nodeport_has_a_clusterip(run: Run, judge: Judge) -> None:
    """A NodePort Service has a ClusterIP as well, and it answers everywhere inside."""
    run.measure(everywhere_to(run.app, run.clients, SERVICE, "pod", "host-network"))
    judge()


def test_at_every_address(run: Run, judge: Judge) -> None:
    """A node port answers at the other addresses of its node, and at 127.0.0.1, if the data plane
    serves it there, and is closed if not.

    Asked on each node itself: who else reaches these addresses is another question.
    """
    app, clients = run.app, run.clients.everywhere("host-network")
    usual, others = at_own_node(app, clients, SERVICE, app.families, LOOPBACK)

    def is_served(target: Target) -> bool:
        profile = app.profile
        on_loopback = target.host == LOOPBACK
        ending = profile.node_ports_on_loopback if on_loopback else profile.node_ports_beside
        return ending is Outcome.ANSWERED

    failing = [pair for pair in others if not is_served(pair[1])]
    beside = [pair for pair in others if pair not in failing]
    run.measure([*beside, *(usual if failing else ())], failing=failing)
    judge()
