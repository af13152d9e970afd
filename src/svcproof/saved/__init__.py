"""A saved history, read fast: its attempts as arrays, and one by one only where asked for.

Of a long one another process reads the rest meanwhile. A file that is not
as it should be is left to :mod:`svcproof.history_reader`, which reads it line by line and
says what is wrong, and where.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from svcproof.attempts import COLUMNS, NONE, Codes, Table
from svcproof.history import Header, History, Position, Step, Target
from svcproof.history_reader import decode_lines
from svcproof.saved.observations import SavedObservations
from svcproof.saved.part import FORMATS, Part, Unusual, read_part

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from svcproof.attempts import Numbers

__all__ = ["read_history"]

#: Bytes from which on some of them are worth another process.
_LONG: Final = 1 << 25
#: The share that this process reads: it has something else to do ``meanwhile``.
_SHARE: Final = 0.45
#: What becomes of a line that is not as it should be.
_ODD: Final = (Unusual, msgspec.DecodeError, UnicodeError, OverflowError, RecursionError)


def read_history(path: Path, *, meanwhile: Callable[[], object] = lambda: None) -> History:
    """The history in a file.

    ``meanwhile`` is called where this process would wait for another. Raises
    :class:`~svcproof.errors.BadHistory`, as :func:`~svcproof.history_reader.decode_lines`
    does, and :class:`OSError`.
    """
    try:
        return _read(path, meanwhile)
    except _ODD:
        with path.open("rb") as lines:
            return decode_lines(lines, source=str(path))


def _read(path: Path, meanwhile: Callable[[], object]) -> History:
    with path.open("rb") as file:
        first = file.readline()
        begin, end = len(first), os.fstat(file.fileno()).st_size
        file.seek(begin + int(_SHARE * (end - begin)))
        middle = min(end, file.tell() + len(file.readline()))
    header = msgspec.json.decode(first, type=Header)
    if header.version not in FORMATS or not first.endswith(b"\n"):
        raise Unusual
    if end - begin >= _LONG and _has_two_processors():
        parts = _read_both(path, header.version, (begin, middle, end), meanwhile)
    else:
        parts = [read_part(path, header.version, begin, end)]
    return _joined(path, header, parts)


def _has_two_processors() -> bool:
    """Whether another process would gain anything; where processes cannot be forked: no."""
    return sys.platform == "linux" and len(os.sched_getaffinity(0)) > 1


def _read_both(
    path: Path, version: int, places: tuple[int, int, int], meanwhile: Callable[[], object]
) -> list[Part]:
    """The part before the middle, and that behind it by another process."""
    from multiprocessing import get_context

    context = get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    begin, middle, end = places
    other = context.Process(target=_send, args=(sender, path, version, middle, end))
    other.start()
    sender.close()
    try:
        here = read_part(path, version, begin, middle)
        meanwhile()
        return [here, receiver.recv()]
    except EOFError as error:  # it ended without a word: it met something odd, or was killed
        raise Unusual from error
    finally:
        other.terminate()
        other.join()


def _send(sender: Connection, path: Path, version: int, begin: int, end: int) -> None:
    """Read a part in this process, which is there for nothing else, and send it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        sender.send(read_part(path, version, begin, end))
    except _ODD:
        sender.close()


def _joined(path: Path, header: Header, parts: Iterable[Part]) -> History:
    """The history that parts make, if each goes with those before."""
    positions: dict[str, Position] = {}
    targets: dict[str, Target] = {}
    steps: list[Step] = []
    numbers = {"pair": Codes(), "backend": Codes(), "source": Codes()}
    columns: list[list[Numbers]] = []
    blocks: list[tuple[int, int]] = [(0, 0)]
    for part in parts:
        rows = blocks.pop()[1]
        if part.first not in (None, len(steps) + rows):
            raise Unusual
        if part.missing[0] - positions.keys() or part.missing[1] - targets.keys():
            raise Unusual
        positions |= part.positions
        targets |= part.targets
        steps += part.steps
        columns.append(_renumbered(part, numbers))
        blocks += [(start, rows + row) for start, row in part.blocks]
    table = Table(
        **{name: np.concatenate(column) for name, *column in zip(COLUMNS, *columns, strict=True)},
        pairs=tuple(numbers["pair"]),
        backends=tuple(numbers["backend"]),
        sources=tuple(numbers["source"]),
    )
    observations = SavedObservations(path, FORMATS[header.version].whole, blocks)
    return History(
        header=header,
        positions=positions,
        targets=targets,
        steps=tuple(steps),
        observations=observations,
        table=table,
    )


def _renumbered(part: Part, numbers: dict[str, Codes]) -> list[Numbers]:
    """A part's columns with the numbers that all parts have in common."""
    columns = dict(zip(COLUMNS, part.columns, strict=True))
    for name, things in part.things.items():
        columns[name] = np.array([*map(numbers[name].__getitem__, things), NONE])[columns[name]]
    return list(columns.values())
