"""Attempts as arrays, one for each field that is judged: checks of a million take no time.

What a field says in words (how an attempt ended, who answered, which address was seen) is a
number there, and a small table has the words. NumPy loads slowly: import this late.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from svcproof.promises import Backend, Outcome
from svcproof.records import Expectation, Observation

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "COLUMNS",
    "NONE",
    "OUTCOMES",
    "Attempts",
    "Codes",
    "Table",
    "all_of",
    "by_cell",
    "tabulated",
]

Numbers: TypeAlias = "NDArray[np.int64]"
Mask: TypeAlias = "NDArray[np.bool_]"

#: How attempts end; the place in it is the number that stands for it.
OUTCOMES: Final[Mapping[Outcome, int]] = MappingProxyType(
    {outcome: number for number, outcome in enumerate(Outcome)}
)
_ENDINGS: Final = tuple(Outcome)
#: For a backend that is not named, and for a time that is not known.
NONE: Final = -1


class Codes(dict[Any, int]):
    """A number for each thing that comes up, in that order."""

    def __missing__(self, thing: Any) -> int:
        self[thing] = number = len(self)
        return number


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """All attempts of a history, in their order, and the words for its numbers.

    ``index`` is among all entries of the history. ``connect_us`` and ``reply_us`` are in
    microseconds, or :data:`NONE`.
    ``pair`` is a number in ``pairs`` (names of position and target), ``backend`` one in
    ``backends``, ``source`` one in ``sources``, ``outcome`` one of :data:`OUTCOMES`.
    """

    index: Numbers
    at_ns: Numbers
    connect_us: Numbers
    reply_us: Numbers
    pair: Numbers
    outcome: Numbers
    backend: Numbers
    source: Numbers
    pairs: tuple[tuple[str, str], ...]
    backends: tuple[Backend, ...]
    sources: tuple[str, ...]

    def first(self, rows: int) -> Table:
        """The table of the first of them."""
        return replace(self, **{name: getattr(self, name)[:rows] for name in COLUMNS})


#: The columns of a table, by name.
COLUMNS: Final = (
    "index",
    "at_ns",
    "connect_us",
    "reply_us",
    "pair",
    "outcome",
    "backend",
    "source",
)


class Attempts:
    """Some of a history's attempts; ``rows`` are their places among all of them."""

    def __init__(self, table: Table, rows: Numbers) -> None:
        self.table = table
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def indices(self) -> tuple[int, ...]:
        """Their places among all entries of the history, for findings."""
        return tuple(self.table.index[self.rows].tolist())

    @cached_property
    def at_ns(self) -> Numbers:
        """When they began, in nanoseconds."""
        return self.table.at_ns[self.rows]

    @cached_property
    def connect_us(self) -> Numbers:
        """How long connecting took, in microseconds; -1 where that is not known."""
        return self.table.connect_us[self.rows]

    @cached_property
    def reply_us(self) -> Numbers:
        """How long the reply took, in microseconds; -1 where that is not known."""
        return self.table.reply_us[self.rows]

    @cached_property
    def known(self) -> Attempts:
        """Those of which it is known how they ended: others are no evidence."""
        return self.where(~self.ended(Outcome.UNKNOWN))

    @cached_property
    def answered(self) -> Attempts:
        """Those that were answered."""
        return self.where(self.ended(Outcome.ANSWERED))

    @cached_property
    def choices(self) -> Attempts:
        """The answers that say by whom, in the order in which the attempts began."""
        answered = self.answered
        return answered.where(answered._backend != NONE).in_time

    @cached_property
    def timed(self) -> Attempts:
        """The answers of which it is known how long connecting took."""
        answered = self.answered
        return answered.where(answered.connect_us != NONE)

    @property
    def in_time(self) -> Attempts:
        """The same in the order in which they began."""
        return self.where(np.argsort(self.at_ns, kind="stable"))

    def followed_by(self, *others: Attempts) -> Attempts:
        """These and others of the same history."""
        return Attempts(self.table, np.concatenate([self.rows, *(each.rows for each in others)]))

    def where(self, chosen: Mask | Numbers | slice) -> Attempts:
        """Those that are chosen: by a mask or by their places here."""
        return Attempts(self.table, self.rows[chosen])

    def ended(self, *outcomes: Outcome) -> Mask:
        """Which of them ended in one of these ways."""
        return _is_in([OUTCOMES[outcome] for outcome in outcomes], self._outcome, len(OUTCOMES))

    def answered_by(self, whom: Callable[[Backend], bool]) -> Mask:
        """Which of them were answered by a backend for which this is true."""
        known = self.table.backends
        wanted = [number for number, backend in enumerate(known) if whom(backend)]
        return _is_in(wanted, self._backend, len(known))

    def seen_as(self, what: Callable[[str], bool]) -> Mask:
        """Of which of them the backend saw a source address for which this is true."""
        known = self.table.sources
        wanted = [number for number, address in enumerate(known) if what(address)]
        return _is_in(wanted, self._source, len(known))

    def backend_numbers(self, number: Callable[[Backend], int]) -> Numbers:
        """A number for each that its backend decides; ``NONE`` where there is no backend."""
        return np.array([*map(number, self.table.backends), NONE])[self._backend]

    @cached_property
    def endings(self) -> dict[Outcome, int]:
        """How they ended and how many so, in the order in which that came up."""
        return {_ENDINGS[code]: count for code, count in _counts(self._outcome).items()}

    @cached_property
    def backends(self) -> dict[Backend | None, int]:
        """Who answered and how many, in the order in which they came up."""
        words = (*self.table.backends, None)
        return {words[code]: count for code, count in _counts(self._backend).items()}

    @cached_property
    def sources(self) -> dict[str, int]:
        """Which addresses backends saw and how often, in the order in which they came up."""
        words = self.table.sources
        return {words[code]: count for code, count in _counts(self._source).items()}

    @cached_property
    def _outcome(self) -> Numbers:
        return self.table.outcome[self.rows]

    @cached_property
    def _backend(self) -> Numbers:
        return self.table.backend[self.rows]

    @cached_property
    def _source(self) -> Numbers:
        return self.table.source[self.rows]


