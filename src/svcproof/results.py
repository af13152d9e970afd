"""What a run proved, as data for reporters: no behaviour, nothing decided."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from svcproof.errors import BadHistory
from svcproof.history import Cell, History, Observation, Outcome
from svcproof.verdict import Status, Verdict, worst

if TYPE_CHECKING:
    from svcproof.ports import ClusterFacts

__all__ = [
    "SCHEMA",
    "CaseResult",
    "CellLine",
    "ClusterLine",
    "FactLine",
    "FindingLine",
    "Problem",
    "RunResult",
    "case_result",
    "cluster_line",
    "decode_run",
    "finding_lines",
    "published_schema",
]

#: Version of the results' format.
SCHEMA: Final = 1

_T = TypeVar("_T")


class FindingLine(msgspec.Struct, frozen=True, kw_only=True):
    """A :class:`~svcproof.verdict.Finding` as plain data."""

    status: str
    summary: str
    where: str = ""
    expected: str = ""
    seen: str = ""
    indices: tuple[int, ...] = ()
    remedy: str = ""


class FactLine(msgspec.Struct, frozen=True, kw_only=True):
    """A :class:`~svcproof.verdict.Fact` as plain data."""

    name: str
    value: str
    where: str = ""
    size: float = 0.0


class CellLine(msgspec.Struct, frozen=True, kw_only=True):
    """What one client saw of one address under one promise.

    ``kind`` and ``node`` are the client's, ``form`` and ``entry_node`` the address's
    (:class:`~svcproof.history.Target`); ``verdict`` is what the findings say of it.
    """

    kind: str
    node: str
    form: str
    entry_node: str
    judged: int
    failed: int
    verdict: str


class CaseResult(msgspec.Struct, frozen=True, kw_only=True):
    """One test case. ``promise`` is the sentence that it proves; cases share it.

    ``positions`` are pairs of kind and name.
    """

    case: str
    promise: str
    positions: tuple[tuple[str, str], ...]
    forms: tuple[str, ...]
    targets: tuple[str, ...]
    judged: int
    failed: int
    verdict: str
    history: str
    findings: tuple[FindingLine, ...] = ()
    facts: tuple[FactLine, ...] = ()
    cells: tuple[CellLine, ...] = ()


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """A case without a verdict: ``word`` is ``not supported``, ``inconclusive`` or ``error``."""

    case: str
    word: str
    reason: str
    remedy: str = ""


class ClusterLine(msgspec.Struct, frozen=True, kw_only=True):
    """The cluster, and how long it took to start (0 when it ran already)."""

    name: str
    kind: str
    kubernetes_version: str
    proxy_mode: str
    families: tuple[str, ...]
    nodes: int
    profile: str = ""
    start_seconds: float = 0.0
    #: Kind of client that the cluster does not allow → the reason.
    lacking_positions: dict[str, str] = {}


class RunResult(msgspec.Struct, frozen=True, kw_only=True):
    """A whole run; ``exit_code`` is that of the session.

    ``svcproof`` is the version that made it, ``command`` what was typed, for a POSIX
    shell, ``began`` the moment in UTC (ISO 8601), ``seconds`` how long it took, the
    cluster's start and end included. All four are empty in files of older versions.
    """

    schema: int = SCHEMA
    svcproof: str = ""
    run: str = ""
    command: str = ""
    began: str = ""
    seconds: float = 0.0
    exit_code: int = 0
    cluster: ClusterLine | None
    cases: tuple[CaseResult, ...]
    problems: tuple[Problem, ...]
    evidence: str


def cluster_line(
    facts: ClusterFacts, *, profile: str = "", start_seconds: float = 0.0
) -> ClusterLine:
    """What a cluster says of itself, as a row."""
    return ClusterLine(
        name=facts.name,
        kind=facts.kind,
        kubernetes_version=facts.kubernetes_version,
        proxy_mode=facts.proxy_mode,
        families=facts.families,
        nodes=len(facts.node_names),
        profile=profile,
        start_seconds=start_seconds,
        lacking_positions=dict(facts.lacking_positions),
    )


def decode_run(content: bytes, *, source: str) -> RunResult:
    """A run's results from their JSON.

    Raises :class:`~svcproof.errors.BadHistory` for another version, and for anything
    that is not a run's results.
    """
    try:
        run = msgspec.json.decode(content, type=RunResult)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise BadHistory(f"{source}: not the results of a run: {error}") from error
    if run.schema != SCHEMA:
        raise BadHistory(f"{source}: format version {run.schema}; this svcproof reads {SCHEMA}")
    return run


def published_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a run's results, as it is published beside the documentation."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Results of a run of svcproof, version {SCHEMA}",
        **msgspec.json.schema(RunResult),
    }


def finding_lines(verdict: Verdict) -> tuple[FindingLine, ...]:
    """A verdict's findings as plain data."""
    return tuple(
        FindingLine(
            status=found.status.word,
            summary=found.summary,
            where=found.where,
            expected=found.expected,
            seen=found.seen,
            indices=found.indices,
            remedy=found.remedy,
        )
        for found in verdict.findings
    )


def case_result(
    history: History, verdict: Verdict, *, case: str, promise: str, path: str
) -> CaseResult:
    """What one judged history says, reduced to a row."""
    cells = history.cells
    attempts = [attempt for cell in cells for attempt in cell.observations]
    return CaseResult(
        case=case,
        promise=promise,
        positions=_distinct((cell.position.kind, cell.position.name) for cell in cells),
        forms=_distinct(cell.target.form for cell in cells),
        targets=_distinct(cell.target.name for cell in cells),
        judged=len(attempts),
        failed=sum(_failed(cell, attempt) for cell in cells for attempt in cell.observations),
        verdict=verdict.status.word,
        history=path,
        findings=finding_lines(verdict),
        facts=tuple(
            FactLine(name=fact.name, value=fact.value, where=fact.where, size=fact.size)
            for fact in verdict.facts
        ),
        cells=tuple(_cell_line(cell, verdict) for cell in cells),
    )


def _cell_line(cell: Cell, verdict: Verdict) -> CellLine:
    about = [found.status for found in verdict.findings if found.where == cell.where]
    return CellLine(
        kind=cell.position.kind,
        node=cell.position.node,
        form=cell.target.form,
        entry_node=cell.target.entry_node,
        judged=len(cell.observations),
        failed=sum(_failed(cell, attempt) for attempt in cell.observations),
        verdict=worst([Status.PASS, *about]).word,
    )


def _failed(cell: Cell, attempt: Observation) -> bool:
    return attempt.outcome not in (*cell.promise.outcomes, Outcome.UNKNOWN)


def _distinct(values: Iterable[_T]) -> tuple[_T, ...]:
    return tuple(dict.fromkeys(values))


if __name__ == "__main__":
    import sys

    schema = msgspec.json.format(msgspec.json.encode(published_schema()), indent=2)
    sys.stdout.write(schema.decode() + "\n")
