"""What a run proved, as data for reporters: no behaviour, nothing decided."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
from msgspec import structs

from svcproof.cells import BackendLine, CellLine, EndpointsLine, cell_lines, endpoints_lines
from svcproof.errors import BadHistory
from svcproof.history import History, Outcome
from svcproof.unread import known_part
from svcproof.verdict import Finding, Status, Verdict

if TYPE_CHECKING:
    from svcproof.ports import ClusterFacts

__all__ = [
    "SCHEMA",
    "BackendLine",
    "CaseResult",
    "CellLine",
    "ClusterLine",
    "Culprit",
    "EndpointsLine",
    "FactLine",
    "FindingLine",
    "Problem",
    "RunResult",
    "case_result",
    "cluster_line",
    "decode_run",
    "finding_lines",
    "published_schema",
    "read_again",
    "unjudged",
    "unknown_fields",
]

#: Version of the results' format, and those that can be read.
SCHEMA: Final = 2
_READABLE: Final = (1, 2)
#: What the word of a :class:`Problem` can be.
_PROBLEMS: Final = ("not supported", "inconclusive", "error")

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
    endpoints: tuple[EndpointsLine, ...] = ()

    @property
    def unknown(self) -> int:
        """How many attempts of those judged the harness lost."""
        return sum(cell.endings.get(Outcome.UNKNOWN.value, 0) for cell in self.cells)


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """A case without a verdict: ``word`` is ``not supported``, ``inconclusive`` or ``error``.

    ``is_prevented``: not supported, though the cluster could: a quota, a policy or a webhook is
    against it.
    """

    case: str
    word: str
    reason: str
    remedy: str = ""
    is_prevented: bool = False


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
    #: Node that is there and was not measured → the reason.
    left_out: dict[str, str] = {}


class Culprit(msgspec.Struct, frozen=True, kw_only=True):
    """The smallest statement that covers what was found: where it is broken, and how sure.

    ``nodes`` and ``objects`` are the places that ``statement`` names; ``layer`` is what is
    broken there. It explains so many of all red pairs of client and address (a Service's
    EndpointSlices, and the API server, count as one each), in so many of all red cases;
    ``unexplained`` are some of the others. ``look`` is what to do next.
    """

    statement: str
    nodes: tuple[str, ...]
    objects: tuple[str, ...]
    layer: str
    explains: int
    of: int
    cases: int
    of_cases: int
    unexplained: tuple[str, ...] = ()
    look: tuple[str, ...] = ()


class RunResult(msgspec.Struct, frozen=True, kw_only=True):
    """A whole run; ``exit_code`` is that of the session.

    ``svcproof`` is the version that made it, ``command`` what was typed, for a POSIX
    shell, ``began`` the moment in UTC (ISO 8601), ``seconds`` how long it took, the
    cluster's start and end included. All four are empty in files of older versions.
    ``culprits``: what explains nearly all that is red, one or two; none rather than a wrong one.
    """

    schema: int = SCHEMA
    svcproof: str = ""
    run: str = ""
    command: str = ""
    began: str = ""
    seconds: float = 0.0
    exit_code: int = 0
    culprits: tuple[Culprit, ...] = ()
    cluster: ClusterLine | None
    cases: tuple[CaseResult, ...]
    problems: tuple[Problem, ...]
    evidence: str


class _Version(msgspec.Struct):
    """The results of any version."""

    schema: int = SCHEMA


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
        left_out=dict(facts.left_out),
    )


def decode_run(content: bytes, *, source: str) -> RunResult:
    """A run's results from their JSON.

    A newer version may have other words for how a case ended. Such a case is read as one that
    is inconclusive, with a finding that has the word: nothing passes by what is not known.
    Raises :class:`~svcproof.errors.BadHistory` for another version of the format, and for
    anything that is not a run's results.
    """
    try:
        version = msgspec.json.decode(content, type=_Version).schema
        if version not in _READABLE:
            known = " and ".join(map(str, _READABLE))
            raise BadHistory(
                f"{source}: format version {version}; this svcproof reads {known}",
                remedy="read it with the svcproof that wrote it, or with a newer one",
            )
        run = msgspec.json.decode(content, type=RunResult)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BadHistory(
            f"{source}: not the results of a run: {error}",
            remedy="histories (*.jsonl) that are beside it can still be read: svcproof judge",
        ) from error
    return structs.replace(
        run,
        cases=tuple(map(_known_case, run.cases)),
        problems=tuple(map(_known_problem, run.problems)),
    )


def unknown_fields(content: bytes) -> tuple[str, ...]:
    """The fields of a run's results, as JSON, that this version does not know, each by its path."""
    return known_part(msgspec.json.decode(content), RunResult).fields