def tabulated(observations: Sequence[Observation]) -> Table:
    """The table of observations that are there one by one."""
    pairs, backends, sources = Codes(), Codes(), Codes()
    columns = {
        "index": [each.index for each in observations],
        "at_ns": [each.at_ns for each in observations],
        "connect_us": [
            NONE if each.connect_us is None else each.connect_us for each in observations
        ],
        "reply_us": [NONE if each.reply_us is None else each.reply_us for each in observations],
        "pair": [pairs[each.position, each.target] for each in observations],
        "outcome": [OUTCOMES[each.outcome] for each in observations],
        "backend": [
            NONE if each.backend is None else backends[each.backend] for each in observations
        ],
        "source": [sources[each.source_address] for each in observations],
    }
    return Table(
        **{name: np.array(column, dtype=np.int64) for name, column in columns.items()},
        pairs=tuple(pairs),
        backends=tuple(backends),
        sources=tuple(sources),
    )


def all_of(table: Table) -> Attempts:
    """All attempts of a history, those outside any cell as well."""
    return Attempts(table, np.arange(len(table.index)))


def by_cell(table: Table, expectations: Sequence[Expectation]) -> list[Attempts]:
    """The attempts that each expectation is about, in the order of the expectations."""
    found: dict[int, Numbers] = {}
    numbers = {pair: number for number, pair in enumerate(table.pairs)}
    rows = _groups(table.pair, len(table.pairs))
    for pair, of_pair in _by_pair(expectations).items():
        here = rows[numbers[pair]] if pair in numbers else np.zeros(0, dtype=np.int64)
        owner = _owners(table.index[here], table.at_ns[here], of_pair)
        found |= {due.index: here[owner == place] for place, due in enumerate(of_pair)}
    return [Attempts(table, found[due.index]) for due in expectations]


def _by_pair(expectations: Sequence[Expectation]) -> dict[tuple[str, str], list[Expectation]]:
    pairs: dict[tuple[str, str], list[Expectation]] = {}
    for due in expectations:
        pairs.setdefault((due.position, due.target), []).append(due)
    return pairs


def _owners(index: Numbers, at_ns: Numbers, of_pair: Sequence[Expectation]) -> Numbers:
    """To which of a pair's cells each attempt belongs; ``NONE`` before the first.

    To the one that was open when it ended; from the first change on there is traffic
    across cells, and then to the one in which it began.
    """
    owner = np.searchsorted([due.index for due in of_pair], index) - 1
    change = next((place for place, due in enumerate(of_pair) if due.unsettled), len(of_pair))
    for place in range(len(of_pair) - 1, change, -1):
        owner[(owner == place) & (at_ns < of_pair[place].at_ns)] -= 1
    return owner


def _groups(codes: Numbers, size: int) -> list[Numbers]:
    """The places of each code, in order."""
    ordered = np.argsort(codes, kind="stable")
    return np.split(ordered, np.cumsum(np.bincount(codes, minlength=size))[:-1])


def _is_in(wanted: Iterable[int], codes: Numbers, size: int) -> Mask:
    """Which codes are wanted; ``NONE`` is not."""
    table = np.zeros(size + 1, dtype=np.bool_)
    table[list(wanted)] = True
    return table[codes]


def _counts(codes: Numbers) -> dict[int, int]:
    """How often each code is there, in the order in which they came up."""
    counts = np.bincount(codes + 1)
    first = np.zeros(len(counts), dtype=np.int64)
    first[codes[::-1] + 1] = np.arange(len(codes))[::-1]  # of several the last one stays
    there = np.flatnonzero(counts)
    return {int(at) - 1: int(counts[at]) for at in there[np.argsort(first[there])]}
