"""Were the Services what the run had made of them? Else what was measured is another question."""

from __future__ import annotations

from svcproof.events import ServiceChanged
from svcproof.history import History
from svcproof.verdict import Finding, Status, Verdict, judged

__all__ = ["objects"]


def objects(history: History) -> Verdict:
    """No Service was changed by anybody but the run itself."""
    seen = [event for event in history.events if isinstance(event, ServiceChanged)]
    first = {(event.service, event.field, event.seen): event for event in reversed(seen)}
    return judged(len(seen), [_finding(event) for event in reversed(first.values())])


def _finding(event: ServiceChanged) -> Finding:
    return Finding(
        status=Status.FAIL,
        summary=f"Service {event.service} was changed behind the run's back: {event.field}",
        where=f"Service {event.service}",
        expected=event.wanted or "nothing",
        seen=event.seen or "nothing",
        indices=(event.index,),
        remedy="look who changes it (an operator, an admission webhook: kubectl get service "
        f"{event.service} -o yaml --show-managed-fields); a test of your own changes Services "
        "with run.patch, so that the run knows",
    )
