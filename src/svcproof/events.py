"""Events of a history: what was done to the cluster, and what it was seen to do.

Each kind is a struct of its own, and its name in kebab case is the record's ``type``.
What is not among them (an event of a test of one's own) is an :class:`Other`.
Checkers and reporters match on the types.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

__all__ = [
    "UNJUDGED",
    "AnyEvent",
    "ApiAnswer",
    "ChangeBegan",
    "ChangeEnded",
    "ClientMissing",
    "Converged",
    "Deleted",
    "EndpointsSeen",
    "Event",
    "Fact",
    "FaultHealed",
    "FaultInjected",
    "Idle",
    "Judged",
    "KnownDeviation",
    "NotAsked",
    "NotConverged",
    "NotPromised",
    "NotSoFar",
    "Other",
    "Patched",
    "PromiseChanged",
    "PromiseNotSeenAgain",
    "ServiceAdmitted",
    "ServiceChanged",
    "SettledLate",
    "Sign",
]

#: What an event of one's own may say.
Fact = str | int | float | list[str]


def _kebab(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()


class Event(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    tag_field="type",
    tag=_kebab,
):
    """Base of all events. The recorder fills ``index`` and ``at_ns``."""

    index: int = -1
    at_ns: int = 0

    @property
    def word(self) -> str:
        """The kind of event, as the history spells it."""
        return str(self.__struct_config__.tag)

    @property
    def particulars(self) -> dict[str, Fact]:
        """What it says beside when it was: all that is not the default, facts one by one."""
        said: dict[str, Any] = {
            field.name: getattr(self, field.name)
            for field in msgspec.structs.fields(self)
            if field.name not in ("index", "at_ns", "facts")
            and getattr(self, field.name) != field.default
        }
        facts: Mapping[str, Fact] = getattr(self, "facts", {})
        return said | dict(facts)


class Converged(Event, frozen=True):
    """A pair settled: ``streak`` right answers in a row, after ``attempts`` in all."""

    position: str
    target: str
    seconds: float
    attempts: int
    streak: int
    limit_seconds: float


class NotConverged(Event, frozen=True):
    """A wait ran out: of a pair, or (``position`` "API server") of what ``target`` says."""

    position: str
    target: str
    limit_seconds: float
    last_state: str
    remedy: str = ""
    seconds: float = 0.0
    attempts: int = 0
    streak: int = 0


class EndpointsSeen(Event, frozen=True):
    """The endpoints that a Service's EndpointSlices list, and its ready Pods, at one moment."""

    service: str
    listed: tuple[str, ...]
    ready: tuple[str, ...]


class ApiAnswer(Event, frozen=True):
    """What the API server answered: "" if it accepted; ``expected``: part of a refusal."""

    request: str
    expected: str
    answer: str


class PromiseChanged(Event, frozen=True):
    """What was promised to a pair before and after its measurement, where the two differ."""

    position: str
    target: str
    before: str
    after: str


class PromiseNotSeenAgain(Event, frozen=True):
    """Why nobody knows whether a promise was still in force after the measurement."""

    reason: str


class NotSoFar(Event, frozen=True):
    """A pair has not settled yet, and is waited for."""

    position: str
    target: str
    seconds: float
    last_state: str


class SettledLate(Event, frozen=True):
    """A pair that was given up gave what is promised after its measurement: slow, not broken."""

    position: str
    target: str


class ClientMissing(Event, frozen=True):
    """Why there is no client on a node: nothing is sent from there."""

    node: str
    reason: str


class ServiceChanged(Event, frozen=True):
    """A field of a Service that is not as the run left it: somebody else has changed it."""

    service: str
    field: str
    wanted: str
    seen: str


class ServiceAdmitted(Event, frozen=True):
    """A field of a Service that was stored otherwise than it was asked for, as an admission policy
    or the API server's version makes it: what is promised follows what is stored."""

    service: str
    field: str
    wanted: str
    seen: str


class Sign(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """A finding by what of it is the same each time: its pair in words, and its summary."""

    summary: str
    where: str = ""


class KnownDeviation(Event, frozen=True):
    """What this case is known to show on this cluster: all of ``findings``, and nothing else.

    See :class:`~svcproof.deviations.Deviation`.
    """

    slug: str
    seen: str
    findings: tuple[Sign, ...]
    reference: str = ""


class NotPromised(Event, frozen=True):
    """Why nothing is promised to this pair, so that it was not measured."""

    position: str
    target: str
    reason: str


class NotAsked(Event, frozen=True):
    """Why the case could not be asked of this cluster: it is *not supported*, and ends here."""

    reason: str


class Judged(Event, frozen=True):
    """A verdict on all that stands before it, and the names of the checks that gave it."""

    verdict: str
    checks: tuple[str, ...]


class FaultInjected(Event, frozen=True):
    """A fault is there; ``half_done`` is the error that stopped its injection.

    ``done_at_ns`` is when it was done, where the event is repeated in another history.
    """

    number: int
    slug: str
    seconds: float
    half_done: str = ""
    done_at_ns: int = 0


class FaultHealed(Event, frozen=True):
    """A fault is gone, but for its ``leftovers``; ``done_at_ns`` as of :class:`FaultInjected`."""

    number: int
    slug: str
    seconds: float
    leftovers: tuple[str, ...] = ()
    done_at_ns: int = 0


class Patched(Event, frozen=True):
    """An object is about to be changed."""

    object: str
    changes: str


class Deleted(Event, frozen=True):
    """An object was deleted."""

    object: str


class ChangeBegan(Event, frozen=True):
    """A change of the cluster begins; ``facts`` holds its particulars."""

    change: str
    facts: dict[str, Fact] = {}


class ChangeEnded(Event, frozen=True):
    """The same change has taken effect, after so many seconds."""

    change: str
    seconds: float
    facts: dict[str, Fact] = {}


class Idle(Event, frozen=True):
    """The case does nothing for so long, because that is the experiment."""

    seconds: float
    why: str


class Other(Event, frozen=True):
    """An event of a test of one's own: ``kind`` is its word, ``facts`` the particulars."""

    kind: str
    facts: dict[str, Fact] = {}

    @property
    def word(self) -> str:
        """Its own word."""
        return self.kind

    @property
    def particulars(self) -> dict[str, Fact]:
        """Its facts."""
        return dict(self.facts)


#: Kinds that no check reads: what one of them says can change no verdict.
UNJUDGED: Final[tuple[type[Event], ...]] = (
    PromiseNotSeenAgain,
    NotSoFar,
    NotAsked,
    NotPromised,
    FaultInjected,
    FaultHealed,
    Patched,
    Deleted,
    ChangeBegan,
    ChangeEnded,
    Idle,
    Other,
)

#: Every kind there is: what a reader decodes.
AnyEvent = (
    Converged
    | NotConverged
    | EndpointsSeen
    | ApiAnswer
    | PromiseChanged
    | PromiseNotSeenAgain
    | NotSoFar
    | SettledLate
    | ClientMissing
    | ServiceAdmitted
    | ServiceChanged
    | KnownDeviation
    | NotAsked
    | NotPromised
    | Judged
    | FaultInjected
    | FaultHealed
    | Patched
    | Deleted
    | ChangeBegan
    | ChangeEnded
    | Idle
    | Other
)
