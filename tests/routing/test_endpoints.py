"""Endpoints: the list behind a Service is exactly its ready Pods, and traffic follows it."""

from itertools import product

import pytest

from svcproof.testing import Judge, Run

OWN_NAMESPACE = True  # its Deployment changes
IN_ORDER = True
STEPS = [(3, 1), (1, 5), (5, 3)]


@pytest.mark.parametrize(("before", "after"), STEPS, ids=[f"{a} to {b} replicas" for a, b in STEPS])
def test_endpoints(
    before: int,
    after: int,
    run: Run,
    judge: Judge,
) -> None:
    """EndpointSlices list exactly the ready Pods after scaling; traffic follows on every node."""
    run.scale(before)
    run.scale(after)
    run.measure(product(run.clients.everywhere("pod"), run.app.targets("cluster-ip")))
    judge()
