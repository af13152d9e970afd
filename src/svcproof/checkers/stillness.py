"""Did what was promised still hold when the measurement ended?

Pods come and go while connections are made: a rollout, an autoscaler, a container
that dies. What then looks wrong was judged by a promise that was no longer in force.
And a rule may come late: what was measured before it came looks as if it never would.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from functools import wraps

from svcproof.events import PromiseChanged, SettledLate
from svcproof.history import Cell, History
from svcproof.verdict import Checker, Finding, Status, Verdict, worst

__all__ = ["undisturbed"]


def undisturbed(check: Checker) -> Checker:
    """The same check, which fails no pair by a promise that changed while it was measured,
    and none that was not waited for long enough.

    Such findings are inconclusive: they stay, with both promises. A measurement that
    kept to the earlier promise all the time passes. A promise that changed and came
    back is not noticed.
    """

    @wraps(check)
    def judge(history: History) -> Verdict:
        verdict = check(history)
        changes = [
            event for event in history.events if isinstance(event, PromiseChanged | SettledLate)
        ]
        if not changes or verdict.status is Status.PASS:
            return verdict
        wrong: defaultdict[str, set[int]] = defaultdict(set)
        for finding in verdict.findings:
            wrong[finding.where] |= set(finding.indices)
        findings = tuple(
            _excused(finding, history, changes, wrong[finding.where])
            for finding in verdict.findings
        )
        return replace(
            verdict, findings=findings, status=worst(finding.status for finding in findings)
        )

    return judge


def _excused(
    finding: Finding,
    history: History,
    changes: list[PromiseChanged | SettledLate],
    wrong: set[int],
) -> Finding:
    if finding.unconditional or finding.status is not Status.FAIL:
        return finding
    for change in changes:
        cell = _cell_before(finding, history, change)
        if cell is None or (isinstance(change, SettledLate) and not _was_late(cell, wrong)):
            continue
        if isinstance(change, SettledLate):
            but, expected = "it was right soon after", finding.expected
            remedy = (
                "it was late, not lost: look why that node's rules come late (its kube-proxy's "
                "log, its load), or raise Limits.unsettled"
            )
        else:
            but = "what is promised changed meanwhile"
            expected = f"{finding.expected}; afterwards {change.after}"
            remedy = (
                "see who changes the Service's endpoints (a rollout, an autoscaler, "
                "a container that ends: `kubectl get events`); run it again when they stand still"
            )
        return replace(
            finding,
            status=Status.INCONCLUSIVE,
            summary=f"{finding.summary} (but {but})",
            expected=expected,
            indices=(*finding.indices, change.index),
            remedy=remedy,
        )
    return finding


def _was_late(cell: Cell, wrong: set[int]) -> bool:
    """Whether all that was wrong came before all that was right: what is wrong now and then is
    not late."""
    attempts = cell.attempts
    bad = [index in wrong for index in attempts.indices]
    begun = attempts.at_ns.tolist()
    last_wrong = max((at for at, is_bad in zip(begun, bad, strict=True) if is_bad), default=0)
    return all(is_bad or at >= last_wrong for at, is_bad in zip(begun, bad, strict=True))


def _cell_before(
    finding: Finding, history: History, change: PromiseChanged | SettledLate
) -> Cell | None:
    """The measurement that ended with this change, if the finding is about it."""
    pair = (change.position, change.target)
    cells = [
        cell
        for cell in history.cells
        if (cell.expectation.position, cell.expectation.target) == pair
        and cell.expectation.index < change.index
    ]
    if not cells or cells[-1].where != finding.where:
        return None
    measured = range(cells[-1].expectation.index, change.index)
    about = bool(finding.indices) and all(index in measured for index in finding.indices)
    return cells[-1] if about else None
