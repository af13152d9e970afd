"""trafficDistribution: connections go to the nearest Pods, and further only if there are none."""

from itertools import product

import pytest

from svcproof.errors import NotSupported
from svcproof.testing import Judge, Run

APPS = ("webserver", "lonely")


@pytest.mark.parametrize(
    "service",
    ["hostname-svc-zone", "lonely-svc-zone"],
    ids=["a Pod in each zone", "a Pod in one zone"],
)
def test_prefer_close(service: str, run: Run, judge: Judge) -> None:
    """PreferClose: the Pods of the client's own zone answer; where it has none, all do."""
    zones = {node.zone for node in run.app.snapshot().nodes}
    if len(zones) < 2 or "" in zones:
        raise NotSupported(
            "the nodes are not in several zones",
            remedy="label them with topology.kubernetes.io/zone",
        )
    run.measure(
        product(
            run.clients.everywhere("pod", "host-network"), run.app.targets("cluster-ip", service)
        )
    )
    judge()
