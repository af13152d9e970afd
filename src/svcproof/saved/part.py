"""A part of a history's lines: its steps, and its attempts as columns.

Lines are decoded a block at a time, and of attempts what is judged is kept. A part knows
nothing of the others: what it takes for granted of those before it is noted in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import FileIO
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
import numpy as np

from svcproof import history_v1
from svcproof.attempts import NONE, OUTCOMES, Codes
from svcproof.events import AnyEvent
from svcproof.promises import Backend
from svcproof.records import (
    VERSION,
    Expectation,
    Observation,
    Position,
    PositionDeclared,
    Record,
    Step,
    Target,
    TargetDeclared,
)

if TYPE_CHECKING:
    from svcproof.attempts import Numbers

__all__ = ["FORMATS", "Format", "Part", "Unusual", "read_part"]

#: Bytes that are decoded at once: they, and what they become, fit in a processor's cache.
_BLOCK: Final = 1 << 18


class _Attempt(
    Observation, frozen=True, kw_only=True, gc=False, tag="observation", tag_field="type"
):
    """An observation; each way to spell a backend is decoded once."""

    backend: msgspec.Raw = msgspec.Raw(b"")  # type: ignore[assignment]


class Format(NamedTuple):
    """How lines are decoded: with backends as they are spelt, and with all of attempts."""

    short: msgspec.json.Decoder[Any]
    whole: msgspec.json.Decoder[Any]
    upgrade: Callable[[Any], Any] = lambda record: record


_Declared = PositionDeclared | TargetDeclared
#: Each version of the format.
FORMATS: Final = {
    VERSION: Format(
        msgspec.json.Decoder(_Declared | Expectation | _Attempt | AnyEvent),
        msgspec.json.Decoder(Record),
    ),
    history_v1.VERSION: Format(
        msgspec.json.Decoder(_Declared | history_v1.ExpectationV1 | _Attempt | history_v1.EventV1),
        msgspec.json.Decoder(history_v1.RecordV1),
        history_v1.upgrade,
    ),
}


class Unusual(Exception):
    """What only a reader of single lines can name."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """What some lines say.

    ``first`` is the index of the first entry, ``None`` where there is none. ``missing``
    are names of positions and targets that must have been declared before. ``columns``
    are those of a :class:`~svcproof.attempts.Table`; what the numbers in some of them stand
    for is in ``things``, by the column's name. ``blocks``: where each begins, and the number
    of its first attempt; the last is the end of both.
    """

    first: int | None
    positions: dict[str, Position]
    targets: dict[str, Target]
    missing: tuple[set[str], set[str]]
    steps: list[Step]
    columns: list[Numbers]
    things: dict[str, list[Any]]
    blocks: list[tuple[int, int]]


def read_part(path: Path, version: int, begin: int, end: int) -> Part:
    """The whole lines from ``begin`` to ``end``; the last one counts only if it has an end.

    Raises :class:`Unusual`, :class:`msgspec.DecodeError`, :class:`UnicodeError` or
    :class:`OverflowError` where a line is not as it should be.
    """
    form = FORMATS[version]
    reader = _Reader(form.upgrade)
    blocks = []
    with path.open("rb", buffering=0) as file:
        file.seek(begin)
        for block in _blocks(file, end - begin):
            blocks.append((begin, reader.rows))
            reader.read(form.short.decode_lines(block))
            begin += len(block)
    return reader.part([*blocks, (begin, reader.rows)])


def _blocks(file: FileIO, length: int) -> Iterator[memoryview]:
    """Whole lines, many at once; what is behind the last line's end is left out.

    All are parts of one buffer, each until the next one is read: to allocate each anew
    takes as long as to decode it.
    """
    buffer, filled = bytearray(_BLOCK), 0
    while read := file.readinto(memoryview(buffer)[filled : filled + length]):
        filled, length = filled + read, length - read
        end = buffer.rfind(b"\n", 0, filled) + 1
        yield memoryview(buffer)[:end]
        rest = buffer[end:filled]
        if len(rest) == len(buffer):  # a line that is longer
            buffer = bytearray(2 * len(buffer))
        buffer[: len(rest)] = rest
        filled = len(rest)


class _Backends(dict[bytes, int]):
    """Numbers for backends as they are spelt; the same for the same backend."""

    def __init__(self) -> None:
        self.numbers = Codes()

    def __missing__(self, spelt: bytes) -> int:
        backend = msgspec.json.decode(spelt, type=Backend | None) if spelt else None
        self[spelt] = number = NONE if backend is None else self.numbers[backend]
        return number


class _Pairs(Codes):
    """Numbers for pairs of names; those that were not declared are ``missing``."""

    def __init__(self, *declared: dict[str, Any]) -> None:
        self._declared = declared
        self.missing: tuple[set[str], set[str]] = (set(), set())

    def __missing__(self, pair: tuple[str, str]) -> int:
        for name, declared, missing in zip(pair, self._declared, self.missing, strict=True):
            if name not in declared:
                missing.add(name)
        return super().__missing__(pair)


class _Reader:
    """Collects what lines say, checking each record against those before."""

    def __init__(self, upgrade: Callable[[Any], Any]) -> None:
        self.rows = 0
        self._upgrade = upgrade
        self._first: int | None = None
        self._positions: dict[str, Position] = {}
        self._targets: dict[str, Target] = {}
        self._steps: list[Step] = []
        self._pairs = _Pairs(self._positions, self._targets)
        self._backends = _Backends()
        self._sources = Codes()
        self._columns: list[list[Numbers]] = []

    def part(self, blocks: list[tuple[int, int]]) -> Part:
        """All that was read."""
        self._add([])  # so that there are columns
        return Part(
            first=self._first,
            positions=self._positions,
            targets=self._targets,
            missing=self._pairs.missing,
            steps=self._steps,
            columns=[np.concatenate(column) for column in zip(*self._columns, strict=True)],
            things={
                "pair": list(self._pairs),
                "backend": list(self._backends.numbers),
                "source": list(self._sources),
            },
            blocks=blocks,
        )

    def read(self, records: Sequence[Any]) -> None:
        """Read the records of a block."""
        try:
            self._add(records)
        except AttributeError:  # nearly all blocks hold attempts only; this one does not
            self._read_mixed(records)

    def _read_mixed(self, records: Sequence[Any]) -> None:
        for kind, some in groupby(records, type):
            if kind is _Attempt:
                self._add(list(some))
            else:
                for record in some:
                    self._read_step(self._upgrade(record))

    def _next(self, index: int) -> int:
        """The index that is due: in the beginning any that comes."""
        if self._first is None:
            self._first = index
        return self._first + len(self._steps) + self.rows

    def _add(self, run: Sequence[_Attempt]) -> None:
        """Add attempts; raises :class:`AttributeError`, and adds none, if one is something else."""
        first = self._next(run[0].index) if run else 0
        index = np.arange(first, first + len(run))
        if [each.index for each in run] != index.tolist():
            raise Unusual
        pairs, backends, sources = self._pairs, self._backends, self._sources
        columns = (
            [each.at_ns for each in run],
            # Only attempts have these: what comes after them is not done for anything else.
            [NONE if each.connect_us is None else each.connect_us for each in run],
            [NONE if each.reply_us is None else each.reply_us for each in run],
            [pairs[each.position, each.target] for each in run],
            [OUTCOMES[each.outcome] for each in run],
            [backends[bytes(each.backend)] for each in run],
            [sources[each.source_address] for each in run],
        )
        self._columns.append([index, *(np.array(column, np.int64) for column in columns)])
        self.rows += len(run)

    def _read_step(self, record: Any) -> None:
        if isinstance(record, PositionDeclared):
            self._positions[record.position.name] = record.position
        elif isinstance(record, TargetDeclared):
            self._targets[record.target.name] = record.target
        elif record.index != self._next(record.index):
            raise Unusual
        else:
            if isinstance(record, Expectation):
                self._pairs[record.position, record.target]
            self._steps.append(record)
