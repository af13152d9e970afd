"""Session affinity: with ClientIP a client keeps its Pod, and without it does not."""

from itertools import product

from svcproof.testing import Judge, Pair, Run, also_from_outside_to, from_outside_to

SERVICE, LOCAL = "hostname-svc-affinity", "hostname-svc-affinity-local"
PORTS = ("web-1", "web-2", "web-3")
#: Requests of one client to one port: three ports make at least a hundred.
COUNT = 40
PAIR = "pair-deployment"


def test_affinity(run: Run, judge: Judge) -> None:
    """With sessionAffinity ClientIP no client ever changes its Pod; with None each Pod answers all.

    None first: it proves that all Pods are there to change to. And None again in
    the end: what was remembered is forgotten.
    """
    positions = run.clients.everywhere("pod", "host-network")
    pairs: list[Pair] = []
    for port in PORTS:
        pairs += product(positions, run.app.targets("cluster-ip", SERVICE, port))
        # Each node remembers for itself.
        pairs += also_from_outside_to(run.app, run.clients, SERVICE, port_name=port)
    ask_with_and_without(run, SERVICE, pairs)
    judge()


def ask_with_and_without(run: Run, service: str, pairs: list[Pair]) -> None:
    """Without affinity each Pod answers all clients, and with it one each; and without again."""
    without, sticky = ({"spec": {"sessionAffinity": word}} for word in ("None", "ClientIP"))
    run.patch("Service", service, without)
    run.measure(pairs)
    run.patch("Service", service, sticky)
    run.measure(pairs, count=COUNT, affinity="pin")
    run.patch("Service", service, without)
    run.measure(pairs[:: len(PORTS)])


def test_affinity_local(run: Run, judge: Judge) -> None:
    """With policy Local, too, a client from outside keeps one Pod of the node that it enters."""
    bearing = {pod.node for pod in run.app.pods(PAIR)}
    pairs = [
        pair
        for port in PORTS
        for pair in from_outside_to(run.app, run.clients, LOCAL, port_name=port)
        if pair[1].entry_node in bearing
    ]
    ask_with_and_without(run, LOCAL, pairs)
    judge()
