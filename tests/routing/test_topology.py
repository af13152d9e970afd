"""trafficDistribution: connections go to the nearest Pods, and further only if there are none."""

from itertools import product

import pytest

from svcproof.errors import NotSupported
from svcproof.testing import Judge, Run

APPS = ("lonely",)


@pytest.mark.parametrize("pods", ["zoned", "lonely"])
@pytest.mark.parametrize("near", ["zone", "node"])
def test_nearest(near: str, pods: str, run: Run, judge: Judge) -> None:
    """The Pods of the client's own zone (PreferSameZone, PreferClose) or node (PreferSameNode)
    answer; where there are none those of its zone, and where that has none all do."""
    measure(run, f"{pods}-svc-{near}")
    judge()


def measure(run: Run, service: str) -> None:
    """From a Pod on every node: what the node's rules choose is chosen for all its clients."""
    zones = {node.zone for node in run.app.snapshot().nodes}
    if len(zones) < 2 or "" in zones:
        raise NotSupported(
            "the nodes are not in several zones",
            remedy="label them with topology.kubernetes.io/zone",
        )
    run.measure(product(run.clients.everywhere("pod"), run.app.targets("cluster-ip", service)))
