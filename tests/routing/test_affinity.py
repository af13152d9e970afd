"""Session affinity: with ClientIP a client keeps its Pod, and without it does not."""

from itertools import product

from svcproof.testing import Judge, Pair, Run, also_from_outside_to

SERVICE = "hostname-svc-affinity"
PORTS = ("web-1", "web-2", "web-3")
#: Requests of one client to one port: three ports make at least a hundred.
COUNT = 40


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
    run.patch("Service", SERVICE, {"spec": {"sessionAffinity": "None"}})
    run.measure(pairs)
    run.patch("Service", SERVICE, {"spec": {"sessionAffinity": "ClientIP"}})
    run.measure(pairs, count=COUNT, affinity="pin")
    run.patch("Service", SERVICE, {"spec": {"sessionAffinity": "None"}})
    run.measure(pairs[:: len(PORTS)])
    judge()
