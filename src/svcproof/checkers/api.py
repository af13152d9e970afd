"""Did the API server accept what it must, and refuse what it must, in its own words?

Judges ``api-answer`` events, which hold a request, what is due and what was said.
"""

from __future__ import annotations

from collections.abc import Iterator

from svcproof.history import Event, History
from svcproof.verdict import Fact, Finding, Status, Verdict, judged

__all__ = ["API_ANSWER", "api"]

#: The kind of the events that are judged here.
API_ANSWER = "api-answer"


def api(history: History) -> Verdict:
    """Every request was refused with the text that is due, or accepted where none is."""
    events = [event for event in history.events if event.kind == API_ANSWER]
    return judged(
        len(events),
        [finding for event in events for finding in _judge(event)],
        [
            Fact(f"API server on {event.facts['request']}", str(event.facts["said"]) or "accepted")
            for event in events
        ],
    )


def _judge(event: Event) -> Iterator[Finding]:
    request, due, said = (str(event.facts[name]) for name in ("request", "due", "said"))
    if (due in said) if due else not said:
        return
    yield Finding(
        status=Status.FAIL,
        summary=f"the API server {'refused' if said else 'accepted'} {request}",
        where="API server",
        expected=f"a refusal with the words: {due}" if due else "that it is accepted",
        seen=said or "it was accepted",
        indices=(event.index,),
        remedy="look at the API server's flags (--service-node-port-range) and admission plugins",
    )
