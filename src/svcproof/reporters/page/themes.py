"""What was found, over all cases: one fault shows in many, and is one fault."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from svcproof.reporters.page.model import CaseView, FindingGroup, Theme
from svcproof.reporters.page.moments import clock
from svcproof.verdict import WORDS

__all__ = ["themes"]

_NAMED: Final = 3
_CASES: Final = 6


def themes(views: Iterable[CaseView]) -> tuple[Theme, ...]:
    """Findings of one check with one remedy, over all cases; the widest first."""
    together: dict[tuple[str, str, str], list[tuple[CaseView, FindingGroup]]] = {}
    for view in views:
        for group in view.groups:
            key = (group.status, group.check, group.remedy)
            together.setdefault(key, []).append((view, group))
    found = [_theme(each) for each in together.values()]
    return tuple(sorted(found, key=lambda theme: (WORDS.index(theme.status), -_width(theme))))


def _theme(found: Sequence[tuple[CaseView, FindingGroup]]) -> Theme:
    first = found[0][1]
    times = [group.at_ns for _, group in found if group.at_ns]
    pairs = [place.where.partition(" → ") for _, group in found for place in group.places]
    cases = dict.fromkeys(
        (view.key, view.case.partition("::")[2] or view.case) for view, _ in found
    )
    return Theme(
        status=first.status,
        check=first.check,
        summary=first.summary,
        since=f"{clock(min(times))} UTC" if times else "",
        clients=_listed(client for client, arrow, _ in pairs if arrow),
        entries=_listed(entry for _, _, entry in pairs),
        cases=tuple(cases)[:_CASES],
        hidden=max(0, len(cases) - _CASES),
    )


def _short(case: str) -> str:
    """Without the file."""
    return case.partition("::")[2] or case


def _width(theme: Theme) -> int:
    return len(theme.cases) + theme.hidden


def _listed(values: Iterable[str]) -> str:
    distinct = [value for value in dict.fromkeys(values) if value]
    hidden = len(distinct) - _NAMED
    return ", ".join(distinct[:_NAMED]) + (f" and {hidden} more" if hidden > 0 else "")
