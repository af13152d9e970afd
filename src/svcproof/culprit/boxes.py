"""Narrowing a place: a box has, for some fields of a path, the values that are broken.

What a box says was seen to matter: each of its fields is kept only because without it something
that was well would be inside.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from svcproof.culprit.paths import OF_THE_DNS, Path

__all__ = ["NAMING", "SINGLE", "Box", "narrowest", "needed", "sets_apart"]

Box = Mapping[str, frozenset[Any]]

#: Fields that name something.
NAMING: Final = ("client", "backend", "at", "entry", "node", "service")
#: A Pod is named with its node.
_WHERE: Final = (("client", "node"), ("backend", "at"))
#: In this order fields are given up where either would do.
_FIELDS: Final = (*NAMING, "payload", "form", "kind", "protocol", "family", "facet")
#: Fields that say nothing if they have several values.
SINGLE: Final = (*NAMING, "protocol", "family")
#: Questions that are not about connections.
_APART: Final = frozenset({*OF_THE_DNS, "health", "endpoints", "api", "client"})


def narrowest(paths: Sequence[Path]) -> Box:
    """The values that occur, of whatever applies to all of them."""
    values = {name: frozenset(getattr(path, name) for path in paths) for name in _FIELDS}
    return {name: seen for name, seen in values.items() if "" not in seen}


def needed(box: Box, well: Sequence[Path]) -> Box | None:
    """What is left when all is given up without which nothing that was well would be inside.

    What names something is kept if giving it up would take in anything else that was well,
    whatever was asked of it. None: something that was well is inside whatever is kept.
    """
    if any(_is_inside(path, box) for path in well):
        return None
    alike, whole = _alike(box, well), box
    # What has several values cannot be named: it goes first.
    several = sorted(NAMING, key=lambda name: len(box.get(name, ())) < 2)
    for name in (*several, *_FIELDS[len(NAMING) :]):
        wider = {field: values for field, values in box.items() if field != name}
        if name in NAMING and _taken_in(wider, alike) > _taken_in(box, alike):
            continue
        if not any(_is_inside(path, wider) for path in well):
            box = wider
    where = {node: whole[node] for pod, node in _WHERE if pod in box and node in whole}
    return {**box, **where}


def sets_apart(box: Box, broken: Sequence[Path], beside: Sequence[Path]) -> bool:
    """Whether something beside the place was well that is like what is broken in it."""
    return _taken_in(box, _alike(narrowest(broken), beside)) > 0


def _alike(box: Box, well: Iterable[Path]) -> list[Path]:
    """Lookups of names, and the like, are compared among each other, connections likewise."""
    apart = not _APART.isdisjoint(box["facet"])
    return [path for path in well if apart or path.facet not in _APART]


def _taken_in(box: Box, paths: Iterable[Path]) -> int:
    """How many paths are inside, or may be, whatever was asked of them.

    That only one Service was asked about its affinity does not make it a fault of all.
    Lookups are another matter: they are the DNS' whatever the name. And not each question
    is one of a certain backend.
    """
    apart = not _APART.isdisjoint(box.get("facet", ()))
    fields = [name for name in box if apart or name != "facet"]
    return sum(all(_may_be(path, name, box) for name in fields) for path in paths)


def _may_be(path: Path, name: str, box: Box) -> bool:
    unknown = name in ("backend", "at") and not path.backend
    return unknown or getattr(path, name) in box[name]


def _is_inside(path: Path, box: Box) -> bool:
    return all(getattr(path, name) in values for name, values in box.items())
