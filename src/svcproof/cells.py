"""What each client saw of each address, reduced to rows: the evidence that a culprit is found by.

One row for each :class:`~svcproof.history.Cell`: who dialled what, what was promised,
how the connections ended, and what each backend had to do with it. Histories are
read here only; whatever looks at a whole run looks at these rows.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from svcproof.checkers.endpoints import ENDPOINTS
from svcproof.checkers.responders import NOT_CONNECTED, rightful
from svcproof.history import Cell, Expectation, History, Observation, Outcome
from svcproof.verdict import Finding, Status, Verdict, worst

__all__ = ["BackendLine", "CellLine", "EndpointsLine", "cell_lines", "endpoints_lines"]


class BackendLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A Pod that had to answer, or did: how many connections, and how many of those were odd.

    ``slow``: it took a second SYN. ``wrong_source``: it saw an address that the rule forbids.
    """

    pod: str
    node: str = ""
    expected: bool = True
    answers: int = 0
    slow: int = 0
    wrong_source: int = 0


class CellLine(msgspec.Struct, frozen=True, kw_only=True):
    """What one client saw of one address under one promise.

    ``kind``, ``node`` and ``client`` (its Pod) are the client's; ``form``, ``entry_node``,
    ``service``, ``port``, ``protocol``, ``family`` and ``payload`` (bytes; 0: a few) the
    address's (:class:`~svcproof.history.Target`). ``verdict`` is what the findings say of it,
    ``checks`` what each check says that was asked of it. ``promised`` is how connections had
    to end, ``endings`` how they did, each with their number. ``minimum`` is the sample that
    had to be made; ``covered``: each of the expected backends had to answer.
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
    promised: tuple[str, ...] = ()
    endings: dict[str, int] = {}
    minimum: int = 0
    covered: bool = True
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
        if event.kind == ENDPOINTS:
            listed, due = (set(map(str, _list(event.facts[name]))) for name in ("listed", "due"))
            line = EndpointsLine(
                service=str(event.facts.get("service", "")),
                listed=tuple(sorted(due & listed)),
                missing=tuple(sorted(due - listed)),
                unexpected=tuple(sorted(listed - due)),
            )
            lines.setdefault(line)
    return tuple(sorted(lines, key=lambda line: not (line.missing or line.unexpected)))


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _findings_by_cell(
    cells: Sequence[Cell], findings: Sequence[Finding]
) -> Mapping[int, list[Finding]]:
    """Which findings are about a cell: those that name an entry of it, or by its words."""
    named = {index for found in findings for index in found.indices}
    inside: dict[int, int] = {}
    for number, cell in enumerate(cells):
        inside |= {o.index: number for o in cell.observations if o.index in named}
        inside[cell.expectation.index] = number
    by_cell: dict[int, list[Finding]] = defaultdict(list)
    for found in findings:
        numbers = {inside[index] for index in found.indices if index in inside}
        if not found.indices:
            numbers = {n for n, cell in enumerate(cells) if cell.where == found.where}
        for number in numbers:
            by_cell[number].append(found)
    return by_cell


def _cell_line(cell: Cell, findings: Sequence[Finding], run: str) -> CellLine:
    position, target, due = cell.position, cell.target, cell.expectation
    endings = Counter(attempt.outcome.value for attempt in cell.observations)
    expected = {outcome.value for outcome in due.outcomes}
    return CellLine(
        kind=position.kind,
        node=position.node,
        client=position.pod,
        form=target.form,
        entry_node=target.entry_node,
        service=target.service,
        port=target.port_name,
        protocol=target.protocol,
        family=target.family,
        payload=getattr(target, "payload", 0),
        judged=len(cell.observations),
        failed=sum(n for ended, n in endings.items() if ended not in (*expected, _UNKNOWN)),
        promised=tuple(outcome.value for outcome in due.outcomes),
        endings=dict(endings),
        minimum=due.minimum,
        covered=due.cover and not due.unsettled,
        backends=tuple(_backend_lines(cell, findings, run)),
        verdict=worst([Status.PASS, *(found.status for found in findings)]).word,
        checks={
            check: worst(
                [Status.PASS, *(found.status for found in findings if _is_by(check, found))]
            ).word
            for check in _asked(cell)
        },
    )


_UNKNOWN: Final = Outcome.UNKNOWN.value


def _asked(cell: Cell) -> Iterator[str]:
    """The checks that are asked of this cell, of those that more than its endings tell."""
    due: Expectation = cell.expectation
    if cell.target.form not in NOT_CONNECTED:
        yield "responders"
    if due.answers is not None:
        yield "answers"
    if (due.sources or due.not_sources) and not due.unsettled:
        yield "sources"
    if due.choice:
        yield "distribution"
    if due.affinity:
        yield "affinity"


def _backend_lines(cell: Cell, findings: Sequence[Finding], run: str) -> Iterator[BackendLine]:
    """The Pods that had to answer, and those that did; none of what is not dialled.

    A stranger that the EndpointSlices list is not one that had to answer.
    """
    if cell.target.form in NOT_CONNECTED:
        return
    slow, wrong_source = (_named_by(check, findings) for check in ("latency", "sources"))
    answers: dict[tuple[str, str], list[Observation]] = defaultdict(list)
    for entry in cell.choices:
        if entry.backend is not None:
            answers[entry.backend.uid, entry.backend.pod].append(entry)
    silent = list(cell.expectation.allowed)
    for entries in answers.values():
        backend = entries[0].backend
        if backend is None:
            continue
        expected = rightful(backend, cell.expectation.allowed)
        if expected in silent:
            silent.remove(expected)
        indices = {entry.index for entry in entries}
        yield BackendLine(
            pod=(expected or backend).pod,
            node=(expected or backend).node,
            expected=backend.run == run and (expected is not None or cell.expectation.unsettled),
            answers=len(entries),
            slow=len(indices & slow),
            wrong_source=len(indices & wrong_source),
        )
    yield from (BackendLine(pod=backend.pod, node=backend.node) for backend in silent)


def _named_by(check: str, findings: Sequence[Finding]) -> set[int]:
    return {i for found in findings if _is_by(check, found) for i in found.indices}


def _is_by(check: str, found: Finding) -> bool:
    return found.summary.startswith(f"{check}: ")
