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
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from svcproof.errors import BadHistory
from svcproof.events import AnyEvent, Event
from svcproof.promises import Backend, Outcome, Promise

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
    "Header",
    "History",
    "Observation",
    "Outcome",
    "Position",
    "PositionDeclared",
    "Promise",
    "Record",
    "Step",
    "Target",
    "TargetDeclared",
    "decode_attempt",
    "encode",
]

#: Version of the format that is written; :mod:`svcproof.history_reader` reads older ones, too.
VERSION: Final = 2

Family = Literal["ipv4", "ipv6"]
Protocol = Literal["tcp", "udp"]
Choice = Literal["", "random", "rotation"]
Affinity = Literal["", "pin", "keep", "redraw"]
Form = Literal[
    "cluster-ip",
    "short-name",
    "fqdn",
    "node-port",
    "pod-ip",
    "load-balancer",
    "health-check",
    "dns",
]


class Position(msgspec.Struct, frozen=True, omit_defaults=True):
    """A place from which a client sends.

    ``kind``: ``pod`` (a client Pod), ``host-network`` (a Pod in its node's
    network namespace), ``backend`` (a Pod behind the Service: hairpin) or
    ``outside`` (neither a node nor a Pod). ``node`` is empty for ``outside``.
    ``pod`` is the Pod to run the client in, empty for ``outside``.
    """

    name: str
    kind: Literal["pod", "host-network", "backend", "outside"]
    node: str = ""
    pod: str = ""
    namespace: str = ""
    addresses: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name


class Target(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a client dials.

    ``form`` is the kind of address: ``cluster-ip``, ``short-name``, ``fqdn``,
    ``node-port``, ``pod-ip``, ``load-balancer``, ``health-check`` (kube-proxy's
    answer to load balancers) or ``dns`` (the name is asked for, not dialled;
    ``query`` is the record type). ``host`` is the name or literal address;
    ``entry_node`` the node whose address it is; ``port_name`` the Service's port.
    """

    name: str
    service: str
    form: Form
    host: str
    port: int
    protocol: Protocol = "tcp"
    family: Family = "ipv4"
    entry_node: str = ""
    port_name: str = ""
    query: Literal["", "A", "AAAA", "CNAME", "SRV"] = ""

    def __str__(self) -> str:
        return self.name


class Attempt(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """One fresh connection, as a prober reports it.

    ``source_address`` and ``source_port`` are what the backend saw;
    ``local_address`` is the client's own end and ``remote_address`` the
    literal address dialled. ``rcode`` is the DNS response code (``NXDOMAIN``,
    ``SERVFAIL``, …) of a ``name-failed``. ``answers`` is what an answer said
    where that is the question: the records of a DNS answer, each as ``OWNER TYPE
    DATA`` in lower case without the last dot, or the words of a health check
    (``status 200``, ``localEndpoints 1``). ``detail`` is the error text, for
    people: nothing is ever decided by it.
    """

    at_ns: int
    outcome: Outcome
    resolve_us: int | None = None
    connect_us: int | None = None
    reply_us: int | None = None
    backend: Backend | None = None
    source_address: str = ""
    source_port: int = 0
    local_address: str = ""
    remote_address: str = ""
    rcode: str = ""
    answers: tuple[str, ...] = ()
    detail: str = ""


class Observation(
    Attempt,
    frozen=True,
    omit_defaults=True,
    kw_only=True,
    gc=False,
    tag="observation",
    tag_field="type",
):
    """One attempt in a history: where in the order, from which position, to which target."""

    index: int
    position: str
    target: str


class Expectation(
    msgspec.Struct,
    frozen=True,
    omit_defaults=True,
    kw_only=True,
    tag="expectation",
    tag_field="type",
):
    """What the rules promise one position that dials one target, from here on.

    ``minimum`` is the fewest attempts that can decide the question: the sample
    size for a wanted false-alarm rate, fixed before anything was sent.

    The rest asks further questions, each where it is set. ``choice``: how a
    backend is chosen for a fresh connection. ``affinity``: ``pin`` (one backend
    for all attempts), ``keep`` (and the same as in the pair's cell before) or
    ``redraw`` (the pair's choice is a new one). ``control``:
    the target that the same position must reach meanwhile, so that a failure
    means something. ``outage_ms``: the
    longest time without any answer that is allowed; ``trouble_ms``: the longest from
    the first attempt that failed to the last. ``rate``: how many attempts a second
    there were meant to be; a long pause among them proves nothing. ``payload``: how many
    bytes each connection carries, either way.

    ``unsettled`` is the time of a change, from just before it until it has reached
    every place: any Pod of the run may answer meanwhile.
    """

    index: int
    at_ns: int
    position: str
    target: str
    promise: Promise
    minimum: int = 1
    choice: Choice = ""
    affinity: Affinity = ""
    control: str = ""
    unsettled: bool = False
    outage_ms: int | None = None
    trouble_ms: int | None = None
    rate: float = 0.0
    payload: int = 0


class Header(
    msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, tag="header", tag_field="type"
):
    """The first line: format version, run id, case, and what the cluster is."""

    version: int
    run: str
    case: str
    cluster: dict[str, str | int | list[str]] = {}


class PositionDeclared(msgspec.Struct, frozen=True, tag="position", tag_field="type"):
    """Says what a position's name in later observations means."""

    position: Position


class TargetDeclared(msgspec.Struct, frozen=True, tag="target", tag_field="type"):
    """Says what a target's name in later observations means."""

    target: Target


Step = Expectation | Event
Entry = Step | Observation
#: What a line can hold.
Record = Header | PositionDeclared | TargetDeclared | Expectation | Observation | AnyEvent

# Histories of a million attempts are read: attempts and backends hold nothing that
# could form a cycle, so the collector need not look at them (gc=False).
_encoder: Final = msgspec.json.Encoder()
_attempt_decoder: Final = msgspec.json.Decoder(Attempt)


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
    them already.
    """

    header: Header
    positions: dict[str, Position]
    targets: dict[str, Target]
    steps: tuple[Step, ...]
    observations: Sequence[Observation]
    table: Table | None = field(default=None, compare=False, repr=False)

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
    def cells(self) -> tuple[Cell, ...]:
        """Every expectation with its attempts, in the order of the expectations."""
        from svcproof.attempts import by_cell, tabulated

        table = self.table or tabulated(self.observations)
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
                expectations, by_cell(table, expectations), strict=True
            )
        )

    def before(self, step: Step) -> History:
        """What stands before one of its steps."""
        steps = self.steps[: bisect_left(self.steps, step.index, key=attrgetter("index"))]
        attempts = step.index - len(steps)
        return replace(
            self,
            steps=steps,
            observations=self.observations[:attempts],
            table=self.table and self.table.first(attempts),
        )


def encode(record: Record | Entry) -> bytes:
    """One record as one JSON line, newline included."""
    return _encoder.encode(record) + b"\n"


def decode_attempt(line: bytes | str) -> Attempt:
    """One line of a prober's output.

    Raises :class:`~svcproof.errors.BadHistory` for anything that is not an attempt.
    """
    try:
        return _attempt_decoder.decode(line)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise BadHistory(f"not an attempt: {error}: {line[:200]!r}") from error
