"""Making connections from a place: each prober turns a plan into attempts.

All speak the vocabulary of :class:`~svcproof.history.Outcome` and pass
``tests/contract/test_probers.py``. What a prober loses of its own is
``unknown``, never a word about the network.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Protocol

from svcproof.history import Attempt, Position
from svcproof.ports import ProbePlan

__all__ = ["OutsideClient", "Prober"]


class Prober(Protocol):
    """A client at one place."""

    def probe(self, plan: ProbePlan) -> Generator[Attempt, None, None]:
        """Yield exactly ``plan.count`` attempts, each as it ends; never raise for any of them."""
        ...


@dataclass(frozen=True)
class OutsideClient:
    """A place outside the cluster, and the prober that runs there."""

    position: Position
    prober: Prober
