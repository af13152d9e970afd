"""A UDP Service that is deleted: a client that keeps its port must not be served any more."""

from svcproof.testing import Judge, Outcome, Run, keeping_ports, to_the_dns

APPS = ("ports",)
SERVICE, CONTROL = "kept-port-deleted", "many-ports-svc"


def test_deleted_service(run: Run, judge: Judge) -> None:
    """A UDP client that keeps its port is not served through a Service that is deleted."""
    pairs = keeping_ports(run.app, run.clients, SERVICE, first_port=10_200)
    run.measure(pairs, cover=False)
    run.delete("Service", SERVICE)
    run.measure_ending(
        pairs,
        (Outcome.REFUSED, Outcome.UNREACHABLE, Outcome.TIMED_OUT),
        "the Service is deleted",
        controls=to_the_dns(run.app, run.clients, CONTROL),
    )
    judge()
