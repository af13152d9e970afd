"""What is promised to a connection: how it ends, who answers, and what the backend sees."""

from __future__ import annotations

import enum

import msgspec

__all__ = ["Backend", "Outcome", "Promise"]


class Outcome(enum.StrEnum):
    """How one attempt ended, in words that never change.

    All but ``UNKNOWN`` are answers of the network. ``UNKNOWN`` means that the
    harness could not tell (the exec was lost, the client Pod is gone): it is
    never evidence for anything.
    """

    #: a whole reply came
    ANSWERED = "answered"
    #: TCP reset or ICMP port-unreachable on connecting
    REFUSED = "refused"
    #: the connection was made, and cut before the reply was complete
    RESET = "reset"
    #: no connection, or no reply, within the client's limits
    TIMED_OUT = "timed-out"
    #: no route, or an administrative refusal
    UNREACHABLE = "unreachable"
    #: the name did not resolve
    NAME_FAILED = "name-failed"
    #: the harness lost this attempt: it is never evidence for anything
    UNKNOWN = "unknown"


class Backend(
    msgspec.Struct, frozen=True, omit_defaults=True, gc=False, forbid_unknown_fields=True
):
    """Who a reply says it comes from. ``run`` tells this run's Pods from strangers."""

    pod: str
    uid: str = ""
    node: str = ""
    namespace: str = ""
    run: str = ""


class Promise(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """How connections must end and, when answered, by whom; and what the backend may see.

    ``rule`` is the rule in words, with its source. ``outcome`` is how every
    attempt must end, or in one of the ways of ``also`` where data planes
    legitimately differ. ``allowed`` are the backends that may answer, and with
    ``cover`` each of them must; it is empty when ``outcome`` is not ``answered``.
    ``affinity_ms`` is how long session affinity is kept without a connection, and
    ``affinity_clients`` for how many clients of each backend (0: nobody says).
    ``sources``: the only addresses that the backend may see; ``not_sources``: those
    that it must not. ``answers``: what every answer must contain, or ``None`` where
    that is not the question; ``rcode``: the DNS response code of a ``name-failed``.
    """

    outcome: Outcome
    rule: str
    also: tuple[Outcome, ...] = ()
    allowed: tuple[Backend, ...] = ()
    cover: bool = True
    affinity_ms: int = 0
    affinity_clients: int = 0
    sources: tuple[str, ...] = ()
    not_sources: tuple[str, ...] = ()
    answers: tuple[str, ...] | None = None
    rcode: str = ""

    @property
    def summary(self) -> str:
        """How connections end and by whom, in words that are the same only for the same."""
        named = [f"{backend.pod} ({backend.uid})" for backend in self.allowed]
        who = ", ".join(sorted(self.answers if self.answers is not None else named))
        return f"{self.outcome.value} by {who or 'nobody'}"

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """Every ending that is as promised."""
        return (self.outcome, *self.also)
