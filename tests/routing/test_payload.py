"""Sizes: what is larger than a packet arrives as well, in both directions, on every way.

A path that drops large packets and does not say so (a black hole of path MTU, RFC 2923)
makes connections and answers small requests. So the largest size is asked for, and only
where that fails smaller ones, up to the largest that passes.
"""

from collections.abc import Sequence

from svcproof.history import History, Outcome
from svcproof.testing import Judge, Pair, Run, also_from_outside_to, everywhere_to

APPS = ("ports",)

SERVICE = "payload-svc"
#: Bytes each way. Of TCP: one packet on any network, on both sides of Ethernet's 1,500, a jumbo
#: frame, and many packets. Of UDP: one that travels in fragments, and smaller ones.
TCP = (64, 1_400, 1_472, 9_000, 65_536)
UDP = (64, 1_400, 4_000)


def ways(run: Run, port: str) -> list[Pair]:
    """From everywhere inside to the ClusterIP, and from outside to the node port at every node."""
    return [
        *everywhere_to(run.app, run.clients, SERVICE, "pod", "host-network", port_name=port),
        *also_from_outside_to(run.app, run.clients, SERVICE, port_name=port),
    ]


def climb(run: Run, pairs: Sequence[Pair], sizes: Sequence[int], *, at_once: int = 0) -> None:
    """Measure the largest size, and what fails then with smaller ones, until those fail as well."""
    *smaller, largest = sizes
    history = run.measure(pairs, payload=largest, concurrency=at_once)
    left = [pair for pair in pairs if fails(history, pair, largest)]
    for size in smaller:
        if left:
            history = run.measure(left, payload=size, concurrency=at_once)
            left = [pair for pair in left if not fails(history, pair, size)]


def fails(history: History, pair: Pair, size: int) -> bool:
    """Whether any connection of that size did, of this pair."""
    position, target = pair
    return any(
        set(cell.attempts.endings) - {Outcome.ANSWERED}
        for cell in history.cells
        if (cell.position, cell.target) == (position, target) and cell.expectation.payload == size
    )


def test_over_tcp(run: Run, judge: Judge) -> None:
    """64 KiB arrive in both directions over TCP, through ClusterIP and node port."""
    climb(run, ways(run, "over-tcp"), TCP)
    judge()


def test_over_udp(run: Run, judge: Judge) -> None:
    """Datagrams that travel in fragments arrive, through ClusterIP and node port."""
    # More at once would not fit into the socket buffer of a server that has no processor time.
    climb(run, ways(run, "over-udp"), UDP, at_once=1)
    judge()
