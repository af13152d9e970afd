"""A UDP Service that loses its last Pod: a client that keeps its port must learn of it."""

from svcproof.testing import Judge, Run, keeping_ports, to_the_dns

APPS = ()
SERVICE = "kept-port-emptied"


def test_emptied_service(run: Run, judge: Judge) -> None:
    """A UDP client that keeps its port is refused when no Pod is left, and served by the next."""
    pairs = keeping_ports(run.app, run.clients, SERVICE, first_port=10_100)
    run.measure(pairs)
    run.scale(0)
    run.measure(to_the_dns(run.app, run.clients, SERVICE), failing=pairs)
    run.scale(1)
    run.measure(pairs)
    judge()
