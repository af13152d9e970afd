"""Several runs in one table, and the promises that not all of them kept alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from svcproof.errors import EXIT_CODES
from svcproof.results import RunResult
from svcproof.verdict import WORDS

__all__ = ["Ran", "describe", "differing", "worst_code"]

_WORDS: Final = ("PASS", "KNOWN", "FAIL", "INCONCLUSIVE", "not supported", "error")
#: From good to bad; a proven failure is worse than not having been able to ask. Any other
#: code is that of a process that died, and as bad as an environment that does not do.
_SEVERITY: Final = (0, 3, 4, 1, 2)
#: What is told of a promise that a run has no case of.
_NOT_ASKED: Final = "not asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """One run: ``result`` is None where it died before it could leave any."""

    name: str
    code: int
    seconds: float
    result: RunResult | None
    directory: str


def worst_code(codes: Sequence[int]) -> int:
    """The exit code of all of them."""
    known = [code if code in _SEVERITY else 4 for code in codes]
    return max(known, key=_SEVERITY.index, default=0)


def differing(runs: Sequence[Ran]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each promise that was not kept alike, with what each run says of it."""
    said = [_said(run.result) for run in runs]
    for promise in dict.fromkeys(name for each in said for name in each):
        words = tuple(each.get(promise, _NOT_ASKED) for each in said)
        if len(set(words)) > 1:
            yield promise, words


def describe(runs: Sequence[Ran]) -> str:
    """The table, then what differs, then where each run's evidence is."""
    rows = [("run", *map(str.lower, _WORDS), "took", "exit code"), *map(_row, runs)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [_aligned(row, widths) for row in rows]
    lines.append("")
    lines += (
        f"culprit   {run.name}: {each.statement}."
        for run in runs
        for each in (run.result.culprits if run.result else ())
    )
    lines += _differences(runs)
    lines += (f"evidence  {run.name}: {run.directory}" for run in runs)
    return "\n".join(lines)


def _row(run: Ran) -> tuple[str, ...]:
    counts = _counts(run.result)
    numbers = (str(counts[word]) if run.result else "–" for word in _WORDS)
    meaning = EXIT_CODES.get(run.code, "it died")
    return (run.name, *numbers, f"{run.seconds:.0f} s", f"{run.code} ({meaning})")


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *middle, last = row
    numbers = (text.rjust(width) for text, width in zip(middle, widths[1:-1], strict=True))
    return "  ".join((first.ljust(widths[0]), *numbers, last))


def _counts(result: RunResult | None) -> Counter[str]:
    if result is None:
        return Counter()
    words = [case.verdict for case in result.cases]
    words += [
        "INCONCLUSIVE" if each.word == "inconclusive" else each.word for each in result.problems
    ]
    return Counter(words)


def _said(result: RunResult | None) -> dict[str, str]:
    """Promise → the worst verdict of its cases."""
    worst: dict[str, str] = {}
    for case in result.cases if result else ():
        before = worst.get(case.promise, "PASS")
        worst[case.promise] = max(before, case.verdict, key=WORDS[::-1].index)
    return worst


def _differences(runs: Sequence[Ran]) -> Iterator[str]:
    if len(runs) < 2:
        return
    found = list(differing(runs))
    if not found:
        yield "every promise came out alike"
    for promise, words in found:
        yield f"differs: {promise}"
        for run, word in zip(runs, words, strict=True):
            yield f"    {word:<12}  {run.name}"
