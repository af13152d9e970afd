"""Did the data plane settle before it was measured?

A pair that never gave the wanted answers in a row within the limit is measured
all the same: what the measurement shows is a verdict. When it shows nothing
wrong, the two contradict each other, and the result is inconclusive.
"""

from __future__ import annotations

from svcproof.events import Converged, NotConverged, SettledLate
from svcproof.history import History
from svcproof.verdict import Finding, Status, Verdict, judged

__all__ = ["convergence"]

_REMEDY = (
    "routing that is right now and then is not right: look at the kube-proxy of the entered node; "
    "on a slow machine raise Limits.convergence"
)


def convergence(history: History) -> Verdict:
    """Every wait for the data plane ended in time, or what was waited for was right soon after.

    Then the measurement alone decides: wrong connections are those of a pair that was late
    (:func:`~svcproof.checkers.stillness.undisturbed`).
    """
    waits = [event for event in history.events if isinstance(event, Converged | NotConverged)]
    late = {
        (event.position, event.target): event.index
        for event in history.events
        if isinstance(event, SettledLate)
    }
    return judged(
        len(waits),
        [
            _unsettled(event)
            for event in waits
            if isinstance(event, NotConverged)
            and late.get((event.position, event.target), -1) < event.index
        ],
    )


def _unsettled(event: NotConverged) -> Finding:
    return Finding(
        status=Status.INCONCLUSIVE,
        summary=f"did not settle within {event.limit_seconds} s",
        where=f"{event.position} → {event.target}",
        expected="the state that is due, steadily",
        seen=event.last_state,
        indices=(event.index,),
        remedy=event.remedy or _REMEDY,
    )
