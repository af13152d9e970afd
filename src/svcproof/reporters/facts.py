"""Facts in few words: of many of the same name, those that are worth a line."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final

from svcproof.results import FactLine

__all__ = ["SOURCES", "told"]

_SHOWN: Final = 3
#: Not for the summary: they are in the results for whoever looks for them.
_LEFT_OUT: Final = ("connect time", "answer", "choices of the clients", "API server on ")
#: Where a fact is about several places at once; it stands for those of each place.
_TOGETHER: Final = "all "
SOURCES: Final = "source address seen"
#: These follow the fact before them on its line.
_CONTINUED: Final = ("p-value of equal shares", "smallest skew seen with 99 % power")


def told(facts: Iterable[FactLine]) -> Iterator[str]:
    """One line for each name: the largest, what is said of all places together, or what differs."""
    by_name: dict[str, list[FactLine]] = defaultdict(list)
    for fact in facts:
        if not fact.name.startswith(_LEFT_OUT):
            by_name[fact.name].append(fact)
    line = ""
    for name, group in by_name.items():
        text = f"{name}: {_addresses(group) if name == SOURCES else _chosen(group)}"
        if name in _CONTINUED and line:
            line = f"{line}; {text}"
            continue
        if line:
            yield line
        line = text
    if line:
        yield line


def _chosen(group: list[FactLine]) -> str:
    largest = max(group, key=lambda fact: fact.size)
    if largest.size > 0:
        return f"{largest.value}{f' ({largest.where})' if largest.where else ''}"
    together = [fact for fact in group if fact.where.startswith(_TOGETHER)]
    return _listed([fact.value for fact in together or group], "; ")


def _addresses(group: list[FactLine]) -> str:
    """The addresses of all places, without how often each was seen."""
    values = (part for fact in group for part in fact.value.split(", "))
    return _listed([re.sub(r" \(\d+\)$", "", value) for value in values], ", ")


def _listed(values: list[str], separator: str) -> str:
    distinct = list(dict.fromkeys(values))
    hidden = len(distinct) - _SHOWN
    shown = separator.join(distinct[:_SHOWN])
    return f"{shown}{separator}and {hidden} more" if hidden > 0 else shown
