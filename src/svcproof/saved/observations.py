"""Observations in a file, decoded when they are asked for."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any, overload

import msgspec

from svcproof.errors import BadHistory
from svcproof.records import Observation

__all__ = ["SavedObservations"]


class SavedObservations(Sequence[Observation]):
    """All observations of a file; its last block stays decoded.

    ``blocks``: where each block of lines begins, and the number of its first observation;
    the last is the end of both.
    """

    def __init__(
        self,
        path: Path,
        decoder: msgspec.json.Decoder[Any],
        blocks: Sequence[tuple[int, int]],
        chosen: range | None = None,
    ) -> None:
        self._path = path
        self._decoder = decoder
        self._blocks = blocks
        self._chosen = range(blocks[-1][1]) if chosen is None else chosen
        self._number, self._decoded = -1, list[Observation]()

    def __len__(self) -> int:
        return len(self._chosen)

    @overload
    def __getitem__(self, at: int) -> Observation: ...
    @overload
    def __getitem__(self, at: slice) -> SavedObservations: ...
    def __getitem__(self, at: int | slice) -> Observation | SavedObservations:
        if isinstance(at, slice):
            return SavedObservations(self._path, self._decoder, self._blocks, self._chosen[at])
        row = self._chosen[at]
        number = bisect_right(self._blocks, row, key=itemgetter(1)) - 1
        if number != self._number:
            self._number, self._decoded = number, self._decode(number)
        return self._decoded[row - self._blocks[number][1]]

    def _decode(self, number: int) -> list[Observation]:
        (begin, first), (end, next_first) = self._blocks[number : number + 2]
        with self._path.open("rb") as file:
            file.seek(begin)
            records = self._decoder.decode_lines(file.read(end - begin))
        found = [record for record in records if isinstance(record, Observation)]
        if len(found) != next_first - first:
            raise BadHistory(f"{self._path}: it was changed while it was judged")
        return found
