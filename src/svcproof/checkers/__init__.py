"""Judges: pure functions of a history, each with one question.

Which of them are due follows from the evidence itself: an expectation that says
how a backend is chosen asks for the shares, one that names a control asks for
the control. So a test cannot forget a question, and a saved history is judged
again by the same checks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from svcproof.checkers.affinity import affinity
from svcproof.checkers.answers import answers
from svcproof.checkers.api import API_ANSWER, api
from svcproof.checkers.control import control, needs_control
from svcproof.checkers.convergence import CONVERGED, NOT_CONVERGED, convergence
from svcproof.checkers.distribution import distribution
from svcproof.checkers.endpoints import ENDPOINTS, endpoints
from svcproof.checkers.latency import latency
from svcproof.checkers.outages import outages
from svcproof.checkers.propagation import propagation
from svcproof.checkers.reachability import reachability
from svcproof.checkers.responders import NOT_CONNECTED, responders
from svcproof.checkers.sources import sources
from svcproof.checkers.steadiness import steadiness
from svcproof.checkers.stillness import undisturbed
from svcproof.history import Expectation, History, Outcome
from svcproof.verdict import Checker, Verdict, compose

__all__ = [
    "CHECKS",
    "affinity",
    "answers",
    "api",
    "checks_due",
    "control",
    "convergence",
    "distribution",
    "endpoints",
    "judge",
    "latency",
    "outages",
    "propagation",
    "reachability",
    "responders",
    "sources",
    "steadiness",
]

#: Every check by its name.
CHECKS: Final[Mapping[str, Checker]] = MappingProxyType(
    {
        "reachability": undisturbed(reachability),
        "responders": undisturbed(responders),
        "endpoints": endpoints,
        "convergence": convergence,
        "distribution": undisturbed(distribution),
        "affinity": undisturbed(affinity),
        "sources": undisturbed(sources),
        "control": control,
        "answers": undisturbed(answers),
        "api": api,
        "outages": outages,
        "steadiness": steadiness,
        "propagation": propagation,
        "latency": latency,
    }
)


def judge(history: History) -> Verdict:
    """The verdict of all checks that are due."""
    return compose(checks_due(history))(history)


def checks_due(history: History) -> dict[str, Checker]:
    """The checks that the evidence asks for; of no evidence: reachability, which will not pass."""
    return {name: CHECKS[name] for name in CHECKS if name not in _DUE or _DUE[name](history)}


def _events(*kinds: str) -> Callable[[History], bool]:
    return lambda history: any(event.kind in kinds for event in history.events)


def _expected(asks: Callable[[Expectation], bool]) -> Callable[[History], bool]:
    return lambda history: any(asks(cell.expectation) for cell in history.cells)


def _is_connected(history: History) -> bool:
    return any(cell.target.form not in NOT_CONNECTED for cell in history.cells)


def _is_timed(history: History) -> bool:
    """Whether there is a connection whose making took a time that is known."""
    return any(
        cell.target.protocol == "tcp"
        and cell.target.form not in NOT_CONNECTED
        and cell.expectation.outcome is Outcome.ANSWERED
        and any(entry.connect_us is not None for entry in cell.observations)
        for cell in history.cells
    )


_asked_the_api: Final = _events(API_ANSWER)

#: When a check is due; one that is not here always is.
_DUE: Final[Mapping[str, Callable[[History], bool]]] = MappingProxyType(
    {
        # Without any connection at all only the API server can have been the subject.
        "reachability": lambda history: bool(history.cells) or not _asked_the_api(history),
        "responders": _is_connected,
        "endpoints": _events(ENDPOINTS),
        "convergence": _events(CONVERGED, NOT_CONVERGED),
        "distribution": _expected(lambda expectation: bool(expectation.choice)),
        "affinity": _expected(lambda expectation: bool(expectation.affinity)),
        "sources": _expected(lambda e: bool(e.sources or e.not_sources) and not e.unsettled),
        "control": lambda history: any(needs_control(cell) for cell in history.cells),
        "answers": _expected(lambda expectation: expectation.answers is not None),
        "api": _events(API_ANSWER),
        "outages": _expected(lambda e: (e.outage_ms, e.trouble_ms) != (None, None)),
        "steadiness": _expected(lambda expectation: expectation.rate > 0),
        "propagation": _expected(lambda expectation: expectation.unsettled),
        "latency": _is_timed,
    }
)
