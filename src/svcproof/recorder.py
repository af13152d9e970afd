"""Writes a history while it happens: each record is in the file at once.

One ``write`` of a whole line per record, to a file opened for appending: what
the harness learnt survives its own SIGKILL, up to the last attempt.
"""

from __future__ import annotations

import math
import os
import sys
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final, TypeVar

from svcproof.errors import EnvironmentProblem
from svcproof.events import AnyEvent, Event
from svcproof.history import (
    VERSION,
    Affinity,
    Attempt,
    Choice,
    Entry,
    Expectation,
    Header,
    History,
    Observation,
    Position,
    PositionDeclared,
    Promise,
    Record,
    Step,
    Target,
    TargetDeclared,
    encode,
)

__all__ = ["Progress", "Recorder", "now_ns"]

_WALL_START: Final = time.time_ns()
_MONOTONIC_START: Final = time.monotonic_ns()
_Event = TypeVar("_Event", bound=Event)


def now_ns() -> int:
    """Unix time that never runs backwards: see :mod:`svcproof.history` on clocks."""
    return _WALL_START + time.monotonic_ns() - _MONOTONIC_START


@dataclass(frozen=True)
class Progress:
    """Attempts made, attempts that the promises opened so far ask for, and the last pair."""

    made: int = 0
    due: int = 0
    where: str = ""


class Recorder:
    """The one writer of a history; may be used from several threads.

    ``path`` is ``None`` for a history that only lives in memory.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        run: str,
        case: str,
        cluster: dict[str, str | int | list[str]] | None = None,
    ) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._positions: dict[str, Position] = {}
        self._targets: dict[str, Target] = {}
        self._steps: list[Step] = []
        self._observations: list[Observation] = []
        self._progress = Progress()
        self._file = None if path is None else _open(path)
        self._header = Header(version=VERSION, run=run, case=case, cluster=cluster or {})
        self._write(self._header)

    @property
    def run(self) -> str:
        """The run id that every Pod of this run answers with."""
        return self._header.run

    def observe(self, position: Position, target: Target, attempt: Attempt) -> Observation:
        """Append one attempt."""
        with self._lock:
            self._declare(position, target)
            observation = Observation(
                index=self._next,
                position=position.name,
                target=target.name,
                **{name: getattr(attempt, name) for name in _ATTEMPT_FIELDS},
            )
            self._observations.append(observation)
            self._write(observation)
            self._progress = replace(self._progress, made=self._progress.made + 1)
        return observation

    def expect(
        self,
        position: Position,
        target: Target,
        promise: Promise,
        *,
        minimum: int = 1,
        choice: Choice = "",
        affinity: Affinity = "",
        control: str = "",
        unsettled: bool = False,
        outage_ms: int | None = None,
        trouble_ms: int | None = None,
        rate: float = 0.0,
        payload: int = 0,
    ) -> Expectation:
        """Append what is promised to ``position`` from here on; opens a cell.

        What is asked beside is explained in :class:`~svcproof.history.Expectation`.
        """
        with self._lock:
            self._declare(position, target)
            expectation = Expectation(
                index=self._next,
                at_ns=now_ns(),
                position=position.name,
                target=target.name,
                promise=promise,
                minimum=minimum,
                choice=choice,
                affinity=affinity,
                control=control,
                unsettled=unsettled,
                outage_ms=outage_ms,
                trouble_ms=trouble_ms,
                rate=rate,
                payload=payload,
            )
            self._steps.append(expectation)
            self._write(expectation)
            self._progress = replace(
                self._progress,
                due=self._progress.due + expectation.minimum,
                where=f"{position} → {target}",
            )
        return expectation

    def event(self, event: _Event) -> _Event:
        """Append something that was done, or seen; the same event, with its index and time.

        Raises :class:`TypeError` for one that is not of :data:`~svcproof.events.AnyEvent`:
        nobody could read it. One of a test's own is an :class:`~svcproof.events.Other`.
        """
        if not isinstance(event, AnyEvent):
            raise TypeError(f"{type(event).__name__} is no event of a history: use Other")
        said = {name: _finite(getattr(event, name)) for name in event.__struct_fields__}
        with self._lock:
            said |= {"index": self._next, "at_ns": now_ns()}
            complete = type(event)(**said)
            self._steps.append(complete)
            self._write(complete)
        return complete

    def freeze(self) -> History:
        """The history so far."""
        with self._lock:
            return History(
                header=self._header,
                positions=dict(self._positions),
                targets=dict(self._targets),
                steps=tuple(self._steps),
                observations=tuple(self._observations),
            )

    def steps_since(self, number: int) -> list[Step]:
        """All that was promised or happened but the first ``number`` steps."""
        with self._lock:
            return self._steps[number:]

    @property
    def progress(self) -> Progress:
        """How far it is; costs nothing, however long the history."""
        return self._progress

    @property
    def is_closed(self) -> bool:
        """Whether nothing more can be written to its file."""
        return self.path is not None and self._file is None

    def close(self) -> None:
        """Close the file; what was recorded stays readable through :meth:`freeze`."""
        with self._lock:  # another case's file must not get what a late thread writes
            file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def _next(self) -> int:
        return len(self._steps) + len(self._observations)

    def _declare(self, position: Position, target: Target) -> None:
        if self._positions.get(position.name) != position:
            self._positions[position.name] = position
            self._write(PositionDeclared(position))
        if self._targets.get(target.name) != target:
            self._targets[target.name] = target
            self._write(TargetDeclared(target))

    def _write(self, record: Record | Entry) -> None:
        if self._file is None:
            return
        try:
            os.write(self._file, encode(record))
        except OSError as error:
            raise EnvironmentProblem(
                f"cannot write the evidence to {self.path}: {error.strerror}",
                remedy="make room, or choose another directory with --svc-evidence",
            ) from error


_ATTEMPT_FIELDS: Final = Attempt.__struct_fields__


def _finite(value: Any) -> Any:
    """JSON has neither infinity nor NaN: written as null they would make the file unreadable."""
    if isinstance(value, dict):
        return {name: str(fact) if _is_odd(fact) else fact for name, fact in value.items()}
    return max(-sys.float_info.max, min(sys.float_info.max, value)) if _is_odd(value) else value


def _is_odd(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_TRUNC, 0o644)
    except OSError as error:
        raise EnvironmentProblem(
            f"cannot create the evidence file {path}: {error.strerror}",
            remedy="choose a writable directory with --svc-evidence",
        ) from error
