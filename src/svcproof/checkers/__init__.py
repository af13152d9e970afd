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
from svcproof.checkers.api import api
from svcproof.checkers.clients import clients
from svcproof.checkers.control import control, needs_control
from svcproof.checkers.convergence import convergence
from svcproof.checkers.crowd import asks_each, crowd
from svcproof.checkers.distribution import distribution
from svcproof.checkers.endpoints import endpoints
from svcproof.checkers.latency import latency
from svcproof.checkers.objects import objects
from svcproof.checkers.outages import limits_outages, outages
from svcproof.checkers.propagation import propagation
from svcproof.checkers.reachability import reachability
from svcproof.checkers.responders import NOT_CONNECTED, responders
from svcproof.checkers.sources import asks_for_sources, sources
from svcproof.checkers.steadiness import steadiness
from svcproof.checkers.stillness import undisturbed
from svcproof.deviations import excusing
from svcproof.events import (
    ApiAnswer,
    ClientMissing,
    Converged,
    EndpointsSeen,
    Event,
    NotConverged,
    ServiceAdmitted,
    ServiceChanged,
)
from svcproof.history import Cell, History, Outcome
from svcproof.verdict import Checker, Verdict, compose

__all__ = [
    "CHECKS",
    "affinity",
    "answers",
    "api",
    "checks_due",
    "clients",
    "control",
    "convergence",
    "crowd",
    "distribution",
    "endpoints",
    "judge",
    "judge_by",
    "latency",
    "objects",
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
        "objects": objects,
        "clients": clients,
        "convergence": convergence,
        "distribution": undisturbed(distribution),
        "affinity": undisturbed(affinity),
        "crowd": undisturbed(crowd),
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
    return judge_by(checks_due(history))(history)


def judge_by(checks: Mapping[str, Checker]) -> Checker:
    """One judge out of several checks, who knows of the history's known deviations."""
    return excusing(compose(checks))


def checks_due(history: History) -> dict[str, Checker]:
    """The checks that the evidence asks for; of no evidence: reachability, which will not pass."""
    return {name: CHECKS[name] for name in CHECKS if name not in _DUE or _DUE[name](history)}


def _events(*kinds: type[Event]) -> Callable[[History], bool]:
    return lambda history: any(isinstance(event, kinds) for event in history.events)


def _expected(asks: Callable[[Cell], bool]) -> Callable[[History], bool]:
    return lambda history: any(asks(cell) for cell in history.cells)


def _is_connected(history: History) -> bool:
    return any(cell.target.form not in NOT_CONNECTED for cell in history.cells)


def _is_timed(history: History) -> bool:
    """Whether there is a connection whose making took a time that is known."""
    return any(
        cell.target.protocol == "tcp"
        and cell.target.form not in NOT_CONNECTED
        and cell.promise.outcome is Outcome.ANSWERED
        and (cell.attempts.connect_us >= 0).any()
        for cell in history.cells
    )


_asked_the_api: Final = _events(ApiAnswer)

#: When a check is due; one that is not here always is.
_DUE: Final[Mapping[str, Callable[[History], bool]]] = MappingProxyType(
    {
        # Without any connection at all only the API server can have been the subject.
        "reachability": lambda history: bool(history.cells) or not _asked_the_api(history),
        "responders": _is_connected,
        "endpoints": _events(EndpointsSeen),
        "objects": _events(ServiceAdmitted, ServiceChanged),
        "clients": _events(ClientMissing),
        "convergence": _events(Converged, NotConverged),
        "distribution": _expected(lambda cell: bool(cell.expectation.choice)),
        "affinity": _expected(lambda cell: cell.expectation.affinity in ("pin", "keep", "redraw")),
        "crowd": _expected(asks_each),
        "sources": _expected(asks_for_sources),
        "control": _expected(needs_control),
        "answers": _expected(lambda cell: cell.promise.answers is not None),
        "api": _events(ApiAnswer),
        "outages": _expected(limits_outages),
        "steadiness": _expected(lambda cell: cell.expectation.rate > 0),
        "propagation": _expected(lambda cell: cell.expectation.unsettled),
        "latency": _is_timed,
    }
)
