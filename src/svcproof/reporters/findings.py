"""A verdict, for people: expected, seen, where, evidence, what next; and what was measured."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from svcproof.verdict import Fact, Finding, Verdict

__all__ = ["describe", "describe_facts"]

_SHOWN = 12
_NARROWEST = 60
_INDENT = " " * 14


def describe(verdict: Verdict, *, case: str, history: str, width: int = 0) -> str:
    """All findings of a verdict, the worst first; wrapped where a ``width`` is given."""
    lines = [f"{verdict.status.word}: {case} ({verdict.judged:,} connections judged)"]
    for finding in sorted(verdict.findings, key=lambda found: -found.status):
        lines += _lines(finding)
    wrapped = [part for line in lines for part in _wrapped(line, width)]
    # A path is for copying: it stays in one piece.
    return "\n".join([*wrapped, *([f"history: {history}"] if history else [])])


def describe_facts(facts: tuple[Fact, ...], *, width: int = 0) -> str:
    """What was measured, a line for each fact and place."""
    lines = [
        f"    {fact.name}: {fact.value}{f' ({fact.where})' if fact.where else ''}" for fact in facts
    ]
    return "\n".join(part for line in lines for part in _wrapped(line, width))


def _wrapped(line: str, width: int) -> list[str]:
    if not width or len(line) <= width:
        return [line]
    return textwrap.wrap(
        line,
        width=max(width, _NARROWEST),
        subsequent_indent=_INDENT,
        drop_whitespace=True,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _lines(finding: Finding) -> Iterator[str]:
    yield f"  {finding.status.word}  {finding.summary}"
    for name, value in (
        ("expected", finding.expected),
        ("seen", finding.seen),
        ("where", finding.where),
        ("evidence", _indices(finding.indices)),
        ("next", finding.remedy),
    ):
        if value:
            yield f"    {name:<9} {value}"


def _indices(indices: tuple[int, ...]) -> str:
    if not indices:
        return ""
    text = " ".join(f"#{index}" for index in indices[:_SHOWN])
    hidden = len(indices) - _SHOWN
    return f"{text} and {hidden} more" if hidden > 0 else text
