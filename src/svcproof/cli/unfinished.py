"""A run that was killed left histories and no results: what they say, and that it is not all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from svcproof.cli.judge import Judged, judge_file
from svcproof.errors import BadHistory
from svcproof.results import CaseResult, ClusterLine, Problem, RunResult, case_result

__all__ = ["is_unfinished", "run_of_histories"]

#: The exit code of a run that was interrupted.
_INTERRUPTED: Final = 2
_REASON: Final = (
    "the run left no results.json: it was killed, or it still runs. Its histories were judged "
    "anew for this report; cases that had not begun are in none of them"
)
_REMEDY: Final = "run it again, and let it end"


def is_unfinished(directory: Path) -> bool:
    """Whether there are histories, and no results."""
    return not (directory / "results.json").exists() and any(directory.glob("*.jsonl"))


def run_of_histories(directory: Path) -> RunResult:
    """What a run would have left, as far as its histories tell: never a pass."""
    judged: list[Judged] = []
    problems = [Problem(case="", word="error", reason=_REASON, remedy=_REMEDY)]
    for path in sorted(directory.glob("*.jsonl")):
        try:
            judged.append(judge_file(path))
        except BadHistory as error:
            problems.append(Problem(case=path.name, word="error", reason=error.what))
    return RunResult(
        run=directory.resolve().name,
        exit_code=_INTERRUPTED,
        cluster=_cluster(item.history.header.cluster for item in judged),
        cases=tuple(_results(judged)),
        problems=tuple(problems),
        evidence=str(directory),
    )


def _results(judged: Iterable[Judged]) -> Iterator[CaseResult]:
    for item in judged:
        if item.not_asked:
            continue
        case = item.history.header.case
        # The sentence that a case proves stands in the test, and in no history.
        promise = case.rpartition("::")[2] or case
        yield case_result(
            item.history, item.verdict, case=case, promise=promise, path=str(item.path)
        )


def _cluster(headers: Iterable[Mapping[str, Any]]) -> ClusterLine | None:
    """The cluster as the first history that knows it has it."""
    for header in headers:
        if header:
            return ClusterLine(
                name=str(header.get("name", "")),
                kind=str(header.get("kind", "")),
                kubernetes_version=str(header.get("kubernetes_version", "")),
                proxy_mode=str(header.get("proxy_mode", "")),
                families=tuple(header.get("families", ())),
                nodes=len(header.get("nodes", ())),
            )
    return None
