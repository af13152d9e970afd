"""A UDP client that keeps its port: what its node remembers of it must not outlive the backend.

All packets of such a client are one flow to its node's connection tracking, which sends them
to the backend of the first for as long as they come. So whoever changes a Service's rules has
to make it forget flows that lead where no flow may lead any more (kube-proxy's
``pkg/proxy/conntrack``). Clients that take a fresh port each time never see that.
"""

from itertools import count, product

from svcproof.places import PositionKind
from svcproof.questions import kept
from svcproof.testing import Judge, Outcome, Pair, Run

APPS = ("ports",)

REPLACED, EMPTIED, DELETED, CONTROL = (
    f"kept-port-{word}" for word in ("replaced", "emptied", "deleted", "control")
)
#: No one else sends from these: others take higher ones, and so does the kernel.
FIRST_PORT = 10_000


def clients_of(run: Run, service: str, *kinds: PositionKind, first_port: int) -> list[Pair]:
    """On every node one client of each kind, each with a port of its own."""
    ports = count(first_port)
    return [
        (position, kept(target, next(ports)))
        for position, target in product(
            run.clients.everywhere(*kinds), run.app.targets("cluster-ip", service)
        )
    ]


def controls(run: Run) -> list[Pair]:
    """The same clients with fresh ports to a Service that stays as it is."""
    positions = run.clients.everywhere("pod", "host-network")
    return list(product(positions, run.app.targets("cluster-ip", CONTROL)))


def test_replaced_backend(run: Run, judge: Judge) -> None:
    """A UDP client that keeps its port reaches the Pod that replaces the one it talked to."""
    pairs = clients_of(run, REPLACED, "pod", "host-network", first_port=FIRST_PORT)
    run.measure(pairs)
    run.roll_out(deployment=REPLACED)
    run.measure(pairs)
    judge()


def test_emptied_service(run: Run, judge: Judge) -> None:
    """A UDP client that keeps its port is refused when no Pod is left, and served by the next.

    Pods alone: where the last one ran, the kernel forgets what was masqueraded on the way out
    of the host network with the interface that it went to.
    """
    pairs = clients_of(run, EMPTIED, "pod", first_port=FIRST_PORT + 100)
    run.measure(pairs)
    run.scale(0, deployment=EMPTIED)
    run.measure(controls(run), failing=pairs, cover=False)
    run.scale(1, deployment=EMPTIED)
    run.measure(pairs)
    judge()


def test_deleted_service(run: Run, judge: Judge) -> None:
    """A UDP client that keeps its port is not served through a Service that is deleted."""
    pairs = clients_of(run, DELETED, "pod", "host-network", first_port=FIRST_PORT + 200)
    run.measure(pairs, cover=False)
    run.delete("Service", DELETED)
    run.measure_ending(
        pairs,
        (Outcome.REFUSED, Outcome.UNREACHABLE, Outcome.TIMED_OUT),
        "the Service is deleted",
        controls=controls(run),
    )
    judge()
