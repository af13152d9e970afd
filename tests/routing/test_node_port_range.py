"""Node ports: which may be chosen, that nobody gets one twice, and that a freed one is closed."""

import re
from typing import Any

from svcproof.errors import ApplyFailed, NotSupported
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


def node_port_range(run: Run) -> tuple[int, int]:
    """The first and the last: the default, but on somebody else's cluster what a refusal says."""
    if run.app.cluster.facts.kind != "existing":
        return 30000, 32767
    run.app.refuse_no_node_ports(SERVICE)
    refusal = ""
    try:
        run.app.add(asking_for(1))
        run.delete("Service", "asking-svc")
    except ApplyFailed as error:
        refusal = str(error)
    found = re.search(r"range of valid ports is (\d+)-(\d+)", refusal)
    if found is None:
        raise NotSupported(f"a node port of 1 shows no range: {refusal or 'it was given'}")
    return int(found[1]), int(found[2])


def test_range(run: Run, judge: Judge) -> None:
    """Node ports are 30000 to 32767, or as the cluster is set up: the ports beside the range
    are refused, and the text says so."""
    first, last = node_port_range(run)
    for port in {first - 1, last + 1} & set(range(1, 65536)):
        run.request(
            f"a node port of {port}",
            asking_for(port),
            refused=f"The range of valid ports is {first}-{last}",
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
