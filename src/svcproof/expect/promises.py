"""What a promise is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from svcproof.history import Backend, Outcome

__all__ = ["Promise"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """How connections must end and, when answered, by whom; and what the backend may see.

    Fields are those of :class:`~svcproof.history.Expectation`.
    """

    outcome: Outcome
    rule: str
    also: tuple[Outcome, ...] = ()
    allowed: tuple[Backend, ...] = ()
    cover: bool = True
    affinity_ms: int = 0
    sources: tuple[str, ...] = ()
    not_sources: tuple[str, ...] = ()
    answers: tuple[str, ...] | None = None
    rcode: str = ""

    def fields(self) -> dict[str, Any]:
        """The same as fields of an expectation."""
        return {name: getattr(self, name) for name in self.__slots__}

    @property
    def told(self) -> str:
        """How connections end and by whom, in words that are the same only for the same."""
        named = [f"{backend.pod} ({backend.uid})" for backend in self.allowed]
        who = ", ".join(sorted(self.answers if self.answers is not None else named))
        return f"{self.outcome.value} by {who or 'nobody'}"

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """Every ending that is as promised."""
        return (self.outcome, *self.also)
