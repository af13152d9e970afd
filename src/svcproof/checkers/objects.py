"""Were the Services what the run had made of them? Else what was measured is another question.

That the cluster stored one otherwise than it was asked for (an admission policy) is only told:
promises follow what is stored.
"""

from __future__ import annotations

from svcproof.events import ServiceAdmitted, ServiceChanged
from svcproof.history import History
from svcproof.verdict import Fact, Finding, Status, Verdict, judged

__all__ = ["objects"]


def objects(history: History) -> Verdict:
    """No Service was changed by anybody but the run itself."""
    seen = [event for event in history.events if isinstance(event, ServiceChanged)]
    first = {(event.service, event.field, event.seen): event for event in reversed(seen)}
    admitted = [event for event in history.events if isinstance(event, ServiceAdmitted)]
    return judged(
        len(seen) + len(admitted),
        [_finding(event) for event in reversed(first.values())],
        [Fact("changed on admission", text) for text in dict.fromkeys(map(_told, admitted))],
    )


def _told(event: ServiceAdmitted) -> str:
    return (
        f"Service {event.service}: {event.field} is {event.seen or 'nothing'}, "
        f"{event.wanted or 'nothing'} was asked for"
    )


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
