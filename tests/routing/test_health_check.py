"""healthCheckNodePort: what each node tells load balancers is what is true of it."""

from svcproof.questions import health_check_target
from svcproof.testing import Judge, Run

APPS = ("lonely",)


def test_health_check(run: Run, judge: Judge) -> None:
    """Nodes with a Pod of the Service say 200 and how many, nodes without say 503."""
    (outside,) = run.clients.everywhere("outside")
    snapshot = run.app.snapshot()
    service = snapshot.service("lonely-svc-health")
    run.measure(
        (outside, health_check_target(service, node.name, address))
        for node in snapshot.nodes
        for address in node.addresses
    )
    judge()
