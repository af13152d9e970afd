"""Did every answer say what it must? DNS records and health checks, compared as sets.

An SRV record's priority and weight are left out of the comparison: the cluster
DNS chooses them (Kubernetes DNS-Based Service Discovery, section 2.3).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from svcproof.history import Cell, History, Observation, Outcome
from svcproof.verdict import Fact, Finding, Status, Verdict, judged

__all__ = ["answers", "comparable"]


def answers(history: History) -> Verdict:
    """Every answer of the cells that ask for it says exactly what is due."""
    cells = [
        cell
        for cell in history.cells
        if cell.promise.answers is not None and not cell.expectation.unsettled
    ]
    return judged(
        sum(len(cell.attempts.known) for cell in cells),
        [found for cell in cells for found in _judge(cell)],
        [_fact(cell) for cell in cells],
    )


def comparable(record: str) -> str:
    """A record without what its server is free to choose."""
    owner, _, rest = record.partition(" ")
    if not rest.startswith("SRV "):
        return record
    return " ".join([owner, "SRV", *rest.split()[3:]])


def _told(cell: Cell) -> tuple[Observation, ...]:
    return cell.each(cell.attempts.known)


def _judge(cell: Cell) -> Iterator[Finding]:
    due = {comparable(record) for record in cell.promise.answers or ()}
    wrong: dict[str, list[Observation]] = defaultdict(list)
    for entry in _told(cell):
        if entry.outcome is Outcome.ANSWERED:
            if {comparable(record) for record in entry.answers} != due:
                wrong[_listed(entry.answers)].append(entry)
        elif entry.rcode and cell.promise.rcode and entry.rcode != cell.promise.rcode:
            wrong[f"{entry.outcome} {entry.rcode}".strip()].append(entry)
    for seen, entries in wrong.items():
        yield Finding(
            status=Status.FAIL,
            summary=f"{len(entries)} of {len(_told(cell))} answers are wrong: {seen}",
            where=cell.where,
            expected=cell.promise.rcode or _listed(sorted(due)),
            seen=seen,
            indices=tuple(entry.index for entry in entries),
            remedy=_REMEDIES.get(cell.target.form, ""),
        )


_REMEDIES = {
    "dns": "compare the Service's spec and EndpointSlices with what CoreDNS says to "
    "`dig +search`, and look whether CoreDNS has seen the last change (its cache, its log)",
    "health-check": "compare the EndpointSlices with the node's kube-proxy: it serves this port",
    "connect": "compare the EndpointSlices with what listens there, and look at the way to it",
}


def _listed(records: object) -> str:
    return "; ".join(records) if isinstance(records, list | tuple) and records else "no record"


def _fact(cell: Cell) -> Fact:
    said = {_listed(entry.answers) if entry.answers else entry.rcode for entry in _told(cell)}
    return Fact("answer", " | ".join(sorted(said)) or "none", cell.where)
