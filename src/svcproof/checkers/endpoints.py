"""Do a Service's EndpointSlices list exactly the ready Pods?

Judges :class:`~svcproof.events.EndpointsSeen` events, which hold both lists as the
API server gave them at one moment: see :func:`svcproof.expect.endpoint_lists`.
"""

from __future__ import annotations

from collections.abc import Iterator

from svcproof.events import EndpointsSeen
from svcproof.history import History
from svcproof.verdict import Finding, Status, Verdict, judged

__all__ = ["endpoints"]


def endpoints(history: History) -> Verdict:
    """All EndpointSlices that were seen list the ready Pods, no more and no less."""
    events = [event for event in history.events if isinstance(event, EndpointsSeen)]
    return judged(len(events), [finding for event in events for finding in _judge(event)])


def _judge(event: EndpointsSeen) -> Iterator[Finding]:
    listed, ready = set(event.listed), set(event.ready)
    for summary, wrong in (
        ("the EndpointSlices lack ready Pods", ready - listed),
        ("the EndpointSlices list Pods that are not ready", listed - ready),
    ):
        if wrong:
            yield Finding(
                status=Status.FAIL,
                summary=f"{summary}: {', '.join(sorted(wrong))}",
                where=event.service,
                expected=", ".join(sorted(ready)) or "no endpoint",
                seen=", ".join(sorted(listed)) or "no endpoint",
                indices=(event.index,),
                remedy="compare `kubectl get endpointslices` with `kubectl get pods -o wide`, and "
                "look whether the kube-controller-manager is alive",
            )
