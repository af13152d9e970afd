"""What each client saw of each address, reduced to rows: the evidence that a culprit is found by.

One row for each :class:`~svcproof.history.Cell`: who dialled what, what was promised,
how the connections ended, and what each backend had to do with it. Histories are
read here only; whatever looks at a whole run looks at these rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from operator import eq
from typing import Final

import msgspec

from svcproof.checkers.crowd import asks_each
from svcproof.checkers.responders import NOT_CONNECTED, rightful
from svcproof.events import EndpointsSeen
from svcproof.history import Cell, History, Outcome
from svcproof.verdict import Finding, Status, Verdict, worst

__all__ = ["BackendLine", "CellLine", "EndpointsLine", "cell_lines", "endpoints_lines"]


class BackendLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A Pod that had to answer, or did: how many connections, and how many of those were odd.

    ``slow``: it took a second SYN. ``wrong_source``: it saw an address that the rule forbids.
    """

    pod: str
    node: str = ""
    namespace: str = ""
    expected: bool = True
    answers: int = 0
    slow: int = 0
    wrong_source: int = 0


class CellLine(msgspec.Struct, frozen=True, kw_only=True):
    """What one client saw of one address under one promise.

    ``kind``, ``node`` and ``client`` (its Pod) are the client's; ``form``, ``entry_node``,
    ``service``, ``port``, ``protocol``, ``family``, ``server_pod`` and ``payload`` (bytes;
    0: a few) the address's (:class:`~svcproof.history.Target`). ``verdict`` is what the findings
    say of it, ``checks`` what each check says that was asked of it. ``promised`` is how
    connections had to end, ``endings`` how they did, each with their number. ``minimum`` is the
    sample that
    had to be made; ``covered``: each of the expected backends had to answer. ``lacking``: the DNS
    was asked for a kind of record that the name, rightly, does not have.
    """

    kind: str
    node: str
    form: str
    entry_node: str
    judged: int
    failed: int
    verdict: str
    client: str = ""
    service: str = ""
    port: str = ""
    protocol: str = "tcp"
    family: str = "ipv4"
    payload: int = 0
    server_pod: str = ""
    promised: tuple[str, ...] = ()
    endings: dict[str, int] = {}
    minimum: int = 0
    covered: bool = True
    lacking: bool = False
    backends: tuple[BackendLine, ...] = ()
    checks: dict[str, str] = {}


class EndpointsLine(msgspec.Struct, frozen=True, kw_only=True):
    """A Service's EndpointSlices against its ready Pods, each as ``name address``."""

    service: str
    listed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()


def cell_lines(history: History, verdict: Verdict) -> tuple[CellLine, ...]:
    """Every cell of a history as a row, with what the verdict's findings say of it."""
    about = _findings_by_cell(history.cells, verdict.findings)
    run = history.header.run
    return tuple(_cell_line(cell, about.get(n, ()), run) for n, cell in enumerate(history.cells))


def endpoints_lines(history: History) -> tuple[EndpointsLine, ...]:
    """What was seen of each Service's EndpointSlices, what is wrong first; each once."""
    lines: dict[EndpointsLine, None] = {}
    for event in history.events:
        if isinstance(event, EndpointsSeen):
            listed, ready = set(event.listed), set(event.ready)
            line = EndpointsLine(
                service=event.service,
                listed=tuple(sorted(ready & listed)),
                missing=tuple(sorted(ready - listed)),
                unexpected=tuple(sorted(listed - ready)),
            )
            lines.setdefault(line)
    return tuple(sorted(lines, key=lambda line: not (line.missing or line.unexpected)))


def _findings_by_cell(
    cells: Sequence[Cell], findings: Sequence[Finding]
) -> Mapping[int, list[Finding]]:
    """Which findings are about a cell: those that name an entry of it, or by its words."""
    named = {index for found in findings for index in found.indices}
    inside = {cell.expectation.index: number for number, cell in enumerate(cells)}
    for number, cell in enumerate(cells) if named else ():
        inside |= {index: number for index in cell.attempts.indices if index in named}
    by_cell: dict[int, list[Finding]] = defaultdict(list)
    for found in findings:
        numbers = {inside[index] for index in found.indices if index in inside}
        if not found.indices:
            numbers = {n for n, cell in enumerate(cells) if cell.where == found.where}
        for number in numbers:
            by_cell[number].append(found)
    return by_cell