def _known_case(case: CaseResult) -> CaseResult:
    """The case; what it says in words that are not known here, as inconclusive."""
    known = structs.replace(
        case,
        verdict=_known_word(case.verdict),
        findings=tuple(
            structs.replace(line, status=_known_word(line.status)) for line in case.findings
        ),
        cells=tuple(
            structs.replace(
                line,
                verdict=_known_word(line.verdict),
                checks={name: _known_word(word) for name, word in line.checks.items()},
            )
            for line in case.cells
        ),
    )
    if known.verdict == case.verdict:
        return known
    finding = FindingLine(
        status=known.verdict,
        summary=f"the run said {case.verdict!r}, which this svcproof does not know",
        expected=", ".join(Status.__members__),
        seen=case.verdict,
        remedy="read it with the svcproof that wrote it, or with a newer one",
    )
    return structs.replace(known, findings=(*known.findings, finding))


def _known_problem(problem: Problem) -> Problem:
    if problem.word in _PROBLEMS:
        return problem
    reason = f"the run said {problem.word!r}, which this svcproof does not know: {problem.reason}"
    return structs.replace(problem, word="inconclusive", reason=reason)


def _known_word(word: str) -> str:
    return word if word in Status.__members__ else Status.INCONCLUSIVE.word


def published_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a run's results, as it is published beside the documentation."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Results of a run of svcproof, version {SCHEMA}",
        **msgspec.json.schema(RunResult),
    }


def unjudged(cases: Iterable[CaseResult], problems: Iterable[Problem]) -> dict[str, str]:
    """The families of promises of which not a single case was judged, and what was against it.

    A family is a test module. What a cluster cannot have by its nature (no load balancer, one
    node, one IP family, a data plane that promises nothing of it) is not missing there.
    """
    judged = {_family(case.case) for case in cases}
    missing: dict[str, str] = {}
    for problem in problems:
        family = _family(problem.case)
        if problem.is_prevented and family not in judged:
            missing.setdefault(family, problem.reason)
    return missing


def _family(case: str) -> str:
    return case.partition("::")[0].rpartition("/")[2].removesuffix(".py")


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
    cells, lines = history.cells, cell_lines(history, verdict)
    return CaseResult(
        case=case,
        promise=promise,
        positions=_distinct((cell.position.kind, cell.position.name) for cell in cells),
        forms=_distinct(cell.target.form for cell in cells),
        targets=_distinct(cell.target.name for cell in cells),
        judged=sum(line.judged for line in lines),
        failed=sum(line.failed for line in lines),
        verdict=verdict.status.word,
        history=path,
        findings=finding_lines(verdict),
        facts=tuple(
            FactLine(name=fact.name, value=fact.value, where=fact.where, size=fact.size)
            for fact in verdict.facts
        ),
        cells=lines,
        endpoints=endpoints_lines(history),
    )


def read_again(case: CaseResult, history: History) -> CaseResult:
    """A case whose rows are made anew of its history: files of version 1 have not got them."""
    findings = tuple(
        Finding(
            status=Status[line.status],
            summary=line.summary,
            where=line.where,
            indices=line.indices,
        )
        for line in case.findings
    )
    verdict = Verdict(Status[case.verdict], case.judged, findings)
    cells, endpoints = cell_lines(history, verdict), endpoints_lines(history)
    return structs.replace(case, cells=cells, endpoints=endpoints)


def _distinct(values: Iterable[_T]) -> tuple[_T, ...]:
    return tuple(dict.fromkeys(values))


if __name__ == "__main__":
    import sys

    schema = msgspec.json.format(msgspec.json.encode(published_schema()), indent=2)
    sys.stdout.write(schema.decode() + "\n")
