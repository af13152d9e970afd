"""No endpoints: a Service without Pods refuses, at once and everywhere, and never answers."""

from svcproof.testing import Judge, Run, everywhere_to

REFUSED = True


def test_no_endpoints(run: Run, judge: Judge) -> None:
    """A Service without Pods refuses every connection; the same client is served elsewhere."""
    answering, failing = (
        everywhere_to(run.app, run.clients, service, "pod", "host-network", "outside")
        for service in ("hostname-svc-control", "nobody-svc")
    )
    run.measure(answering, failing=failing)
    judge()
