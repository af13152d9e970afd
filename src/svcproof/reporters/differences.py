"""Two runs compared, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from svcproof.comparison import Comparison, Difference, Move
from svcproof.reporters.culprit import culprit_lines
from svcproof.results import FindingLine

__all__ = ["describe_differences"]

_FINDINGS: Final = 6
_INDICES: Final = 12
_BRIEF: Final = 8


def describe_differences(found: Comparison) -> str:
    """What got worse first, with its evidence; then the rest, in few words."""
    lines = list(culprit_lines(found.culprits, width=0))
    lines += [f"solved         {each.statement}." for each in found.solved]
    lines += [f"from run {found.before or 'unnamed'} to run {found.after or 'unnamed'}"]
    lines += [f"  {name}: {old} → {new}" for name, old, new in found.settings]
    for title, differences in (("worse", found.worse), ("new", found.new)):
        lines += _section(title, differences)
    lines += _brief("better", found.better)
    lines += _brief("gone", found.gone)
    lines += _moves(found.moves)
    lines.append(_sum(found))
    return "\n".join(lines)


def _section(title: str, differences: Sequence[Difference]) -> Iterator[str]:
    for each in differences:
        if each.after == "PASS":
            continue
        yield f"{title}: {each.before or 'not asked'} → {each.after}: {_name(each)}"
        if each.promise:
            yield f"    promise   {each.promise}"
        if each.reason:
            yield f"    reason    {each.reason}"
        for finding in each.findings[:_FINDINGS]:
            yield from _finding(finding)
        if len(each.findings) > _FINDINGS:
            yield f"    and {len(each.findings) - _FINDINGS} more findings"
        if each.history:
            yield f"    history   {each.history}"
    fine = [each for each in differences if each.after == "PASS"]
    yield from _brief(title, fine)


def _finding(finding: FindingLine) -> Iterator[str]:
    yield f"    {finding.status}  {finding.summary}"
    shown = " ".join(f"#{index}" for index in finding.indices[:_INDICES])
    hidden = len(finding.indices) - _INDICES
    for name, value in (
        ("expected", finding.expected),
        ("seen", finding.seen),
        ("where", finding.where),
        ("evidence", f"{shown} and {hidden} more" if hidden > 0 else shown),
        ("next", finding.remedy),
    ):
        if value:
            yield f"      {name:<9} {value}"


def _brief(title: str, differences: Sequence[Difference]) -> Iterator[str]:
    for each in differences[:_BRIEF]:
        yield f"{title}: {each.before or 'not asked'} → {each.after or 'not asked'}: {_name(each)}"
    if len(differences) > _BRIEF:
        yield f"{title}: and {len(differences) - _BRIEF} more"


def _name(difference: Difference) -> str:
    return difference.case or "the run itself"


def _moves(moves: Sequence[Move]) -> Iterator[str]:
    for move in moves:
        sign = "up" if move.grew else "down"
        yield f"moved {sign}: {move.name}: {move.case}"
        yield f"    was {move.before}"
        yield f"    is  {move.after}"


def _sum(found: Comparison) -> str:
    return (
        f"{len(found.worse)} worse, {len(found.better)} better, {found.same} the same, "
        f"{len(found.new)} new, {len(found.gone)} gone; {len(found.moves)} measures moved"
    )
