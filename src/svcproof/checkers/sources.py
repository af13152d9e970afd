"""Which address did the backend see? Policy Local keeps the client's, Cluster rewrites it.

An answer by the client's own Pod is no evidence: traffic to oneself has to be
masqueraded, with whatever address (kube-proxy, hairpin).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from svcproof.history import Cell, History, Outcome
from svcproof.verdict import Fact, Finding, Status, Verdict, judged

if TYPE_CHECKING:
    from svcproof.attempts import Attempts

__all__ = ["asks_for_sources", "sources"]


def sources(history: History) -> Verdict:
    """Every answer came from a source address that its cell's rule allows, where there is one."""
    cells = [
        cell
        for cell in history.cells
        if asks_for_sources(cell) and cell.promise.outcome is Outcome.ANSWERED
    ]
    answers = {cell.expectation.index: _answers(cell) for cell in cells}
    return judged(
        sum(map(len, answers.values())),
        [found for cell in cells for found in _judge(cell, answers[cell.expectation.index])],
        [_fact(cell, answers[cell.expectation.index]) for cell in cells],
    )


def asks_for_sources(cell: Cell) -> bool:
    """Whether it says which addresses a backend may see."""
    rule = cell.promise.sources or cell.promise.not_sources
    return bool(rule) and not cell.expectation.unsettled


def _answers(cell: Cell) -> Attempts:
    answers, own = cell.attempts.answered, cell.position.pod
    return answers.where(answers.answered_by(lambda backend: not own or backend.pod != own))


def _judge(cell: Cell, answers: Attempts) -> Iterator[Finding]:
    due, forbidden = cell.promise.sources, cell.promise.not_sources
    silent = answers.where(answers.seen_as(lambda address: not address))
    wrong = answers.where(
        answers.seen_as(
            lambda address: (
                bool(address) and ((bool(due) and address not in due) or address in forbidden)
            )
        )
    )
    if silent:
        yield Finding(
            status=Status.INCONCLUSIVE,
            summary=f"{len(silent)} answers do not say which address they saw",
            where=cell.where,
            expected="each answer tells the client's address as the backend saw it",
            seen="nothing",
            indices=silent.indices,
            remedy="the app must tell it; agnhost's /hostname and the notes' page do not",
        )
    if wrong:
        yield _wrong(cell, wrong, len(answers))


def _wrong(cell: Cell, wrong: Attempts, total: int) -> Finding:
    due = cell.promise.sources
    seen = ", ".join(sorted(wrong.sources))
    kept = not due
    return Finding(
        status=Status.FAIL,
        summary=f"the client's address is {'kept' if kept else 'lost'} in {len(wrong)} of {total} "
        f"answers: the backend saw {seen}",
        where=cell.where,
        expected=f"the backend sees {', '.join(due)}"
        if due
        else f"the backend sees another address than {', '.join(cell.promise.not_sources)}",
        seen=seen,
        indices=wrong.indices,
        remedy="something on the way does not rewrite what it must: look for kube-proxy's "
        "masquerade rule on the entered node"
        if kept
        else "something on the way rewrites the source: look for masquerade rules beside "
        "kube-proxy's on the entered node, and for a proxy in front of it",
    )


def _fact(cell: Cell, answers: Attempts) -> Fact:
    counts = Counter({address or "(not told)": n for address, n in answers.sources.items()})
    text = ", ".join(f"{address} ({number})" for address, number in counts.most_common(4))
    return Fact("source address seen", text or "no answer", cell.where)
