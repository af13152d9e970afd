"""NodePort: from outside, one port on every node leads to all of a Service's Pods."""

import pytest

from svcproof.testing import Judge, Position, Run, Target, from_outside_to


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


@pytest.mark.positions("pod", "host-network")
@pytest.mark.targets("cluster-ip")
def test_nodeport_has_a_clusterip(
    position: Position, target: Target, run: Run, judge: Judge
) -> None:
    """A NodePort Service has a ClusterIP as well, and it answers everywhere inside."""
    run.measure([(position, target)])
    judge()
