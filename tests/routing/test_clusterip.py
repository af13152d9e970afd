"""ClusterIP: inside the cluster, one address and one name for all of a Service's Pods."""

import pytest

from svcproof.testing import Judge, Measure, Position, Target


@pytest.mark.positions("pod", "host-network")
@pytest.mark.targets("cluster-ip", "short-name", "fqdn")
def test_clusterip(position: Position, target: Target, measure: Measure, judge: Judge) -> None:
    """A ClusterIP Service answers everywhere inside: each ready Pod, no other, no loss."""
    measure([(position, target)])
    judge()
