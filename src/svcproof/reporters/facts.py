"""Facts in few words: of many of the same name, those that are worth a line."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from svcproof.results import FactLine

__all__ = ["told"]

_SHOWN = 3
#: Not for the summary: it is in the results for whoever looks for it.
_LEFT_OUT = frozenset({"connect time", "answer"})
#: Where a fact is about several places at once; it stands for those of each place.
_TOGETHER = "all "


def told(facts: Iterable[FactLine]) -> Iterator[str]:
    """One line for each name: the largest, what is said of all places together, or what differs."""
    by_name: dict[str, list[FactLine]] = defaultdict(list)
    for fact in facts:
        if fact.name not in _LEFT_OUT:
            by_name[fact.name].append(fact)
    for name, group in by_name.items():
        yield f"{name}: {_chosen(group)}"


def _chosen(group: list[FactLine]) -> str:
    largest = max(group, key=lambda fact: fact.size)
    if largest.size > 0:
        return f"{largest.value}{f' ({largest.where})' if largest.where else ''}"
    together = [fact for fact in group if fact.where.startswith(_TOGETHER)]
    values = list(dict.fromkeys(fact.value for fact in together or group))
    hidden = len(values) - _SHOWN
    return "; ".join(values[:_SHOWN]) + (f"; and {hidden} more" if hidden > 0 else "")
