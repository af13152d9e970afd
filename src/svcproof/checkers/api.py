"""Did the API server accept what it must, and refuse what it must, in its own words?

Judges :class:`~svcproof.events.ApiAnswer` events.
"""

from __future__ import annotations

from collections.abc import Iterator

from svcproof.events import ApiAnswer
from svcproof.history import History
from svcproof.verdict import Fact, Finding, Status, Verdict, judged

__all__ = ["api"]


def api(history: History) -> Verdict:
    """Every request was refused with the text that is due, or accepted where none is."""
    events = [event for event in history.events if isinstance(event, ApiAnswer)]
    return judged(
        len(events),
        [finding for event in events for finding in _judge(event)],
        [Fact(f"API server on {event.request}", event.answer or "accepted") for event in events],
    )


def _judge(event: ApiAnswer) -> Iterator[Finding]:
    expected, answer = event.expected, event.answer
    if (expected in answer) if expected else not answer:
        return
    yield Finding(
        status=Status.FAIL,
        summary=f"the API server {'refused' if answer else 'accepted'} {event.request}",
        where="API server",
        expected=f"a refusal with the words: {expected}" if expected else "that it is accepted",
        seen=answer or "it was accepted",
        indices=(event.index,),
        remedy="look at the API server's flags (--service-node-port-range) and admission plugins",
    )
