"""What a saved value holds that this version does not know: another version wrote it.

A value is taken apart along the type that it should have. What that type does not know is
named, so that the rest can be used, and nobody believes that all of it was.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from msgspec import Struct, structs

__all__ = ["KnownPart", "Unread", "known_part"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """Something in a history that was not understood: where it first is, and on how many lines.

    ``before`` is the index of the first entry that comes after it. ``bears``: a verdict on
    it might depend on this, so none can be given.
    """

    what: str
    line: int
    before: int
    bears: bool
    lines: int = 1

    def __str__(self) -> str:
        more = f" and {self.lines - 1:,} more" if self.lines > 1 else ""
        return f"{self.what} (line {self.line}{more})"


@dataclass(frozen=True, slots=True)
class KnownPart:
    """A JSON value without the ``fields`` that its type does not have, each by its path.

    ``words`` are where it has a word that is none of its type's: path, word, and those that
    are known. They stand in ``value`` still, so that it is of no use.
    """

    value: Any
    fields: tuple[str, ...]
    words: tuple[str, ...]


def known_part(value: Any, kind: Any) -> KnownPart:
    """What a type knows of a JSON value: structs, and whatever they are made of."""
    walk = _Walk()
    known = walk.known(value, (kind,), "")
    return KnownPart(known, tuple(dict.fromkeys(walk.fields)), tuple(dict.fromkeys(walk.words)))


class _Walk:
    """A way through a value, and what was met on it that is not known."""

    def __init__(self) -> None:
        self.fields: list[str] = []
        self.words: list[str] = []

    def known(self, value: Any, kinds: Sequence[Any], path: str) -> Any:
        """The part of a value that one of these types knows."""
        kinds = tuple(each for kind in kinds for each in _alternatives(kind))
        if isinstance(value, Mapping):
            struct = next((kind for kind in kinds if _is_a(kind, Struct)), None)
            return value if struct is None else self._fields(value, struct, path)
        if isinstance(value, list):
            elements = tuple(each for kind in kinds for each in _elements(kind))
            return [self.known(each, elements, path) for each in value]
        words = [word for kind in kinds for word in _words(kind)]
        if isinstance(value, str) and words and value not in words and str not in kinds:
            known = ", ".join(word or '""' for word in words)
            self.words.append(f"`{path}` {value!r}; known are {known}")
        return value

    def _fields(self, value: Mapping[str, Any], struct: type[Struct], path: str) -> dict[str, Any]:
        types = {field.encode_name: field.type for field in structs.fields(struct)}
        known = {}
        for name, each in value.items():
            at = f"{path}.{name}" if path else name
            if name in types:
                known[name] = self.known(each, (types[name],), at)
            elif name == struct.__struct_config__.tag_field:
                known[name] = each
            else:
                self.fields.append(f"`{at}`")
        return known


def _alternatives(kind: Any) -> Iterator[Any]:
    """The types of a union; of any other, itself."""
    origin = get_origin(kind)
    if origin is Annotated:
        yield from _alternatives(get_args(kind)[0])
    elif origin in (Union, UnionType):
        for each in get_args(kind):
            yield from _alternatives(each)
    else:
        yield kind


def _elements(kind: Any) -> Iterator[Any]:
    """What is in an array of this type, if it is one."""
    if get_origin(kind) in (tuple, list, Sequence):
        yield from (each for each in get_args(kind) if each is not ...)


def _words(kind: Any) -> Iterator[str]:
    """The words of which a text of this type must be one; none where it may be any."""
    if _is_a(kind, enum.Enum):
        yield from (word.value for word in kind)
    elif get_origin(kind) is Literal:
        yield from get_args(kind)


def _is_a(kind: Any, base: type) -> bool:
    return isinstance(kind, type) and issubclass(kind, base)
