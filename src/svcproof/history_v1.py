"""Histories of format 1, record by record as records of today's format.

There an expectation had the fields of its promise, and all events were of one
record: ``kind`` a word, ``facts`` its particulars.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from svcproof import events
from svcproof.promises import Backend, Outcome, Promise
from svcproof.records import (
    Affinity,
    Choice,
    Expectation,
    Header,
    Observation,
    PositionDeclared,
    Record,
    TargetDeclared,
)

__all__ = ["VERSION", "EventV1", "ExpectationV1", "RecordV1", "upgrade"]

VERSION: Final = 1


class ExpectationV1(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag="expectation",
    tag_field="type",
):
    """An expectation and its promise in one."""

    index: int
    at_ns: int
    position: str
    target: str
    outcome: Outcome = Outcome.ANSWERED
    also: tuple[Outcome, ...] = ()
    allowed: tuple[Backend, ...] = ()
    cover: bool = True
    minimum: int = 1
    rule: str = ""
    choice: Choice = ""
    affinity: Affinity = ""
    affinity_ms: int = 0
    sources: tuple[str, ...] = ()
    not_sources: tuple[str, ...] = ()
    control: str = ""
    answers: tuple[str, ...] | None = None
    rcode: str = ""
    unsettled: bool = False
    outage_ms: int | None = None
    trouble_ms: int | None = None
    rate: float = 0.0


class EventV1(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag="event",
    tag_field="type",
):
    """An event of any kind."""

    index: int
    at_ns: int
    kind: str
    facts: dict[str, events.Fact] = {}


RecordV1 = Header | PositionDeclared | TargetDeclared | ExpectationV1 | Observation | EventV1

#: What an event of a kind is now. A kind that is not here was, and is, one of a test's own;
#: so are the two ends of a change, whose kind was the change's.
_KINDS: Final[Mapping[str, type[events.Event]]] = MappingProxyType(
    {
        "converged": events.Converged,
        "not-converged": events.NotConverged,
        "endpoints": events.EndpointsSeen,
        "api-answer": events.ApiAnswer,
        "promise-changed": events.PromiseChanged,
        "promise-not-seen-again": events.PromiseNotSeenAgain,
        "not-promised": events.NotPromised,
        "judged": events.Judged,
        "fault-injected": events.FaultInjected,
        "fault-healed": events.FaultHealed,
        "patched": events.Patched,
        "deleted": events.Deleted,
        "idle": events.Idle,
    }
)
#: Facts that have another name now.
_RENAMED: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {"endpoints": {"due": "ready"}, "api-answer": {"due": "expected", "said": "answer"}}
)
_PROMISED: Final = tuple(
    name for name in Promise.__struct_fields__ if name in ExpectationV1.__struct_fields__
)
_ASKED: Final = tuple(
    name for name in ExpectationV1.__struct_fields__ if name not in Promise.__struct_fields__
)


def upgrade(record: RecordV1) -> Record | events.Event:
    """The same record in today's format.

    Raises :class:`msgspec.ValidationError` for an event that is judged and says too little.
    """
    if isinstance(record, ExpectationV1):
        return Expectation(
            promise=Promise(**{name: getattr(record, name) for name in _PROMISED}),
            **{name: getattr(record, name) for name in _ASKED},
        )
    return _event(record) if isinstance(record, EventV1) else record


def _event(event: EventV1) -> events.Event:
    when: dict[str, Any] = {"index": event.index, "at_ns": event.at_ns}
    kind = _KINDS.get(event.kind)
    if kind is None:
        return events.Other(kind=event.kind, facts=event.facts, **when)
    renamed = _RENAMED.get(event.kind, {})
    facts = {renamed.get(name, name): value for name, value in event.facts.items()}
    # Nothing that this format had beside them was ever judged.
    told = {name: value for name, value in facts.items() if name in kind.__struct_fields__}
    try:
        return msgspec.convert(told | when, type=kind)
    except msgspec.ValidationError:  # of one that is judged: damaged; others may be a test's own
        if kind not in events.UNJUDGED:
            raise
        return events.Other(kind=event.kind, facts=event.facts, **when)