def _cell_line(cell: Cell, findings: Sequence[Finding], run: str) -> CellLine:
    position, target, promise = cell.position, cell.target, cell.promise
    endings = {outcome.value: count for outcome, count in cell.attempts.endings.items()}
    promised = tuple(outcome.value for outcome in promise.outcomes)
    return CellLine(
        kind=position.kind,
        node=position.node,
        client=position.pod,
        form=target.form,
        entry_node=target.entry_node,
        service=target.service,
        port=target.port_name,
        protocol="tcp" if _is_long(promise.answers or ()) else target.protocol,
        family=target.family,
        payload=cell.expectation.payload,
        server_pod=target.server_pod,
        judged=len(cell.attempts),
        failed=sum(n for ended, n in endings.items() if ended not in (*promised, _UNKNOWN)),
        promised=promised,
        endings=endings,
        minimum=cell.expectation.minimum,
        covered=promise.cover and not cell.expectation.unsettled,
        lacking=promise.outcome is Outcome.ANSWERED
        and promise.answers is not None
        and _is_lacking(target.query, promise.answers),
        backends=tuple(_backend_lines(cell, findings, run)),
        verdict=worst([Status.PASS, *(found.status for found in findings)]).word,
        checks={
            check: worst(
                [Status.PASS, *(found.status for found in findings if _is_by(check, found))]
            ).word
            for check in _asked(cell)
        },
    )


def _is_lacking(query: str, records: Sequence[str]) -> bool:
    """Whether none of these records (``name TYPE data``) is of the type that was asked for."""
    return bool(query) and all(record.split()[1] != query for record in records)


def _is_long(records: Sequence[str]) -> bool:
    """Whether a DNS answer fits into no datagram (512 bytes without EDNS, RFC 1035), so that it
    travels by TCP in the end; as text it is not half as long again."""
    return sum(map(len, records)) > _LONG_ANSWER


_LONG_ANSWER: Final = 1024
_UNKNOWN: Final = Outcome.UNKNOWN.value


def _asked(cell: Cell) -> Iterator[str]:
    """The checks that are asked of this cell, of those that more than its endings tell."""
    due, promise = cell.expectation, cell.promise
    if cell.target.form not in NOT_CONNECTED:
        yield "responders"
    if promise.answers is not None:
        yield "answers"
    if (promise.sources or promise.not_sources) and not due.unsettled:
        yield "sources"
    if due.choice:
        yield "distribution"
    if due.affinity:
        yield "crowd" if asks_each(cell) else "affinity"


def _backend_lines(cell: Cell, findings: Sequence[Finding], run: str) -> Iterator[BackendLine]:
    """The Pods that had to answer, and those that did; none of what is not dialled.

    A stranger that the EndpointSlices list is not one that had to answer.
    """
    if cell.target.form in NOT_CONNECTED:
        return
    slow, wrong_source = (_named_by(check, findings) for check in ("latency", "sources"))
    allowed, choices = cell.promise.allowed, cell.attempts.choices
    silent = list(allowed)
    for backend, count in choices.backends.items():
        if backend is None:
            continue
        expected = rightful(backend, allowed)
        if expected in silent:
            silent.remove(expected)
        indices: set[int] = set()
        if slow or wrong_source:
            answers = choices.where(choices.answered_by(partial(eq, backend)))
            indices.update(answers.indices)
        yield BackendLine(
            pod=(expected or backend).pod,
            node=(expected or backend).node,
            namespace=(expected or backend).namespace,
            expected=backend.run == run and (expected is not None or cell.expectation.unsettled),
            answers=count,
            slow=len(indices & slow),
            wrong_source=len(indices & wrong_source),
        )
    for backend in silent:
        yield BackendLine(pod=backend.pod, node=backend.node, namespace=backend.namespace)


def _named_by(check: str, findings: Sequence[Finding]) -> set[int]:
    return {i for found in findings if _is_by(check, found) for i in found.indices}


def _is_by(check: str, found: Finding) -> bool:
    return found.summary.startswith(f"{check}: ")
