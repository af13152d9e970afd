"""Session affinity: with ClientIP a client keeps its Pod, and without it does not."""

from collections import Counter
from itertools import product

from svcproof.history import History
from svcproof.testing import Judge, Pair, Run, from_outside_to

OWN_NAMESPACE = True  # one of its Pods is deleted
IN_ORDER = True

SERVICE = "hostname-svc-affinity"
PORTS = ("web-1", "web-2", "web-3")
#: Requests of one client to one port: three ports make at least a hundred.
COUNT = 40


def inside(run: Run) -> list[Pair]:
    """Every client inside, and every port of the Service."""
    positions = run.clients.everywhere("pod", "host-network")
    return [
        pair
        for port in PORTS
        for pair in product(positions, run.app.targets("cluster-ip", SERVICE, port))
    ]


def at_node_ports(run: Run) -> list[Pair]:
    """The client outside, at every node and every port. Each node remembers for itself."""
    return [
        pair
        for port in PORTS
        for pair in from_outside_to(run.app, run.clients, SERVICE, port_name=port)
    ]


def test_affinity(run: Run, judge: Judge) -> None:
    """With sessionAffinity ClientIP no client ever changes its Pod; with None each Pod answers all.

    None first: it proves that all Pods are there to change to. And None again in
    the end: what was remembered is forgotten.
    """
    pairs = [*inside(run), *at_node_ports(run)]
    run.patch("Service", SERVICE, {"spec": {"sessionAffinity": "None"}})
    run.measure(pairs)
    run.patch("Service", SERVICE, {"spec": {"sessionAffinity": "ClientIP"}})
    run.measure(pairs, count=COUNT, affinity="pin")
    run.patch("Service", SERVICE, {"spec": {"sessionAffinity": "None"}})
    run.measure(pairs[:: len(PORTS)])
    judge()


def test_pinned_pod_deleted(run: Run, judge: Judge) -> None:
    """When a Pod is deleted its clients move to one other Pod each, and all others stay."""
    pairs = inside(run)
    run.patch("Service", SERVICE, {"spec": {"sessionAffinity": "ClientIP"}})
    run.measure(pairs, affinity="pin")
    chosen = last_answers(run.recorder.freeze())
    victim = Counter(chosen.values()).most_common(1)[0][0]
    run.delete("Pod", victim)
    staying = [pair for pair in pairs if chosen[str(pair[0]), str(pair[1])] != victim]
    if staying:  # of few clients all may have drawn the same Pod
        run.measure(staying, affinity="keep")
    run.measure([pair for pair in pairs if pair not in staying], affinity="pin")
    judge()


def last_answers(history: History) -> dict[tuple[str, str], str]:
    """Each pair's last Pod."""
    return {
        (entry.position, entry.target): entry.backend.pod
        for entry in history.observations
        if entry.backend is not None
    }
