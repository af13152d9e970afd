"""ClusterIP: inside the cluster, one address and one name for all of a Service's Pods."""

from itertools import product

import pytest

from svcproof.own_services import api_targets
from svcproof.testing import Judge, Position, Run, Target


@pytest.mark.positions("pod", "host-network")
@pytest.mark.targets("cluster-ip", "short-name", "fqdn")
def test_clusterip(position: Position, target: Target, run: Run, judge: Judge) -> None:
    """A ClusterIP Service answers everywhere inside: each ready Pod, no other, no loss."""
    run.measure([(position, target)])
    judge()


def test_api_server(run: Run, judge: Judge) -> None:
    """Service kubernetes leads to the API server from every Pod and node, as its endpoints do."""
    targets = api_targets(run.app.cluster)
    run.measure(product(run.clients.everywhere("pod", "host-network"), targets))
    judge()
