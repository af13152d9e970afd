"""Session affinity whose Pod is gone: its clients move on, all others stay."""

from collections import Counter
from itertools import product

from svcproof.history import History
from svcproof.testing import Judge, Run

OWN_NAMESPACE = True  # one of its Pods is deleted

SERVICE = "hostname-svc-pinned"
#: Affinity is kept per client and port, so three ports give each client three Pods.
PORTS = ("web-1", "web-2", "web-3")


def test_pinned_pod_deleted(run: Run, judge: Judge) -> None:
    """When a Pod is deleted its clients move to one other Pod each, and all others stay."""
    positions = run.clients.everywhere("pod", "host-network")
    pairs = [
        pair
        for port in PORTS
        for pair in product(positions, run.app.targets("cluster-ip", SERVICE, port))
    ]
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
