"""Did every backend that should answer answer, and nobody else?

Identity is by Pod UID: a Pod's name can come back, its UID cannot. A reply from
outside this run (another run id, or none) is a *stranger*, a finding of its own:
it means that the address leads somewhere else altogether, not that the wrong
backend was chosen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from svcproof.history import Backend, Cell, History, Outcome
from svcproof.verdict import Finding, Status, Verdict, judged

if TYPE_CHECKING:
    from svcproof.attempts import Attempts

__all__ = ["NOT_CONNECTED", "describe", "responders", "rightful"]

#: Forms of address whose answers come from no backend.
NOT_CONNECTED: Final = frozenset({"dns", "health-check", "connect"})


def responders(history: History) -> Verdict:
    """In every cell exactly the allowed backends answer; none where none is allowed.

    A backend that never answered is a failure once there are as many answers
    as the cell's minimum, else inconclusive: with fewer it may be chance.
    Attempts of unknown outcome are no evidence. While a change is under way any
    backend of this run may answer, and a stranger still must not.
    """
    pairs = [
        (cell, after) for cell, after in history.successive if cell.target.form not in NOT_CONNECTED
    ]
    run = history.header.run
    findings = [finding for cell, after in pairs for finding in _judge(cell, after, run)]
    return judged(sum(_evidence(cell) for cell, _ in pairs), findings)


def _judge(cell: Cell, after: Cell | None, run: str) -> Iterator[Finding]:
    answers = cell.attempts.answered
    nameless = answers.where(~answers.answered_by(lambda _: True))
    if nameless:
        yield _nameless(cell, nameless)
    by_backend = _by_backend(answers)
    yield from _uninvited(cell, by_backend, run)
    if not cell.expectation.unsettled:
        yield from _absent(cell, [*by_backend, *_late(after)], run)


def _late(after: Cell | None) -> Iterable[Backend]:
    """Who answered after a cell's end what began in it: a slow backend did answer.

    Such attempts belong to the change that came meanwhile, since it may be what they met.
    """
    if after is None or not after.expectation.unsettled:
        return ()
    late = after.attempts.answered
    return _by_backend(late.where(late.at_ns < after.expectation.at_ns))


def _uninvited(cell: Cell, by_backend: Mapping[Backend, Attempts], run: str) -> Iterator[Finding]:
    for backend, attempts in by_backend.items():
        if backend.run != run:
            yield _stranger(cell, backend, attempts, run)
        elif not cell.expectation.unsettled and not rightful(backend, cell.promise.allowed):
            yield _wrong(cell, backend, attempts)


def _absent(cell: Cell, answered: Iterable[Backend], run: str) -> Iterator[Finding]:
    allowed = cell.promise.allowed
    seen = {rightful(backend, allowed) for backend in answered if backend.run == run}
    missing = [backend for backend in allowed if backend not in seen]
    if missing and (cell.promise.cover or len(missing) == len(allowed)):
        yield _missing(cell, missing, len(cell.attempts.answered))
    elif _evidence(cell) < cell.expectation.minimum:
        yield _too_few(cell, _evidence(cell))


def _by_backend(answers: Attempts) -> dict[Backend, Attempts]:
    """The answers of each Pod, in the order in which the Pods came up."""
    pods: dict[tuple[str, str, str], Backend] = {}
    for backend in answers.backends:
        if backend is not None:
            pods.setdefault(_identity(backend), backend)
    return {backend: _answers_of(who, answers) for who, backend in pods.items()}


def _answers_of(who: tuple[str, str, str], answers: Attempts) -> Attempts:
    return answers.where(answers.answered_by(lambda backend: _identity(backend) == who))


def _identity(backend: Backend) -> tuple[str, str, str]:
    return backend.uid, backend.pod, backend.run


def rightful(backend: Backend, among: Iterable[Backend]) -> Backend | None:
    """Which of those this one is: by UID, or by name if one side has no UID."""
    for allowed in among:
        if backend.uid and allowed.uid:
            if backend.uid == allowed.uid:
                return allowed
        elif backend.pod == allowed.pod:
            return allowed
    return None


def _evidence(cell: Cell) -> int:
    """Attempts that tell who answers: the answered, or any ending where nobody may answer."""
    if cell.promise.outcome is Outcome.ANSWERED:
        return len(cell.attempts.answered)
    return len(cell.attempts.known)


def _names(backends: list[Backend] | tuple[Backend, ...]) -> str:
    return ", ".join(sorted(describe(backend) for backend in backends)) or "nobody"


def describe(backend: Backend) -> str:
    """A backend in words."""
    return f"{backend.pod} on {backend.node}" if backend.node else backend.pod


def _missing(cell: Cell, missing: list[Backend], answers: int) -> Finding:
    enough = answers >= cell.expectation.minimum
    return Finding(
        status=Status.FAIL if enough else Status.INCONCLUSIVE,
        summary=f"never answered: {_names(missing)}"
        + ("" if enough else f" (but {answers} answers are too few to tell)"),
        where=cell.where,
        expected=f"answers by each of {_names(cell.promise.allowed)} "
        f"within {cell.expectation.minimum} connections",
        seen=f"{answers} answers, none by {_names(missing)}",
        indices=(cell.expectation.index,),
        remedy="look whether the EndpointSlices list the Pod as ready, whether the rules of "
        "the entered node have it, and whether the client's node reaches the Pod's",
    )


def _wrong(cell: Cell, backend: Backend, attempts: Attempts) -> Finding:
    return Finding(
        status=Status.FAIL,
        summary=f"answered by a Pod that should not get traffic: {describe(backend)}",
        where=cell.where,
        expected=f"answers only by {_names(cell.promise.allowed)}",
        seen=f"{len(attempts)} answers by {describe(backend)}",
        indices=attempts.indices,
        remedy="stale rules are the usual cause: look whether the entered node's kube-proxy is "
        "alive and has seen the last change of the EndpointSlices",
    )


def _stranger(cell: Cell, backend: Backend, attempts: Attempts, run: str) -> Finding:
    whose = f"run {backend.run!r}" if backend.run else "no run at all"
    return Finding(
        status=Status.FAIL,
        summary=f"a stranger answered: {describe(backend)}, of {whose}",
        where=cell.where,
        expected=f"answers only by Pods of this run, {run!r}",
        seen=f"{len(attempts)} answers by {describe(backend)} in namespace {backend.namespace!r}",
        indices=attempts.indices,
        remedy="the address leads to somebody else's Pods: look for another Service or host port "
        "with the same address, or an address range that is used twice",
        unconditional=True,
    )


def _nameless(cell: Cell, attempts: Attempts) -> Finding:
    return Finding(
        status=Status.FAIL,
        summary=f"a stranger answered: {len(attempts)} answers do not say by whom",
        where=cell.where,
        expected="each answer names its Pod, as the app under test does",
        seen=cell.first(attempts).detail or "an answer without an identity",
        indices=attempts.indices,
        remedy="the address leads to something else than the app, or the app was replaced by an "
        "image whose dialect the probe was not told of",
        unconditional=True,
    )


def _too_few(cell: Cell, evidence: int) -> Finding:
    return Finding(
        status=Status.INCONCLUSIVE,
        summary="too little evidence to say that only the right Pods answer",
        where=cell.where,
        expected=f"at least {cell.expectation.minimum} connections that tell",
        seen=str(evidence),
        indices=(cell.expectation.index,),
        remedy="see in the history how the other connections ended",
    )
