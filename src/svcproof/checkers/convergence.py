"""Did the data plane settle before it was measured?

A pair that never gave the wanted answers in a row within the limit is measured
all the same: what the measurement shows is a verdict. When it shows nothing
wrong, the two contradict each other, and the result is inconclusive.
"""

from __future__ import annotations

from svcproof.history import Event, History
from svcproof.verdict import Finding, Status, Verdict, judged

__all__ = ["CONVERGED", "NOT_CONVERGED", "convergence"]

#: The kinds of event that a bounded wait for the data plane ends in.
CONVERGED = "converged"
NOT_CONVERGED = "not-converged"

_REMEDY = (
    "routing that is right now and then is not right: look at the kube-proxy of the entered node; "
    "on a slow machine raise Limits.convergence"
)


def convergence(history: History) -> Verdict:
    """Every wait for the data plane ended in time."""
    events = [event for event in history.events if event.kind in (CONVERGED, NOT_CONVERGED)]
    return judged(
        len(events), [_unsettled(event) for event in events if event.kind == NOT_CONVERGED]
    )


def _unsettled(event: Event) -> Finding:
    facts = event.facts
    return Finding(
        status=Status.INCONCLUSIVE,
        summary=f"did not settle within {facts.get('limit_seconds')} s",
        where=f"{facts.get('position')} → {facts.get('target')}",
        expected="the state that is due, steadily",
        seen=str(facts.get("last_state")),
        indices=(event.index,),
        remedy=str(facts.get("remedy", "")) or _REMEDY,
    )
