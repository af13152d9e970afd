"""A verdict that is not a pass, for people: expected, seen, where, evidence, what next."""

from __future__ import annotations

from collections.abc import Iterator

from svcproof.verdict import Finding, Verdict

__all__ = ["describe"]

_SHOWN = 12


def describe(verdict: Verdict, *, case: str, history: str) -> str:
    """All findings of a verdict, the worst first."""
    lines = [f"{verdict.status.word}: {case} ({verdict.judged} connections judged)"]
    for finding in sorted(verdict.findings, key=lambda found: -found.status):
        lines += _lines(finding)
    if history:
        lines.append(f"history: {history}")
    return "\n".join(lines)


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
