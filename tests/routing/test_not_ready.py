"""publishNotReadyAddresses: a Pod that is not ready gets traffic only where that is wanted."""

from svcproof.testing import App, Clients, Judge, Measure, everywhere_to

APPS = ()


def test_not_ready(echo_app: App, clients: Clients, measure: Measure, judge: Judge) -> None:
    """A Pod that is not ready answers with publishNotReadyAddresses, and without it never."""
    answering, failing = (
        everywhere_to(echo_app, clients, service, "pod", "outside")
        for service in ("published-svc", "unpublished-svc")
    )
    measure(answering, failing=failing)
    judge()
