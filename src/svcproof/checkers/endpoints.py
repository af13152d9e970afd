"""Do a Service's EndpointSlices list exactly the ready Pods?

Judges ``endpoints`` events, which hold both lists as the API server gave them
at one moment: see :func:`svcproof.expect.endpoint_lists`.
"""

from __future__ import annotations

from collections.abc import Iterator

from svcproof.history import Event, History
from svcproof.verdict import Finding, Status, Verdict, judged

__all__ = ["ENDPOINTS", "endpoints"]

#: The kind of the events that are judged here.
ENDPOINTS = "endpoints"


def endpoints(history: History) -> Verdict:
    """Every ``endpoints`` event lists what is due, no more and no less."""
    events = [event for event in history.events if event.kind == ENDPOINTS]
    return judged(len(events), [finding for event in events for finding in _judge(event)])


def _judge(event: Event) -> Iterator[Finding]:
    listed, due = _set(event, "listed"), _set(event, "due")
    for summary, wrong in (
        ("the EndpointSlices lack ready Pods", due - listed),
        ("the EndpointSlices list Pods that are not ready", listed - due),
    ):
        if wrong:
            yield Finding(
                status=Status.FAIL,
                summary=f"{summary}: {', '.join(sorted(wrong))}",
                where=str(event.facts.get("service", "")),
                expected=", ".join(sorted(due)) or "no endpoint",
                seen=", ".join(sorted(listed)) or "no endpoint",
                indices=(event.index,),
                remedy="compare `kubectl get endpointslices` with `kubectl get pods -o wide`, and "
                "look whether the kube-controller-manager is alive",
            )


def _set(event: Event, fact: str) -> set[str]:
    value = event.facts[fact]
    if not isinstance(value, list):
        raise TypeError(f"entry {event.index}: {fact} is no list")
    return set(value)
