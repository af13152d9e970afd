"""Does each of many clients of a sticky Service keep its Pod?

A data plane remembers a limited number of clients. Where that is known and there are no more,
nobody may be forgotten; with more of them how many were is a property, and told.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Final

from svcproof.history import Cell, History
from svcproof.verdict import Fact, Finding, Status, Verdict, judged

__all__ = ["asks_each", "crowd"]

#: A client's address → who answered it, and where that is written down.
_Answers = dict[str, list[tuple[str, int]]]

#: Such a share of the clients says how all of them fare.
_ENOUGH: Final = 0.9


def crowd(history: History) -> Verdict:
    """In every cell that asks for it each client address has one Pod."""
    asked = [
        (cell, pods, _moved(pods))
        for cell in history.cells
        if asks_each(cell)
        for pods in [_pods_of_clients(cell)]
    ]
    return judged(
        sum(len(pods) for _, pods, _ in asked),
        [finding for cell, pods, moved in asked for finding in _judge(cell, pods, moved)],
        [_fact(cell, len(pods), len(moved)) for cell, pods, moved in asked if pods],
    )


def asks_each(cell: Cell) -> bool:
    """Whether a cell is about many clients."""
    return cell.expectation.affinity == "each"


def _pods_of_clients(cell: Cell) -> _Answers:
    """Each client that was answered twice → who answered it (a Pod's UID, or else its name), and
    where that is written down."""
    answers: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for each in cell.choices:
        if each.backend is not None:
            who = each.backend.uid or each.backend.pod
            answers[_host(each.local_address)].append((who, each.index))
    return {client: found for client, found in answers.items() if client and len(found) > 1}


def _host(address: str) -> str:
    """The address of ``10.0.0.1:80``, ``[fd00::1]:80``, or one without a port."""
    if address.startswith("["):
        return address[1:].partition("]")[0]
    return address.partition(":")[0] if address.count(":") == 1 else address


def _moved(pods: _Answers) -> list[str]:
    return [client for client, found in pods.items() if len({uid for uid, _ in found}) > 1]


def _judge(cell: Cell, pods: _Answers, moved: list[str]) -> Iterator[Finding]:
    remembered = cell.promise.affinity_clients
    clients = ip_network(cell.target.source_range or "0.0.0.0/32").num_addresses
    if len(pods) < _ENOUGH * clients:
        yield Finding(
            status=Status.INCONCLUSIVE,
            summary=f"{len(pods)} of {clients} clients were answered twice: too few to tell",
            where=cell.where,
            expected="two answers for each client at least",
            seen=f"{len(cell.attempts.choices)} answers",
            indices=(cell.expectation.index,),
            remedy="see in the history how the other connections ended",
        )
    if moved and len(pods) <= remembered:
        yield Finding(
            status=Status.FAIL,
            summary=f"{len(moved)} of {len(pods)} clients changed their Pod",
            where=cell.where,
            expected=f"each keeps its Pod: the data plane remembers {remembered:,} of each Pod",
            seen=f"among others {', '.join(moved[:3])}",
            indices=tuple(index for client in moved for _, index in pods[client]),
            remedy="look whether the rules of the entered node remember clients at all (xt_recent "
            "lists, nftables affinity sets), and how many: ip_list_tot, the set's size",
        )


def _fact(cell: Cell, clients: int, moved: int) -> Fact:
    remembered = cell.promise.affinity_clients
    limit = f"; {remembered:,} of each Pod are remembered" if remembered else ""
    return Fact(
        "sticky clients",
        f"{clients - moved} of {clients} kept their Pod{limit}",
        cell.where,
        float(moved),
    )
