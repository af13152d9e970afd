"""The one ordered record of a run: every attempt and every change.

A history is JSON lines. The first line is a :class:`Header`; then come
:class:`PositionDeclared` and :class:`TargetDeclared` records, each before its
first use, and the *entries*: :class:`Expectation`, :class:`Observation` and
:class:`~svcproof.events.Event` records in the order in which the harness learnt of them
(``index`` counts all three together from 0). Checkers read a history and
nothing else, so a saved one can be judged again.

An expectation opens a *cell*: the attempts of its position to its target that
follow, up to the next expectation for the same pair. From the first change on
(``unsettled``) there is traffic across cells: then an attempt belongs to the cell
in which it began, whenever it ended.
Attempts outside any cell are kept, and never judged.

``at_ns`` is Unix time in nanoseconds as the observing process saw it: its wall
clock at its start plus its monotonic clock since, so that a step of the wall
clock in mid-run cannot reorder one client's attempts. Durations are in
microseconds.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from heapq import merge
from operator import attrgetter
from typing import TYPE_CHECKING

from svcproof.events import Event
from svcproof.promises import Backend, Outcome, Promise
from svcproof.records import (
    VERSION,
    Affinity,
    Attempt,
    Choice,
    Entry,
    Expectation,
    Family,
    Form,
    Header,
    Observation,
    Position,
    PositionDeclared,
    Protocol,
    Record,
    Step,
    Target,
    TargetDeclared,
    decode_attempt,
    encode,
)
from svcproof.unread import Unread

if TYPE_CHECKING:
    from svcproof.attempts import Attempts, Table

__all__ = [
    "VERSION",
    "Affinity",
    "Attempt",
    "Backend",
    "Cell",
    "Choice",
    "Entry",
    "Event",
    "Expectation",
    "Family",
    "Form",
    "Header",
    "History",
    "Observation",
    "Outcome",
    "Position",
    "PositionDeclared",
    "Promise",
    "Protocol",
    "Record",
    "Step",
    "Target",
    "TargetDeclared",
    "decode_attempt",
    "encode",
]


@dataclass(frozen=True, kw_only=True, eq=False)
class Cell:
    """One expectation and the attempts it is about: what checkers judge.

    ``attempts`` are arrays, ``observations`` the same one by one, out of all ``records``
    of the history: those of a saved one are decoded when they are asked for.
    """

    expectation: Expectation
    position: Position
    target: Target
    attempts: Attempts
    records: Sequence[Observation]

    @property
    def promise(self) -> Promise:
        """What is promised to these attempts."""
        return self.expectation.promise

    @property
    def where(self) -> str:
        """The pair in words, for findings."""
        return f"{self.position} → {self.target}"

    @cached_property
    def observations(self) -> tuple[Observation, ...]:
        """The attempts one by one, in the order in which they ended."""
        return self.each(self.attempts)

    @cached_property
    def answered(self) -> tuple[Observation, ...]:
        """The attempts that were answered, in the order in which they ended."""
        return self.each(self.attempts.answered)

    @cached_property
    def choices(self) -> tuple[Observation, ...]:
        """The answers that say by whom, in the order in which the attempts began."""
        return self.each(self.attempts.choices)

    def first(self, attempts: Attempts) -> Observation:
        """The first of some of its attempts."""
        return self.records[int(attempts.rows[0])]

    def each(self, attempts: Attempts) -> tuple[Observation, ...]:
        """Some of its attempts, one by one."""
        return tuple(self.records[row] for row in attempts.rows.tolist())


@dataclass(frozen=True, kw_only=True)
class History:
    """An immutable history.

    ``steps`` are its expectations and events, ``observations`` its attempts, each in
    the order of their ``index``. ``table`` holds the attempts as arrays, where a reader has
    them already. ``unread`` is what another version wrote there and this one does not know.
    """

    header: Header
    positions: dict[str, Position]
    targets: dict[str, Target]
    steps: tuple[Step, ...]
    observations: Sequence[Observation]
    table: Table | None = field(default=None, compare=False, repr=False)
    unread: tuple[Unread, ...] = ()

    @classmethod
    def of(
        cls,
        header: Header,
        positions: dict[str, Position],
        targets: dict[str, Target],
        entries: Iterable[Entry],
    ) -> History:
        """A history of entries that are there one by one."""
        steps: list[Step] = []
        observations: list[Observation] = []
        for entry in entries:
            if isinstance(entry, Observation):
                observations.append(entry)
            else:
                steps.append(entry)
        return cls(
            header=header,
            positions=positions,
            targets=targets,
            steps=tuple(steps),
            observations=tuple(observations),
        )

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """All entries, in order."""
        return tuple(merge(self.steps, self.observations, key=attrgetter("index")))

    @cached_property
    def events(self) -> tuple[Event, ...]:
        """The events, in order."""
        return tuple(step for step in self.steps if isinstance(step, Event))

    @cached_property
    def attempts(self) -> Attempts:
        """All attempts, those outside any cell as well."""
        from svcproof.attempts import all_of, tabulated

        return all_of(self.table or tabulated(self.observations))

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """Every expectation with its attempts, in the order of the expectations."""
        from svcproof.attempts import by_cell

        expectations = [step for step in self.steps if isinstance(step, Expectation)]
        return tuple(
            Cell(
                expectation=expectation,
                position=self.positions[expectation.position],
                target=self.targets[expectation.target],
                attempts=attempts,
                records=self.observations,
            )
            for expectation, attempts in zip(
                expectations, by_cell(self.attempts.table, expectations), strict=True
            )
        )

    @property
    def successive(self) -> list[tuple[Cell, Cell | None]]:
        """Each cell with its pair's next one, which begins where it ends."""
        following: dict[tuple[str, str], Cell] = {}
        found = []
        for cell in reversed(self.cells):
            pair = (cell.position.name, cell.target.name)
            found.append((cell, following.get(pair)))
            following[pair] = cell
        return found[::-1]

    def before(self, step: Step) -> History:
        """What stands before one of its steps."""
        steps = self.steps[: bisect_left(self.steps, step.index, key=attrgetter("index"))]
        attempts = step.index - len(steps)
        return replace(
            self,
            steps=steps,
            observations=self.observations[:attempts],
            table=self.table and self.table.first(attempts),
            unread=tuple(each for each in self.unread if each.before <= step.index),
        )
