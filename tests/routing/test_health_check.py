"""healthCheckNodePort: what each node tells load balancers is what is true of it."""

from svcproof.questions import health_check_target
from svcproof.testing import App, Clients, Judge, Measure

APPS = ("lonely",)


def test_health_check(echo_app: App, clients: Clients, measure: Measure, judge: Judge) -> None:
    """Nodes with a Pod of the Service say 200 and how many, nodes without say 503."""
    (outside,) = clients.everywhere("outside")
    snapshot = echo_app.snapshot()
    service = snapshot.service("lonely-svc-health")
    measure(
        (outside, health_check_target(service, node.name, address))
        for node in snapshot.nodes
        for address in node.addresses
    )
    judge()
