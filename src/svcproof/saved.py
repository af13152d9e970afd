"""A saved history, read fast: its attempts as arrays, and one by one only where asked for.

Of an attempt only what is judged is decoded, a block of lines at a time. A file that is
not as it should be is left to :mod:`svcproof.history_reader`, which reads it line by line
and says what is wrong, and where.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from io import FileIO
from itertools import groupby
from pathlib import Path
from typing import Any, Final, NamedTuple, overload

import msgspec
import numpy as np

from svcproof import history_v1
from svcproof.attempts import COLUMNS, NONE, OUTCOMES, Codes, Numbers, Table
from svcproof.errors import BadHistory
from svcproof.events import AnyEvent
from svcproof.history import (
    VERSION,
    Expectation,
    Header,
    History,
    Observation,
    Position,
    PositionDeclared,
    Record,
    Step,
    Target,
    TargetDeclared,
)
from svcproof.history_reader import decode_lines
from svcproof.promises import Backend, Outcome

__all__ = ["read_history"]

#: Bytes that are decoded at once: they, and what they become, fit in a processor's cache.
_BLOCK: Final = 1 << 18


class _Attempt(msgspec.Struct, gc=False, kw_only=True, tag="observation", tag_field="type"):
    """What is judged of an observation, in the order in which it is written: that is fastest."""

    at_ns: int
    outcome: Outcome
    connect_us: int | None = None
    reply_us: int | None = None
    backend: msgspec.Raw = msgspec.Raw(b"")
    source_address: str = ""
    index: int
    position: str
    target: str


class _Format(NamedTuple):
    """How lines are read: with attempts in short, and with whole observations."""

    short: msgspec.json.Decoder[Any]
    whole: msgspec.json.Decoder[Any]
    upgrade: Callable[[Any], Any] = lambda record: record


_Declared = Header | PositionDeclared | TargetDeclared
_FORMATS: Final = {
    VERSION: _Format(
        msgspec.json.Decoder(_Declared | Expectation | _Attempt | AnyEvent),
        msgspec.json.Decoder(Record),
    ),
    history_v1.VERSION: _Format(
        msgspec.json.Decoder(_Declared | history_v1.ExpectationV1 | _Attempt | history_v1.EventV1),
        msgspec.json.Decoder(history_v1.RecordV1),
        history_v1.upgrade,
    ),
}


class _Unusual(Exception):
    """What only a reader of single lines can name."""


def read_history(path: Path) -> History:
    """The history in a file.

    Raises :class:`~svcproof.errors.BadHistory`, as
    :func:`~svcproof.history_reader.decode_lines` does, and :class:`OSError`.
    """
    with path.open("rb", buffering=0) as file:
        try:
            return _read(file, path)
        except (_Unusual, msgspec.DecodeError, UnicodeError, OverflowError):
            file.seek(0)
            return decode_lines(file, source=str(path))


def _read(file: FileIO, path: Path) -> History:
    first = file.readline()
    header = msgspec.json.decode(first, type=Header)
    form = _FORMATS.get(header.version)
    if form is None or not first.endswith(b"\n"):
        raise _Unusual
    reader = _Reader(form, header)
    starts, rows = [len(first)], [0]
    for block in _blocks(file):
        reader.read(form.short.decode_lines(block))
        starts.append(starts[-1] + len(block))
        rows.append(reader.rows)
    return reader.history(_Saved(path, form.whole, starts, rows))


def _blocks(file: FileIO) -> Iterator[memoryview]:
    """Whole lines, many at once; what is behind the last line's end is left out.

    All are parts of one buffer, each until the next one is read: to allocate each anew
    takes as long as to decode it.
    """
    buffer, filled = bytearray(_BLOCK), 0
    while read := file.readinto(memoryview(buffer)[filled:]):
        filled += read
        end = buffer.rfind(b"\n", 0, filled) + 1
        yield memoryview(buffer)[:end]
        rest = buffer[end:filled]
        if len(rest) == len(buffer):  # a line that is longer
            buffer = bytearray(2 * len(buffer))
        buffer[: len(rest)] = rest
        filled = len(rest)


class _Pairs(Codes):
    """Numbers for pairs of names that were declared."""

    def __init__(self, positions: dict[str, Position], targets: dict[str, Target]) -> None:
        self._positions = positions
        self._targets = targets

    def __missing__(self, pair: tuple[str, str]) -> int:
        if pair[0] not in self._positions or pair[1] not in self._targets:
            raise _Unusual
        return super().__missing__(pair)


class _Backends(dict[bytes, int]):
    """Numbers for backends as they are spelt; the same for the same backend."""

    def __init__(self) -> None:
        self.numbers = Codes()

    def __missing__(self, spelt: bytes) -> int:
        backend = msgspec.json.decode(spelt, type=Backend | None) if spelt else None
        self[spelt] = number = NONE if backend is None else self.numbers[backend]
        return number


class _Reader:
    """Collects steps and columns of attempts, checking each record against those before."""

    def __init__(self, form: _Format, header: Header) -> None:
        self.rows = 0
        self._upgrade = form.upgrade
        self._header = header
        self._positions: dict[str, Position] = {}
        self._targets: dict[str, Target] = {}
        self._steps: list[Step] = []
        self._pairs = _Pairs(self._positions, self._targets)
        self._backends = _Backends()
        self._sources = Codes()
        self._columns: list[list[Numbers]] = [[np.zeros(0, np.int64)] * len(COLUMNS)]

    def read(self, records: Sequence[Any]) -> None:
        """Read the records of a block."""
        for kind, some in groupby(records, type):
            if kind is _Attempt:
                self._add(list(some))
            else:
                for record in some:
                    self._read_step(self._upgrade(record))

    def history(self, observations: Sequence[Observation]) -> History:
        """What was read; ``observations`` are its attempts one by one."""
        columns = map(np.concatenate, zip(*self._columns, strict=True))
        table = Table(
            **dict(zip(COLUMNS, columns, strict=True)),
            pairs=tuple(self._pairs),
            backends=tuple(self._backends.numbers),
            sources=tuple(self._sources),
        )
        return History(
            header=self._header,
            positions=self._positions,
            targets=self._targets,
            steps=tuple(self._steps),
            observations=observations,
            table=table,
        )

    @property
    def _next(self) -> int:
        return len(self._steps) + self.rows

    def _add(self, run: list[_Attempt]) -> None:
        index = np.arange(self._next, self._next + len(run))
        if [each.index for each in run] != index.tolist():
            raise _Unusual
        pairs, backends, sources = self._pairs, self._backends, self._sources
        columns = (
            [each.at_ns for each in run],
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
        elif isinstance(record, Header) or record.index != self._next:
            raise _Unusual
        else:
            if isinstance(record, Expectation):
                self._pairs[record.position, record.target]
            self._steps.append(record)


class _Saved(Sequence[Observation]):
    """Observations in a file, decoded when they are asked for, a block at a time.

    ``starts`` are the places of the blocks, ``rows`` the numbers of their first observations,
    both with the end as the last.
    """

    def __init__(
        self,
        path: Path,
        decoder: msgspec.json.Decoder[Any],
        starts: Sequence[int],
        rows: Sequence[int],
        chosen: range | None = None,
    ) -> None:
        self._path = path
        self._decoder = decoder
        self._starts = starts
        self._rows = rows
        self._chosen = range(rows[-1]) if chosen is None else chosen
        self._decoded: tuple[int, list[Observation]] = (-1, [])

    def __len__(self) -> int:
        return len(self._chosen)

    @overload
    def __getitem__(self, at: int) -> Observation: ...
    @overload
    def __getitem__(self, at: slice) -> _Saved: ...
    def __getitem__(self, at: int | slice) -> Observation | _Saved:
        if isinstance(at, slice):
            chosen = self._chosen[at]
            return _Saved(self._path, self._decoder, self._starts, self._rows, chosen)
        row = self._chosen[at]
        block = bisect_right(self._rows, row) - 1
        if block != self._decoded[0]:
            self._decoded = (block, self._decode(block))
        return self._decoded[1][row - self._rows[block]]

    def _decode(self, block: int) -> list[Observation]:
        begin, end = self._starts[block : block + 2]
        with self._path.open("rb") as file:
            file.seek(begin)
            records = self._decoder.decode_lines(file.read(end - begin))
        found = [record for record in records if isinstance(record, Observation)]
        if len(found) != self._rows[block + 1] - self._rows[block]:
            raise BadHistory(f"{self._path}: it was changed while it was judged")
        return found
