"""Session affinity over time: kept until the time-out, renewed by use, and then forgotten."""

from itertools import product

import pytest

from svcproof.testing import Judge, Pair, Run, also_from_outside_to

SERVICE = "hostname-svc-expiry"
PORTS = ("web-1", "web-2", "web-3")
#: Of the manifest. Pauses stay well on one side of it; the check looks how long they were.
TIMEOUT = 30.0


@pytest.mark.svc_slow
def test_expiry(run: Run, judge: Judge) -> None:
    """A client keeps its Pod until it was idle for the time-out, and then draws anew.

    Three ports make three independent choices of each client: enough for all of
    them to draw the same Pod again by chance less than once in 10^8 runs.
    """
    positions = run.clients.everywhere("pod", "host-network")
    pairs: list[Pair] = []
    for port in PORTS:
        pairs += product(positions, run.app.targets("cluster-ip", port_name=port))
        # Each node remembers for itself.
        pairs += also_from_outside_to(run.app, run.clients, SERVICE, port_name=port)
    run.measure(pairs, affinity="pin")
    for _ in range(2):
        # Twice, so that the second is later than the time-out would be had nothing renewed it.
        run.idle(0.55 * TIMEOUT, why="less than the time-out")
        run.measure(pairs, settle=False, affinity="keep")
    run.idle(1.5 * TIMEOUT, why="longer than the time-out")
    run.measure(pairs, settle=False, affinity="redraw")
    judge()
