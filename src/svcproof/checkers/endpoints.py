"""Do a Service's EndpointSlices list exactly the ready Pods?

Judges :class:`~svcproof.events.EndpointsSeen` events, which hold both lists as the
API server gave them at one moment: see :func:`svcproof.expect.endpoint_lists`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from svcproof.events import EndpointsSeen, NotConverged
from svcproof.history import History
from svcproof.verdict import Finding, Status, Verdict, judged

__all__ = ["endpoints"]

_LATE: Final = " (right soon after)"


def endpoints(history: History) -> Verdict:
    """All EndpointSlices that were seen list the ready Pods, no more and no less.

    Those that did not settle in time are looked at again after the measurement: if they are
    right then, they were late, which proves nothing. What is right only because something else
    is due meanwhile never came.
    """
    events = [event for event in history.events if isinstance(event, EndpointsSeen)]
    in_vain = [
        event.index
        for event in history.events
        if isinstance(event, NotConverged) and event.position == "API server"
    ]
    findings = [
        finding
        for event in events
        for finding in _judge(
            event,
            is_late=any(index < event.index for index in in_vain) and _came_right(event, events),
        )
    ]
    return judged(len(events), findings)


def _came_right(event: EndpointsSeen, events: Iterable[EndpointsSeen]) -> bool:
    """Whether the same list was right later, as long as the same was due."""
    for later in events:
        if later.service == event.service and later.index > event.index:
            if set(later.ready) != set(event.ready):
                return False
            if not _wrong(later):
                return True
    return False


def _wrong(event: EndpointsSeen) -> dict[str, set[str]]:
    listed, ready = set(event.listed), set(event.ready)
    differences = {
        "the EndpointSlices lack ready Pods": ready - listed,
        "the EndpointSlices list Pods that are not ready": listed - ready,
    }
    return {summary: wrong for summary, wrong in differences.items() if wrong}


def _judge(event: EndpointsSeen, *, is_late: bool) -> Iterator[Finding]:
    for summary, wrong in _wrong(event).items():
        yield Finding(
            status=Status.INCONCLUSIVE if is_late else Status.FAIL,
            summary=f"{summary}: {', '.join(sorted(wrong))}{_LATE if is_late else ''}",
            where=event.service,
            expected=", ".join(sorted(event.ready)) or "no endpoint",
            seen=", ".join(sorted(event.listed)) or "no endpoint",
            indices=(event.index,),
            remedy="compare `kubectl get endpointslices` with `kubectl get pods -o wide`, and "
            "look whether the kube-controller-manager is alive, and has processor time",
        )
