"""Judges: pure functions of a history, each with one question."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from svcproof.checkers.convergence import convergence
from svcproof.checkers.endpoints import endpoints
from svcproof.checkers.reachability import reachability
from svcproof.checkers.responders import responders

__all__ = ["DEFAULT_CHECKS", "convergence", "endpoints", "reachability", "responders"]

#: What every measured case is asked, unless its test says otherwise.
DEFAULT_CHECKS: Final = MappingProxyType(
    {
        "reachability": reachability,
        "responders": responders,
        "endpoints": endpoints,
        "convergence": convergence,
    }
)
