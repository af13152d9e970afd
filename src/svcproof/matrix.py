"""Which question found which fault, as data for reporters: no behaviour, nothing decided."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from svcproof.results import ClusterLine

__all__ = ["SCHEMA", "CellLine", "FaultLine", "Matrix"]

#: Version of the format.
SCHEMA = 1


class CellLine(msgspec.Struct, frozen=True, kw_only=True):
    """One question while a fault was planted, or after it was healed.

    ``declared`` is what had to come of it: ``red``, ``green``, or ``any`` where
    chance decides. ``finding`` is the first reason for not being green.
    """

    topic: str
    answer: Literal["red", "green", "untold", "unsupported"]
    declared: Literal["red", "green", "any"]
    finding: str = ""
    judged: int = 0
    history: str = ""


class FaultLine(msgspec.Struct, frozen=True, kw_only=True):
    """One fault: a row of the matrix. ``unplanted`` is why there is nothing in it."""

    number: int
    slug: str
    title: str
    symptom: str
    caught: bool
    unplanted: str = ""
    surprises: tuple[str, ...] = ()
    seconds: float = 0.0
    planted: tuple[CellLine, ...] = ()
    healed: tuple[CellLine, ...] = ()


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
    seconds: float
    complete: bool
