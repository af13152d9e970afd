"""Endpoints: the list behind a Service is exactly its ready Pods, and traffic follows it."""

from itertools import product

import pytest

from svcproof.testing import App, Clients, Judge, Measure, Scale

OWN_NAMESPACE = True  # its Deployment changes
STEPS = [(3, 1), (1, 5), (5, 3)]


@pytest.mark.parametrize(("before", "after"), STEPS, ids=[f"{a} to {b} replicas" for a, b in STEPS])
def test_endpoints(
    before: int,
    after: int,
    echo_app: App,
    clients: Clients,
    scale: Scale,
    measure: Measure,
    judge: Judge,
) -> None:
    """EndpointSlices list exactly the ready Pods after scaling; traffic follows on every node."""
    scale(before)
    scale(after)
    measure(product(clients.everywhere("pod"), echo_app.targets("cluster-ip")))
    judge()
