"""Was there a client at every place? Where none runs, nothing is proven from there."""

from __future__ import annotations

from svcproof.events import ClientMissing
from svcproof.history import History
from svcproof.verdict import Finding, Status, Verdict, judged

__all__ = ["clients"]


def clients(history: History) -> Verdict:
    """No place was left out because its client Pod is not ready."""
    missing = [event for event in history.events if isinstance(event, ClientMissing)]
    return judged(len(missing), [_finding(event) for event in missing])


def _finding(event: ClientMissing) -> Finding:
    return Finding(
        status=Status.INCONCLUSIVE,
        summary=f"no client on {event.node}: what would be sent from there is not known",
        expected="a ready client Pod on every node that takes Pods",
        seen=event.reason,
        indices=(event.index,),
        remedy=f"see what {event.node} lacks: kubectl describe node {event.node}",
    )
