"""Has a pair settled? So many attempts in a row that gave what is due, by everybody due. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from svcproof.checkers.answers import comparable
from svcproof.expect import Promise
from svcproof.history import Attempt, Outcome

__all__ = ["Streak"]


@dataclass
class Streak:
    """Attempts in a row that gave what is due; ``length`` of them count as settled.

    ``pinned``: they must all come from one backend, whichever it is. ``own_pod`` is
    the client's own Pod: an answer by itself says nothing about source addresses.
    """

    due: Promise
    length: int
    pinned: bool = False
    own_pod: str = ""
    attempts: int = 0
    good: int = 0
    seen: set[str] = field(default_factory=set)
    broken: str = ""

    @property
    def batch(self) -> int:
        """How many attempts to make at once: likely enough to complete the streak."""
        return max(self.length, 10 * len(self.due.allowed) if self.due.cover else 0)

    @property
    def lacking(self) -> str:
        """What is still lacking; "" when settled."""
        if self.broken:
            return self.broken
        names = sorted(b.pod for b in self.due.allowed if b.uid not in self.seen)
        if names and self.due.cover:
            return f"{self.good} right answers in a row, none by {', '.join(names)}"
        return "" if self.good >= self.length else f"only {self.good} right answers in a row"

    def add(self, attempt: Attempt) -> str:
        """Count one attempt; what is lacking now."""
        self.attempts += 1
        self.broken = self._wrong(attempt)
        if self.broken:
            self.good = 0
            self.seen.clear()
        else:
            self.good += 1
            if attempt.backend is not None:
                self.seen.add(attempt.backend.uid)
        return self.lacking

    def _wrong(self, attempt: Attempt) -> str:
        if attempt.outcome not in self.due.outcomes:
            return f"a connection ended {attempt.outcome} ({attempt.detail or 'no detail'})"
        if attempt.outcome is not Outcome.ANSWERED:
            return ""
        if self.due.answers is not None:
            due = {comparable(record) for record in self.due.answers}
            said = {comparable(record) for record in attempt.answers}
            return "" if said == due else f"the answer {'; '.join(attempt.answers) or 'was empty'}"
        uids = {backend.uid for backend in self.due.allowed}
        if attempt.backend is None or attempt.backend.uid not in uids:
            return f"an answer by {attempt.backend.pod if attempt.backend else 'nobody'}"
        if self.pinned and not self.seen <= {attempt.backend.uid}:
            return f"another backend than before: {attempt.backend.pod}"
        return "" if attempt.backend.pod == self.own_pod else self._wrong_source(attempt)

    def _wrong_source(self, attempt: Attempt) -> str:
        due, seen = self.due, attempt.source_address
        if (due.sources and seen not in due.sources) or seen in due.not_sources:
            return f"a backend saw the source address {seen or '(not told)'}"
        return ""
