"""No endpoints: a Service without Pods refuses, at once and everywhere, and never answers."""

from svcproof.testing import App, Clients, Judge, Measure, everywhere_to


def test_no_endpoints(echo_app: App, clients: Clients, measure: Measure, judge: Judge) -> None:
    """A Service without Pods refuses every connection; the same client is served elsewhere."""
    answering, failing = (
        everywhere_to(echo_app, clients, service, "pod", "host-network", "outside")
        for service in ("hostname-svc-control", "nobody-svc")
    )
    measure(answering, failing=failing)
    judge()
