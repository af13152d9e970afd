"""Has a pair settled? So many right attempts in a row, by every backend. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from svcproof.checkers.answers import comparable
from svcproof.expect import Promise
from svcproof.history import Attempt, Outcome

__all__ = ["Streak"]

#: No connection takes so long, unless its first packet is lost: it is sent again after a second.
_HANGS_US: Final = 500_000


@dataclass
class Streak:
    """Attempts in a row that gave what is promised; ``length`` of them count as settled.

    ``pinned``: they must all come from one backend, whichever it is. ``own_pod`` is
    the client's own Pod: an answer by itself says nothing about source addresses.
    """

    promise: Promise
    length: int
    pinned: bool = False
    own_pod: str = ""
    attempts: int = 0
    good: int = 0
    seen: set[str] = field(default_factory=set)
    broken: str = ""
    is_stale: bool = False  #: what was wrong was an answer: rules may only be late
    is_lost: bool = False  #: what was wrong was the client: nothing is known
    hangs: bool = False  #: some connection of the row was waited for: packets are lost

    @property
    def batch(self) -> int:
        """How many attempts to make at once: likely enough to complete the streak."""
        return max(self.length, 10 * len(self.promise.allowed) if self.promise.cover else 0)

    @property
    def missing(self) -> str:
        """What is still missing; "" when settled."""
        if self.broken:
            return self.broken
        names = sorted(b.pod for b in self.promise.allowed if b.uid not in self.seen)
        if names and self.promise.cover:
            return f"{self.good} right answers in a row, none by {', '.join(names)}"
        return "" if self.good >= self.length else f"only {self.good} right answers in a row"

    def add(self, attempt: Attempt) -> str:
        """Count one attempt; what is missing now."""
        self.attempts += 1
        if self.promise.outcome is Outcome.ANSWERED:
            waited = (attempt.connect_us or 0) >= _HANGS_US
            waited |= attempt.outcome in (Outcome.TIMED_OUT, Outcome.NAME_FAILED)
            self.hangs = waited or (self.hangs and self.good > 0)
        self.is_lost = attempt.outcome is Outcome.UNKNOWN
        self.broken = self._wrong(attempt)
        if self.broken:
            is_name = self.promise.answers is not None
            self.is_stale = attempt.outcome is Outcome.ANSWERED and not is_name
            self.good = 0
            self.seen.clear()
        else:
            self.good += 1
            if attempt.backend is not None:
                self.seen.add(attempt.backend.uid)
        return self.missing

    def _wrong(self, attempt: Attempt) -> str:
        if attempt.outcome not in self.promise.outcomes:
            return f"a connection ended {attempt.outcome} ({attempt.detail or 'no detail'})"
        if attempt.outcome is not Outcome.ANSWERED:
            return ""
        if self.promise.answers is not None:
            due = {comparable(record) for record in self.promise.answers}
            said = {comparable(record) for record in attempt.answers}
            return "" if said == due else f"the answer {'; '.join(attempt.answers) or 'was empty'}"
        uids = {backend.uid for backend in self.promise.allowed}
        if attempt.backend is None or attempt.backend.uid not in uids:
            return f"an answer by {attempt.backend.pod if attempt.backend else 'nobody'}"
        if self.pinned and not self.seen <= {attempt.backend.uid}:
            return f"another backend than before: {attempt.backend.pod}"
        return "" if attempt.backend.pod == self.own_pod else self._wrong_source(attempt)

    def _wrong_source(self, attempt: Attempt) -> str:
        due, seen = self.promise, attempt.source_address
        if (due.sources and seen not in due.sources) or seen in due.not_sources:
            return f"a backend saw the source address {seen or '(not told)'}"
        return ""
