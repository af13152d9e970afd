"""A history from its JSON lines, of this format or of an older one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple, get_args

import msgspec

from svcproof import history_v1
from svcproof.errors import BadHistory
from svcproof.events import Event
from svcproof.history import (
    VERSION,
    Entry,
    Header,
    History,
    Observation,
    Position,
    PositionDeclared,
    Record,
    Target,
    TargetDeclared,
)

__all__ = ["decode_lines"]


class _Format(NamedTuple):
    """How the lines after the header are read."""

    decoder: msgspec.json.Decoder[Any]
    words: tuple[str, ...]  #: of records, as ``type`` spells them
    upgrade: Callable[[Any], Record | Event] | None = None


def _words(records: object) -> tuple[str, ...]:
    return tuple(sorted(str(kind.__struct_config__.tag) for kind in get_args(records)))


_FORMATS: Final = {
    VERSION: _Format(msgspec.json.Decoder(Record), _words(Record)),
    history_v1.VERSION: _Format(
        msgspec.json.Decoder(history_v1.RecordV1),
        _words(history_v1.RecordV1),
        history_v1.upgrade,
    ),
}
#: Lines that are decoded at once: to decode each alone takes twice as long.
_BATCH: Final = 2_000


class _Kind(msgspec.Struct):
    """Any record: what kind it says it is."""

    type: str = ""


def decode_lines(lines: Iterable[bytes], *, source: str = "history") -> History:
    """A history from its JSON lines.

    A last line without a newline is what a killed writer leaves: it is dropped.
    Raises :class:`~svcproof.errors.BadHistory`, naming source and line, for a
    missing header, a version or a kind of record that is not known, an undeclared
    name, an index out of order or anything that does not parse.
    """
    remaining, number = iter(lines), 2
    reader = _Reader(source, next(remaining, b""))
    while batch := list(islice(remaining, _BATCH)):
        whole = next((i for i, line in enumerate(batch) if line[-1:] != b"\n"), len(batch))
        reader.read(number, batch[:whole])
        if whole < len(batch):
            break
        number += len(batch)
    return reader.history


class _Reader:
    """Builds a history record by record, checking each against those before."""

    def __init__(self, source: str, first: bytes) -> None:
        self._source = source
        self._header = self._read_header(first)
        self._format = _FORMATS[self._header.version]
        self._positions: dict[str, Position] = {}
        self._targets: dict[str, Target] = {}
        self._entries: list[Entry] = []

    @property
    def history(self) -> History:
        """What was read so far."""
        return History.of(self._header, self._positions, self._targets, self._entries)

    def read(self, number: int, lines: Sequence[bytes]) -> None:
        """Read lines, the first of which has this number; all at once where that goes."""
        try:
            records = self._format.decoder.decode_lines(b"".join(lines))
        except (msgspec.DecodeError, UnicodeError):
            records = []
        if len(records) != len(lines):  # one is wrong or empty: look for it
            self._read_singly(number, lines)
            return
        entries, positions, targets = self._entries, self._positions, self._targets
        for offset, record in enumerate(records):
            if (
                type(record) is Observation  # nearly all are
                and record.index == len(entries)
                and record.position in positions
                and record.target in targets
            ):
                entries.append(record)
            else:
                self._read_record(number + offset, record)

    def _read_header(self, line: bytes) -> Header:
        if line[-1:] != b"\n":
            raise BadHistory(f"{self._source}: empty, there is not even a header")
        try:
            if msgspec.json.decode(line, type=_Kind).type != "header":
                raise self._bad(1, "the first line is not a header")
            header = msgspec.json.decode(line, type=Header)
        except (msgspec.DecodeError, UnicodeError) as error:
            raise self._bad(1, str(error)) from error
        if header.version not in _FORMATS:
            known = " and ".join(map(str, sorted(_FORMATS)))
            raise self._bad(1, f"format version {header.version}; this svcproof reads {known}")
        return header

    def _read_singly(self, first: int, lines: Sequence[bytes]) -> None:
        for number, line in enumerate(lines, start=first):
            if not line.strip():
                continue
            try:
                record = self._format.decoder.decode(line)
            except (msgspec.DecodeError, UnicodeError) as error:
                raise self._bad(number, self._why(line) or str(error)) from error
            self._read_record(number, record)

    def _why(self, line: bytes) -> str:
        """Whether the line is a record of a kind that nobody knows here, in words."""
        try:
            word = msgspec.json.decode(line, type=_Kind).type
        except (msgspec.DecodeError, UnicodeError):
            return ""
        if not word or word in self._format.words:
            return ""
        known = ", ".join(self._format.words)
        return f"unknown type of record {word!r}; this svcproof knows {known}"

    def _read_record(self, number: int, read: Any) -> None:
        record = self._upgraded(number, read)
        if isinstance(record, Header):
            raise self._bad(number, "a second header")
        if isinstance(record, PositionDeclared):
            self._positions[record.position.name] = record.position
        elif isinstance(record, TargetDeclared):
            self._targets[record.target.name] = record.target
        else:
            self._read_entry(number, record)

    def _upgraded(self, number: int, read: Any) -> Record | Event:
        if self._format.upgrade is None:
            record: Record | Event = read
            return record
        try:
            return self._format.upgrade(read)
        except msgspec.ValidationError as error:
            raise self._bad(number, f"{read.kind}: {error}") from error

    def _read_entry(self, number: int, entry: Entry) -> None:
        if entry.index != len(self._entries):
            raise self._bad(number, f"index {entry.index} where {len(self._entries)} was due")
        if not isinstance(entry, Event):
            if entry.position not in self._positions:
                raise self._bad(number, f"position {entry.position!r} was not declared")
            if entry.target not in self._targets:
                raise self._bad(number, f"target {entry.target!r} was not declared")
        self._entries.append(entry)

    def _bad(self, number: int, what: str) -> BadHistory:
        return BadHistory(f"{self._source}, line {number}: {what}")
