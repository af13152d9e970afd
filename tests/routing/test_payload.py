"""Sizes: what is larger than a packet arrives as well, in both directions, on every way.

A path that drops large packets and does not say so (a black hole of path MTU, RFC 2923)
makes connections and answers small requests. So the largest size is asked for, and only
where that fails smaller ones, down to the largest that passes.
"""

from collections.abc import Sequence

from svcproof.history import History, Outcome
from svcproof.testing import Judge, Pair, Run, everywhere_to, from_outside_to

APPS = ("ports",)

SERVICE = "payload-svc"
#: Bytes each way. Of TCP: many packets, one of a jumbo frame, and on both sides of
#: Ethernet's 1,500. Of UDP: one that travels in fragments, and one that does not.
TCP = (65_536, 9_000, 1_472, 1_400, 64)
UDP = (4_000, 1_400, 64)


def ways(run: Run, port: str) -> list[Pair]:
    """From everywhere inside to the ClusterIP, and from outside to the node port at every node."""
    return [
        *everywhere_to(run.app, run.clients, SERVICE, "pod", "host-network", port_name=port),
        *from_outside_to(run.app, run.clients, SERVICE, port_name=port),
    ]


def descend(run: Run, pairs: Sequence[Pair], sizes: Sequence[int]) -> None:
    """Measure the largest size, and what fails with smaller ones until all pass."""
    for size in sizes:
        is_first = size == sizes[0]
        history = run.measure(pairs, payload=size, settle=is_first)
        pairs = [pair for pair in pairs if fails(history, pair, size)]
        if not pairs:
            return


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
    descend(run, ways(run, "over-tcp"), TCP)
    judge()


def test_over_udp(run: Run, judge: Judge) -> None:
    """Datagrams that travel in fragments arrive, through ClusterIP and node port."""
    descend(run, ways(run, "over-udp"), UDP)
    judge()
