"""What a promise is."""

from __future__ import annotations

from dataclasses import dataclass

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

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """Every ending that is as promised."""
        return (self.outcome, *self.also)
