"""ClusterIP: inside the cluster, one address and one name for all of a Service's Pods."""

import pytest

from svcproof.testing import Judge, Position, Run, Target


@pytest.mark.positions("pod", "host-network")
@pytest.mark.targets("cluster-ip", "short-name", "fqdn")
def test_clusterip(position: Position, target: Target, run: Run, judge: Judge) -> None:
    """A ClusterIP Service answers everywhere inside: each ready Pod, no other, no loss."""
    run.measure([(position, target)])
    judge()
