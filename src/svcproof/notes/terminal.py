"""A step for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from svcproof.notes.model import Step, Told

__all__ = ["heading", "lines", "result"]

_WIDTH = 96


def heading(number: int, title: str, says: str) -> str:
    """What stands above an experiment."""
    text = f"{number}. {title}"
    said = textwrap.fill(f"The notes say: {says}", _WIDTH)
    return f"\n{text}\n{'=' * len(text)}\n{said}"


def lines(step: Step) -> Iterator[tuple[str, str]]:
    """The step's lines, each with a style: "", "bold", "dim", "good", "bad" or "note"."""
    style = "note" if step.kind == "correction" else ""
    start = "The notes are corrected here: " if step.kind == "correction" else ""
    yield "", ""
    yield from ((line, style) for line in textwrap.wrap(start + step.text, _WIDTH))
    if step.command:
        sign = "# " if step.kind == "manifest" else "$ "
        yield f"    {sign}{step.command}", "bold"
    for line in step.output.splitlines():
        yield f"    {line}", "dim"
    if step.look:
        yield from ((line, "") for line in textwrap.wrap(f"Look at: {step.look}", _WIDTH))
    if step.expected:
        yield from _verdict(step)


def _verdict(step: Step) -> Iterator[tuple[str, str]]:
    if step.passed:
        yield f"  ✓ {step.expected}{f' ({step.seen})' if step.seen else ''}", "good"
        return
    yield f"  ✗ expected: {step.expected}", "bad"
    for line in f"seen: {step.seen}".splitlines():
        yield f"    {line}", "bad"


def result(told: Told) -> str:
    """One line for the end."""
    how = told.outcome.upper() if told.failed else told.outcome
    return f"{told.number:>3}  {told.title:<52} {how}, {told.checked} checks, {told.seconds:.1f} s"
