"""Did every attempt end as the rules promise? One lost connection is a failure.

There is no tolerance: a Service has no error budget, and upstream's retries are
how a backend that eats every third connection passes there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator
from typing import TYPE_CHECKING

from svcproof.checkers.busyness import seconds_busy, seconds_resolving
from svcproof.checkers.outages import limits_outages
from svcproof.history import Cell, History, Outcome
from svcproof.verdict import Fact, Finding, Status, Verdict, judged

if TYPE_CHECKING:
    from svcproof.attempts import Attempts

__all__ = ["reachability"]

_REMEDIES = {
    Outcome.REFUSED: "a refusal means no usable endpoint in the rules of the node that was "
    "entered, or nothing listening in the Pod: compare the EndpointSlices with the Pods",
    Outcome.TIMED_OUT: "silence means a rule that leads to an address where nothing lives, a "
    "policy that drops, or a broken path between nodes: see which backends never answered",
    Outcome.RESET: "the connection was made and then cut: look at the log of the backend",
    Outcome.UNREACHABLE: "no route: look for the kube-proxy of the entered node, whose rules "
    "are missing, and at the routes of the client's node",
    Outcome.NAME_FAILED: "the name did not resolve at the client: look at CoreDNS and at the "
    "client's /etc/resolv.conf",
    Outcome.ANSWERED: "something answered where nothing may: look at who, in the history",
    Outcome.UNKNOWN: "the harness lost these attempts, they prove nothing: the history says "
    "why; run again",
}


def reachability(history: History) -> Verdict:
    """Every attempt of every cell has the expected outcome.

    Attempts of unknown outcome, and cells with fewer attempts than their
    minimum, are inconclusive. Where an outage is allowed, how long it was is the
    question of :func:`~svcproof.checkers.outages.outages`.
    """
    cells = history.cells
    findings = [finding for cell in cells for finding in _judge(cell, history)]
    return judged(sum(len(cell.attempts) for cell in cells), findings, _largest(cells))


def _largest(cells: Iterable[Cell]) -> Iterator[Fact]:
    """Of each pair that was asked for several sizes the largest that passes."""
    sizes: dict[str, dict[int, bool]] = defaultdict(dict)
    for cell in cells:
        if cell.expectation.payload:
            passes = set(cell.attempts.endings) <= set(cell.promise.outcomes)
            sizes[cell.where][cell.expectation.payload] = passes
    for where, asked in sizes.items():
        if len(asked) > 1:
            largest = max((size for size, passes in asked.items() if passes), default=0)
            said = f"{largest:,} bytes each way" if largest else "none"
            yield Fact("largest size that passes", said, where, largest)


_LATE_REFUSALS = (
    "beside refusals, silence can be refusals that came too late: the kernel sends six ICMP "
    "errors at once and then one a second. "
)


_BUSY = (
    "the server was reached and had no processor time, or who asked had none: run it again on "
    "machines that have some"
)


def _judge(cell: Cell, history: History) -> Iterator[Finding]:
    total = len(cell.attempts)
    unexpected = _unexpected(cell)
    for outcome, attempts in unexpected.items():
        busy = _busy(cell, history, outcome, attempts)
        proves_nothing = outcome is Outcome.UNKNOWN or busy is not None
        yield Finding(
            status=Status.INCONCLUSIVE if proves_nothing else Status.FAIL,
            summary=f"{len(attempts)} of {total} connections {_said(outcome, busy)}",
            where=cell.where,
            expected=f"every connection{_size(cell)} "
            f"{' or '.join(cell.promise.outcomes)}{_because(cell)}",
            seen=_counts(cell, attempts),
            indices=attempts.indices,
            remedy=_BUSY if busy is not None else _remedy(outcome, unexpected),
        )
    if total < cell.expectation.minimum:
        yield Finding(
            status=Status.INCONCLUSIVE,
            summary="too few connections to decide",
            where=cell.where,
            expected=f"at least {cell.expectation.minimum} connections",
            seen=str(total),
            indices=(cell.expectation.index,),
            remedy="see in the history why the client stopped, and run again",
        )


def _busy(cell: Cell, history: History, outcome: Outcome, attempts: Attempts) -> float | None:
    """Seconds that others had to wait, where a busy server explains what ended so."""
    if outcome is Outcome.NAME_FAILED or (outcome is Outcome.TIMED_OUT and cell.target.query):
        return seconds_resolving(history, cell, attempts)
    # Large packets may be lost where small ones pass, and nothing else shows it.
    if outcome is Outcome.TIMED_OUT and not cell.expectation.payload:
        return seconds_busy(history, attempts)
    return None


def _remedy(outcome: Outcome, beside: Container[Outcome]) -> str:
    late = outcome is Outcome.TIMED_OUT and Outcome.REFUSED in beside
    return (_LATE_REFUSALS if late else "") + _REMEDIES[outcome]


def _unexpected(cell: Cell) -> dict[Outcome, Attempts]:
    attempts, expected = cell.attempts, cell.promise.outcomes
    return {
        outcome: attempts.where(attempts.ended(outcome))
        for outcome in attempts.endings
        if outcome not in expected and (outcome is Outcome.UNKNOWN or not limits_outages(cell))
    }


def _because(cell: Cell) -> str:
    return f" ({cell.promise.rule})" if cell.promise.rule else ""


def _size(cell: Cell) -> str:
    payload = cell.expectation.payload
    return f" of {payload:,} bytes each way" if payload else ""


def _said(outcome: Outcome, busy: float | None) -> str:
    if busy is not None and outcome is Outcome.NAME_FAILED:
        return f"had no answer about the name in time, while others waited {busy:.1f} s for theirs"
    if busy is not None:
        return f"were made and had no reply in time, while others waited {busy:.1f} s for theirs"
    return "could not be told" if outcome is Outcome.UNKNOWN else f"ended {outcome}"


def _counts(cell: Cell, attempts: Attempts) -> str:
    endings = cell.attempts.endings.items()
    text = ", ".join(f"{number} {outcome}" for outcome, number in endings)
    detail = cell.first(attempts).detail
    return f"{text} ({detail})" if detail else text
