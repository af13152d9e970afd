"""No endpoints: a Service without Pods refuses, at once and everywhere, and never answers."""

import pytest

from svcproof.places import DialledForm, PositionKind
from svcproof.testing import App, Clients, Judge, Measure


@pytest.mark.parametrize(
    "kinds", [("pod", "host-network"), ("outside",)], ids=["ClusterIP from inside", "NodePort"]
)
def test_no_endpoints(
    kinds: tuple[PositionKind, ...],
    echo_app: App,
    clients: Clients,
    measure: Measure,
    judge: Judge,
) -> None:
    """A Service without Pods refuses every connection; the same client is served elsewhere."""
    form: DialledForm = "node-port" if "outside" in kinds else "cluster-ip"
    positions = clients.everywhere(*kinds)
    measure(
        [(p, t) for p in positions for t in echo_app.targets(form, "hostname-svc-control")],
        failing=[(p, t) for p in positions for t in echo_app.targets(form, "nobody-svc")],
    )
    judge()
