"""The API server's own Service: what every controller in the cluster depends on."""

from itertools import product

from svcproof.own_services import api_targets
from svcproof.testing import Judge, Run


def test_api_server(run: Run, judge: Judge) -> None:
    """Service kubernetes leads to the API server from every Pod and node, as its endpoints do."""
    targets = api_targets(run.app.cluster)
    run.measure(product(run.clients.everywhere("pod", "host-network"), targets))
    judge()
