"""What explains a run's findings, as the lines that every report begins with."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from svcproof.results import Culprit

__all__ = ["coverage", "culprit_lines"]

_LABEL: Final = 15


def culprit_lines(found: Iterable[Culprit], *, width: int = 80) -> Iterator[str]:
    """Each statement, what it rests on, and what to type next; a ``width`` of 0 wraps nothing.

    Commands are for copying: each stays on its line, however long it is.
    """
    for each in found:
        yield from _wrapped(f"{each.statement}.", "culprit", width)
        yield from _wrapped(coverage(each), "", width)
        for label, command in zip(["look at", *[""] * len(each.look)], each.look, strict=False):
            yield f"{label:<{_LABEL}}{command}"


def coverage(found: Culprit) -> str:
    """How much of what is red it explains, and what it does not."""
    text = (
        f"explains {found.explains:,} of {found.of:,} red pairs of client and address, in "
        f"{found.cases} of {found.of_cases} red cases"
    )
    hidden = found.of - found.explains - len(found.unexplained)
    more = f" and {hidden} more" if hidden > 0 and found.unexplained else ""
    return text + (f"; not: {'; '.join(found.unexplained)}{more}" if found.unexplained else "")


def _wrapped(text: str, label: str, width: int) -> Sequence[str]:
    first = f"{label:<{_LABEL}}"
    if not width:
        return [first + text]
    return textwrap.wrap(
        text,
        width=max(width, 40),
        initial_indent=first,
        subsequent_indent=" " * _LABEL,
        break_long_words=False,
        break_on_hyphens=False,
    )
