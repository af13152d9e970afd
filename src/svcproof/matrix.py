"""Which question and which check found which fault, as data for reporters: nothing is decided."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from svcproof.errors import BadHistory
from svcproof.results import ClusterLine

__all__ = ["SCHEMA", "CellLine", "CheckLine", "FaultLine", "Matrix", "check_lines", "decode_matrix"]

#: Version of the format.
SCHEMA = 2


class CellLine(msgspec.Struct, frozen=True, kw_only=True):
    """One question while a fault was planted, or after it was healed.

    ``declared`` is what had to come of it: ``red``, ``green``, or ``any`` where
    chance decides. ``finding`` is the first reason for not being green; ``failed`` and
    ``undecided`` are the checks that had one, by name.
    """

    topic: str
    answer: Literal["red", "green", "untold", "unsupported"]
    declared: Literal["red", "green", "any"]
    finding: str = ""
    failed: tuple[str, ...] = ()
    undecided: tuple[str, ...] = ()
    judged: int = 0
    history: str = ""


class FaultLine(msgspec.Struct, frozen=True, kw_only=True):
    """One fault: a row of the matrix. ``unplanted`` is why there is nothing in it.

    ``found_by`` are the checks that must fail while it is planted.
    """

    number: int
    slug: str
    title: str
    symptom: str
    caught: bool
    found_by: tuple[str, ...] = ()
    unplanted: str = ""
    surprises: tuple[str, ...] = ()
    seconds: float = 0.0
    planted: tuple[CellLine, ...] = ()
    healed: tuple[CellLine, ...] = ()


class CheckLine(msgspec.Struct, frozen=True, kw_only=True):
    """One check, and under which of the planted faults it failed (by their slugs).

    ``due`` are the faults that it must find, ``found`` those of them that it found in
    a question that had to be red; under those of ``also`` it failed, too. Under those
    of ``undecided`` it could tell nothing.
    """

    check: str
    due: tuple[str, ...] = ()
    found: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    undecided: tuple[str, ...] = ()


class Matrix(msgspec.Struct, frozen=True, kw_only=True):
    """A whole proof. ``complete`` is whether it came to its end."""

    schema: int
    svcproof: str
    run: str
    cluster: ClusterLine
    home: str
    node: str
    topics: tuple[str, ...]
    faults: Sequence[FaultLine]
    checks: tuple[CheckLine, ...] = ()
    seconds: float
    complete: bool


class _Version(msgspec.Struct):
    """A proof of any version."""

    schema: int


def decode_matrix(content: bytes, *, source: str) -> Matrix:
    """A proof from its JSON.

    Raises :class:`~svcproof.errors.BadHistory` for another version, and for anything else.
    """
    try:
        version = msgspec.json.decode(content, type=_Version).schema
        if version != SCHEMA:
            raise BadHistory(
                f"{source}: format version {version}; this svcproof reads {SCHEMA}",
                remedy="read it with the svcproof that wrote it",
            )
        return msgspec.json.decode(content, type=Matrix)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BadHistory(f"{source}: not a report of svcproof prove: {error}") from error


def check_lines(checks: Iterable[str], faults: Iterable[FaultLine]) -> tuple[CheckLine, ...]:
    """What the rows of the matrix say of each check."""
    tried = [fault for fault in faults if not fault.unplanted]
    return tuple(_check_line(check, tried) for check in checks)


def _check_line(check: str, faults: Sequence[FaultLine]) -> CheckLine:
    due = [fault for fault in faults if check in fault.found_by]
    found = [fault for fault in due if any(_found(check, cell) for cell in fault.planted)]
    failed = [fault for fault in faults if any(check in cell.failed for cell in fault.planted)]
    untold = [fault for fault in faults if any(check in cell.undecided for cell in fault.planted)]
    return CheckLine(
        check=check,
        due=_slugs(due),
        found=_slugs(found),
        also=_slugs(fault for fault in failed if fault not in due),
        undecided=_slugs(fault for fault in untold if fault not in failed),
    )


def _found(check: str, cell: CellLine) -> bool:
    return cell.declared == "red" and check in cell.failed


def _slugs(faults: Iterable[FaultLine]) -> tuple[str, ...]:
    return tuple(fault.slug for fault in faults)
