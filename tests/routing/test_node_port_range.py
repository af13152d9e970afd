"""Node ports: which may be chosen, that nobody gets one twice, and that a freed one is closed."""

from typing import Any

from svcproof.history import Outcome
from svcproof.testing import Judge, Run, from_outside_to

IN_ORDER = True
REFUSED = True

SERVICE, CONTROL = "chosen-svc", "hostname-svc-range-control"


def asking_for(port: int, name: str = "asking-svc") -> dict[str, Any]:
    """A Service that asks for a certain node port."""
    wanted = {"name": "web-port", "port": 8080, "targetPort": 80, "nodePort": port}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {
            "type": "NodePort",
            "ipFamilyPolicy": "PreferDualStack",
            "selector": {"app": "webserver"},
            "ports": [wanted],
        },
    }


def node_port(run: Run) -> int:
    """The one that the Service was given: what is fixed may be somebody else's here."""
    return run.app.targets("node-port", SERVICE)[0].port


def test_range(run: Run, judge: Judge) -> None:
    """Node ports are 30000 to 32767: 32768 and 29999 are refused, and the text says so."""
    for port in (29999, 32768):
        run.request(
            f"a node port of {port}",
            asking_for(port),
            refused="The range of valid ports is 30000-32767",
        )
    judge()


def test_collision(run: Run, judge: Judge) -> None:
    """A node port that one Service has is refused to every other."""
    port = node_port(run)
    run.request(
        f"node port {port}, which {SERVICE} has",
        asking_for(port),
        refused="provided port is already allocated",
    )
    judge()


def test_freed_port_is_closed(run: Run, judge: Judge) -> None:
    """The node port of a deleted Service stops answering on every node, and may be had again."""
    pairs, port = from_outside_to(run.app, run.clients, SERVICE), node_port(run)
    run.measure(pairs)
    run.delete("Service", SERVICE)
    run.measure_ending(
        pairs,
        (Outcome.REFUSED,),
        "a node port that no Service has is closed",
        controls=from_outside_to(run.app, run.clients, CONTROL),
    )
    if run.request(f"node port {port}, freed", asking_for(port, SERVICE)):
        run.measure(pairs)
    judge()
