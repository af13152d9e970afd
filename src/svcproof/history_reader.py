"""A history from its JSON lines, of this format or of an older one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, Final, NamedTuple, get_args

import msgspec

from svcproof import history_v1
from svcproof.errors import BadHistory
from svcproof.events import UNJUDGED, Event, Other
from svcproof.history import (
    VERSION,
    Entry,
    Expectation,
    Header,
    History,
    Observation,
    Position,
    PositionDeclared,
    Record,
    Target,
    TargetDeclared,
)
from svcproof.unread import Unread, known_part

__all__ = ["decode_lines"]


class _Format(NamedTuple):
    """How the lines after the header are read."""

    records: Any  #: the union of all kinds
    decoder: msgspec.json.Decoder[Any]
    kinds: dict[str, type[msgspec.Struct]]  #: by the word that is their ``type``
    upgrade: Callable[[Any], Record | Event] = lambda record: record


def _format(records: Any, *upgrade: Callable[[Any], Record | Event]) -> _Format:
    kinds = {str(kind.__struct_config__.tag): kind for kind in get_args(records)}
    return _Format(records, msgspec.json.Decoder(records), kinds, *upgrade)


_FORMATS: Final = {
    VERSION: _format(Record),
    history_v1.VERSION: _format(history_v1.RecordV1, history_v1.upgrade),
}
#: What declares the names that an entry has in fields of the same names.
_DECLARED: Final = ("position", "target")
#: Lines that are decoded at once: to decode each alone takes twice as long.
_BATCH: Final = 2_000
#: What becomes of a line that is no record; too many brackets are none, either.
_UNDECODED: Final = (msgspec.DecodeError, UnicodeError, RecursionError)
#: What to do with something newer.
_REMEDY: Final = "read it with the svcproof that wrote it, or with a newer one"


class _First(msgspec.Struct):
    """The first line of any format."""

    type: str = ""
    version: int = 0


def decode_lines(lines: Iterable[bytes], *, source: str = "history") -> History:
    """A history from its JSON lines.

    A last line without a newline is what a killed writer leaves: it is dropped. What another
    version has added (a kind of record, a field, a word) is no damage: it is named in
    :attr:`~svcproof.history.History.unread`, and the rest is used. Of a record that cannot
    be used without it an :class:`~svcproof.events.Other` of its kind is left.

    Raises :class:`~svcproof.errors.BadHistory`, naming source and line, for a
    missing header, a version that is not known, an undeclared
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
        self._positions: dict[str, Position] = {}
        self._targets: dict[str, Target] = {}
        self._entries: list[Entry] = []
        self._unread: dict[tuple[str, bool], Unread] = {}
        #: Names of positions and of targets whose declaration was not understood.
        self._strange: tuple[set[str], set[str]] = (set(), set())
        self._header = self._read_header(first)
        self._format = _FORMATS[self._header.version]

    @property
    def history(self) -> History:
        """What was read so far."""
        read = History.of(self._header, self._positions, self._targets, self._entries)
        return replace(read, unread=tuple(self._unread.values()))

    def read(self, number: int, lines: Sequence[bytes]) -> None:
        """Read lines, the first of which has this number; all at once where that goes."""
        try:
            records = self._format.decoder.decode_lines(b"".join(lines))
        except _UNDECODED:
            records = []
        if len(records) != len(lines):  # one is wrong, strange or empty: look for it
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
            first = msgspec.json.decode(line, type=_First)
            if first.type != "header":
                raise self._bad(1, "the first line is not a header")
            if first.version not in _FORMATS:
                known = " and ".join(map(str, sorted(_FORMATS)))
                raise self._bad(
                    1, f"format version {first.version}; this svcproof reads {known}", _REMEDY
                )
            part = known_part(msgspec.json.decode(line), Header)
            header = msgspec.convert(part.value, type=Header)
        except _UNDECODED as error:
            raise self._bad(1, str(error)) from error
        for field in part.fields:
            self._note(1, f"field {field} of the header", bears=False)
        return header

    def _read_singly(self, first: int, lines: Sequence[bytes]) -> None:
        for number, line in enumerate(lines, start=first):
            if not line.strip():
                continue
            try:
                record = self._format.decoder.decode(line)
            except _UNDECODED as error:
                record = self._understood(number, line, error)
            if record is not None:
                self._read_record(number, record)

    def _understood(self, number: int, line: bytes, why: Exception) -> Any:
        """What can be used of a line that is no record as this version knows them, if anything."""
        try:
            value = msgspec.json.decode(line)
        except _UNDECODED:
            raise self._bad(number, str(why)) from why
        word = value.get("type") if isinstance(value, dict) else None
        if not isinstance(word, str):
            raise self._bad(number, str(why)) from why
        kind = self._format.kinds.get(word)
        if kind is None:
            return self._left(number, value, f"record of type {word!r}", bears=True)
        bears = kind not in UNJUDGED
        part = known_part(value, kind)
        for field in part.fields:
            self._note(number, f"field {field} of {word}", bears=bears)
        if part.words:
            return self._left(number, value, f"{word} with {'; '.join(part.words)}", bears=bears)
        try:
            return msgspec.convert(part.value, type=self._format.records)
        except msgspec.ValidationError as error:
            if bears:
                raise self._bad(number, f"{word}: {error}") from error
            return self._left(number, value, f"{word}: {error}", bears=False)

    def _left(self, number: int, value: dict[str, Any], what: str, *, bears: bool) -> Any:
        """What is left of a record that is of no use: if it has a place in the order, that."""
        self._note(number, what, bears=bears)
        for word, names in zip(_DECLARED, self._strange, strict=True):
            declared = value.get(word)
            if value["type"] == word and isinstance(declared, dict):
                names.add(str(declared.get("name")))
        index, at_ns = value.get("index"), value.get("at_ns")
        if type(index) is not int:
            return None
        return Other(kind=value["type"], index=index, at_ns=at_ns if type(at_ns) is int else 0)

    def _note(self, number: int, what: str, *, bears: bool) -> None:
        before = self._unread.get((what, bears))
        self._unread[what, bears] = (
            replace(before, lines=before.lines + 1)
            if before
            else Unread(what=what, line=number, before=len(self._entries), bears=bears)
        )

    def _read_record(self, number: int, read: Any) -> None:
        record = self._upgraded(number, read)
        if isinstance(record, Header):
            raise self._bad(number, "a second header")
        if isinstance(record, PositionDeclared):
            self._positions[record.position.name] = record.position
            self._strange[0].discard(record.position.name)
        elif isinstance(record, TargetDeclared):
            self._targets[record.target.name] = record.target
            self._strange[1].discard(record.target.name)
        else:
            self._read_entry(number, record)

    def _upgraded(self, number: int, read: Any) -> Record | Event:
        if isinstance(read, Other):  # what is left of a record that is not understood
            return read
        try:
            return self._format.upgrade(read)
        except msgspec.ValidationError as error:
            raise self._bad(number, f"{read.kind}: {error}") from error

    def _read_entry(self, number: int, entry: Entry) -> None:
        if entry.index != len(self._entries):
            raise self._bad(number, f"index {entry.index} where {len(self._entries)} was due")
        if not isinstance(entry, Event):
            entry = self._placed(number, entry)
        self._entries.append(entry)

    def _placed(self, number: int, entry: Expectation | Observation) -> Entry:
        """The entry, if it is about a position and a target that are known."""
        kind = str(entry.__struct_config__.tag)
        for word, name, is_known, strange in (
            ("position", entry.position, entry.position in self._positions, self._strange[0]),
            ("target", entry.target, entry.target in self._targets, self._strange[1]),
        ):
            if name in strange:
                self._note(number, f"{kind} with a {word} that is not understood", bears=True)
                return Other(kind=kind, index=entry.index, at_ns=entry.at_ns)
            if not is_known:
                raise self._bad(number, f"{word} {name!r} was not declared")
        return entry

    def _bad(self, number: int, what: str, remedy: str = "") -> BadHistory:
        return BadHistory(f"{self._source}, line {number}: {what}", remedy=remedy)
