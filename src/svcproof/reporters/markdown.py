"""A run in Markdown: what a CI system shows beside its log.

GitHub takes up to 1 MiB for a step and shows nothing of more; what is left out is
said, and stands in the results.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from svcproof.reporters.counts import ended
from svcproof.reporters.culprit import coverage
from svcproof.reporters.terminal import cluster_words
from svcproof.results import CaseResult, FindingLine, Problem, RunResult, unjudged
from svcproof.verdict import WORDS

__all__ = ["summary"]

_MARKS: Final = {"FAIL": "❌", "INCONCLUSIVE": "❔", "KNOWN": "⚠️", "PASS": "✅"}
#: Cases with findings that are shown in full, and the findings of each.
_CASES: Final = 20
_FINDINGS: Final = 5
#: Of one text; an answer can be as long as its sender likes.
_LENGTH: Final = 600


def summary(run: RunResult) -> str:
    """Headline, what is wrong and why, what could not be asked, and every promise."""
    return "\n".join(_lines(run)) + "\n"


def _lines(run: RunResult) -> Iterator[str]:
    promises = _promises(run.cases)
    yield f"## svcproof: {_headline(run, promises)}"
    yield ""
    for found in run.culprits:
        yield f"**{_text(found.statement)}.**"
        yield ""
        yield f"This {_text(coverage(found))}."
        yield ""
        yield from (f"- {_code(command)}" for command in found.look)
        yield ""
    if run.cluster is not None:
        yield f"{_text(cluster_words(run.cluster))}."
        yield ""
        for node, reason in run.cluster.left_out.items():
            yield f"- {_code(node)} was left out: {_text(reason)}"
        yield ""
    for family, reason in unjudged(run.cases, run.problems).items():
        yield f"- {_code(family)} was not judged: {_text(reason)}"
    yield from _troubles([case for case in run.cases if case.verdict != "PASS"])
    yield from _problems(run.problems)
    if promises:
        yield "| | promise | cases | connections | ended |"
        yield "|---|---|--:|--:|--:|"
        for promise, group in sorted(promises.items(), key=lambda item: _rank(item[1])):
            word = WORDS[_rank(group)]
            judged = sum(case.judged for case in group)
            yield (
                f"| {_MARKS[word]} {word} | {_text(promise)} | {len(group)} "
                f"| {judged:,} | {ended(group)} |"
            )
        yield ""
    yield f"Evidence: {_code(run.evidence)}" + (f" of {_code(run.command)}" if run.command else "")


def _headline(run: RunResult, promises: dict[str, list[CaseResult]]) -> str:
    ranks = [_rank(group) for group in promises.values()]
    counts = [
        f"{ranks.count(rank)} {word}" for rank, word in enumerate(WORDS) if rank in ranks
    ] or ["no promise was judged"]
    return f"{', '.join(counts)} (exit code {run.exit_code})"


def _troubles(cases: Sequence[CaseResult]) -> Iterator[str]:
    for case in cases[:_CASES]:
        yield f"### {_MARKS[case.verdict]} {_text(case.promise)}"
        yield ""
        yield f"{_code(case.case)}: {case.judged:,} connections judged, {ended([case])}."
        yield ""
        for finding in case.findings[:_FINDINGS]:
            yield from _finding(finding)
        yield from _left_out(len(case.findings) - _FINDINGS, "finding")
        yield f"History: {_code(case.history)}"
        yield ""
    yield from _left_out(len(cases) - _CASES, "case that did not pass")


def _finding(finding: FindingLine) -> Iterator[str]:
    yield f"- **{_text(finding.summary)}**"
    for label, value in (
        ("where", finding.where),
        ("expected", finding.expected),
        ("seen", finding.seen),
        ("next", finding.remedy),
    ):
        if value:
            yield f"  - {label}: {_text(value)}"


def _problems(problems: Sequence[Problem]) -> Iterator[str]:
    together: dict[tuple[str, str, str], list[str]] = {}
    for problem in problems:
        names = together.setdefault((problem.word, problem.reason, problem.remedy), [])
        names.append(problem.case.rpartition("::")[2])
    if together:
        yield "### Without a verdict"
        yield ""
        for (word, reason, remedy), names in together.items():
            whose = ", ".join(_code(name) for name in dict.fromkeys(names) if name)
            what_next = f" Next: {_text(remedy)}" if remedy else ""
            yield f"- **{word}**: {_text(reason)}.{what_next} {whose}".rstrip()
        yield ""


def _promises(cases: Iterable[CaseResult]) -> dict[str, list[CaseResult]]:
    together: dict[str, list[CaseResult]] = {}
    for case in cases:
        together.setdefault(case.promise, []).append(case)
    return together


def _rank(group: Sequence[CaseResult]) -> int:
    return min(WORDS.index(case.verdict) for case in group)


def _left_out(number: int, what: str) -> Iterator[str]:
    if number > 0:
        yield f"And {number} more (each a {what}): see the results."
        yield ""


def _text(value: str) -> str:
    """Text from the network as text: no markup, on one line."""
    line = " ".join(value.split())
    shown = line if len(line) <= _LENGTH else f"{line[:_LENGTH]} …"
    return re.sub(r"([\\`*_{}\[\]<>#|~&@!$])", r"\\\1", shown)


def _code(value: str) -> str:
    line = " ".join(value.split()).replace("|", "¦")
    fence = "`" * (max((len(run) for run in re.findall("`+", line)), default=0) + 1)
    pad = " " if "`" in line else ""
    return f"{fence}{pad}{line}{pad}{fence}"
