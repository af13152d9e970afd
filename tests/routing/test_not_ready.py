"""publishNotReadyAddresses: a Pod that is not ready gets traffic only where that is wanted."""

from svcproof.testing import Judge, Run, everywhere_to

APPS = ()
REFUSED = True


def test_not_ready(run: Run, judge: Judge) -> None:
    """A Pod that is not ready answers with publishNotReadyAddresses, and without it never."""
    answering, failing = (
        everywhere_to(run.app, run.clients, service, "pod", "outside")
        for service in ("published-svc", "unpublished-svc")
    )
    run.measure(answering, failing=failing)
    judge()
