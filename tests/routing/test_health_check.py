"""healthCheckNodePort: what each node tells load balancers is what is true of it."""

from svcproof.questions import health_check_target
from svcproof.testing import Judge, Outcome, Pair, Run

APPS = ("lonely",)

LONELY, MOVING, DELETED = "lonely-svc-health", "moving-svc-health", "deleted-svc-health"
DEPLOYMENT = "moving-deployment"


def everywhere(run: Run, name: str) -> list[Pair]:
    """The client outside, at the health check port of every node."""
    run.app.refuse_no_node_ports(name)
    (outside,) = run.clients.everywhere("outside")
    snapshot = run.app.snapshot()
    service = snapshot.service(name)
    return [
        (outside, health_check_target(service, node.name, address))
        for node in snapshot.nodes
        for address in node.addresses
    ]


def test_health_check(run: Run, judge: Judge) -> None:
    """Nodes with a Pod of the Service say 200 and how many, nodes without say 503."""
    run.measure(everywhere(run, LONELY))
    judge()


def test_pods_come_and_go(run: Run, judge: Judge) -> None:
    """Where the last Pod of a Service goes its node says 503, and 200 where one comes."""
    pairs = everywhere(run, MOVING)
    run.measure(pairs)
    run.scale(0, deployment=DEPLOYMENT)
    run.measure(pairs)
    run.scale(1, deployment=DEPLOYMENT)
    run.measure(pairs)
    judge()


def test_deleted_service(run: Run, judge: Judge) -> None:
    """The health check port of a deleted Service is closed on every node."""
    pairs = everywhere(run, DELETED)
    run.measure(pairs)
    run.delete("Service", DELETED)
    run.measure_ending(
        pairs,
        (Outcome.REFUSED,),
        "the Service is deleted: nobody listens",
        controls=everywhere(run, LONELY),
    )
    judge()
