"""The one ordered record of a run: every attempt and every change.

A history is JSON lines. The first line is a :class:`Header`; then come
:class:`PositionDeclared` and :class:`TargetDeclared` records, each before its
first use, and the *entries*: :class:`Expectation`, :class:`Observation` and
:class:`Event` records in the order in which the harness learnt of them
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

import enum
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import islice
from operator import attrgetter
from typing import Final, Literal, NamedTuple

import msgspec

from svcproof.errors import BadHistory

__all__ = [
    "VERSION",
    "Attempt",
    "Backend",
    "Cell",
    "Entry",
    "Event",
    "Expectation",
    "Header",
    "History",
    "Observation",
    "Outcome",
    "Position",
    "PositionDeclared",
    "Record",
    "Target",
    "TargetDeclared",
    "decode_attempt",
    "decode_lines",
    "encode",
]

#: Version of the format; a reader refuses any other.
VERSION: Final = 1

Family = Literal["ipv4", "ipv6"]
Protocol = Literal["tcp", "udp"]
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


class Outcome(enum.StrEnum):
    """How one attempt ended, in words that never change.

    All but ``UNKNOWN`` are answers of the network. ``UNKNOWN`` means that the
    harness could not tell (the exec was lost, the client Pod is gone): it is
    never evidence for anything.
    """

    #: a whole reply came
    ANSWERED = "answered"
    #: TCP reset or ICMP port-unreachable on connecting
    REFUSED = "refused"
    #: the connection was made, and cut before the reply was complete
    RESET = "reset"
    #: no connection, or no reply, within the client's limits
    TIMED_OUT = "timed-out"
    #: no route, or an administrative refusal
    UNREACHABLE = "unreachable"
    #: the name did not resolve
    NAME_FAILED = "name-failed"
    #: the harness lost this attempt: it is never evidence for anything
    UNKNOWN = "unknown"


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


class Backend(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Who a reply says it comes from. ``run`` tells this run's Pods from strangers."""

    pod: str
    uid: str = ""
    node: str = ""
    namespace: str = ""
    run: str = ""


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


class Event(
    msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, tag="event", tag_field="type"
):
    """Something that was done to the cluster, or that it was seen to do.

    ``kind`` is a word such as ``converged``, ``scaled``, ``patched``,
    ``fault-injected``, ``fault-healed``; ``facts`` holds the particulars.
    """

    index: int
    at_ns: int
    kind: str
    facts: dict[str, str | int | float | list[str]] = {}


class Expectation(
    msgspec.Struct,
    frozen=True,
    omit_defaults=True,
    kw_only=True,
    tag="expectation",
    tag_field="type",
):
    """What the rules promise one position that dials one target, from here on.

    ``rule`` is the rule in words, with its source. ``outcome`` is how every
    attempt must end, or in one of the ways of ``also`` where data planes
    legitimately differ. ``allowed`` are the backends that may answer, and with
    ``cover`` each of them must; it is empty when ``outcome`` is not ``answered``.
    ``minimum`` is the fewest attempts that can decide the question: the sample
    size for a wanted false-alarm rate, fixed before anything was sent.

    The rest asks further questions, each where it is set. ``choice``: how a
    backend is chosen for a fresh connection. ``affinity``: ``pin`` (one backend
    for all attempts), ``keep`` (and the same as in the pair's cell before) or
    ``redraw`` (the pair's choice is a new one); ``affinity_ms`` is how long it is kept
    without a connection. ``sources``: the only addresses
    that the backend may see; ``not_sources``: those that it must not. ``control``:
    the target that the same position must reach meanwhile, so that a failure
    means something. ``answers``: what every answer must say. ``outage_ms``: the
    longest time without any answer that is allowed; ``trouble_ms``: the longest from
    the first attempt that failed to the last. ``rate``: how many attempts a second
    there were meant to be; a long pause among them proves nothing.

    ``unsettled`` is the time of a change, from just before it until it has reached
    every place: any Pod of the run may answer meanwhile.
    """

    index: int
    at_ns: int
    position: str
    target: str
    outcome: Outcome = Outcome.ANSWERED
    also: tuple[Outcome, ...] = ()
    allowed: tuple[Backend, ...] = ()
    cover: bool = True
    minimum: int = 1
    rule: str = ""
    choice: Literal["", "random", "rotation"] = ""
    affinity: Literal["", "pin", "keep", "redraw"] = ""
    affinity_ms: int = 0
    sources: tuple[str, ...] = ()
    not_sources: tuple[str, ...] = ()
    control: str = ""
    answers: tuple[str, ...] | None = None
    rcode: str = ""
    unsettled: bool = False
    outage_ms: int | None = None
    trouble_ms: int | None = None
    rate: float = 0.0

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """Every ending that is as promised."""
        return (self.outcome, *self.also)


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


class Cell(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One expectation and the attempts it is about: what checkers judge."""

    expectation: Expectation
    position: Position
    target: Target
    observations: tuple[Observation, ...]

    @property
    def where(self) -> str:
        """The pair in words, for findings."""
        return f"{self.position} → {self.target}"

    @cached_property
    def answered(self) -> tuple[Observation, ...]:
        """The attempts that were answered, in the order in which they ended."""
        return tuple(entry for entry in self.observations if entry.outcome is Outcome.ANSWERED)

    @cached_property
    def choices(self) -> tuple[Observation, ...]:
        """The answers that say by whom, in the order in which the attempts began."""
        named = (entry for entry in self.answered if entry.backend is not None)
        return tuple(sorted(named, key=attrgetter("at_ns")))


Entry = Expectation | Observation | Event
Record = Header | PositionDeclared | TargetDeclared | Entry

# Histories of a million attempts are read: attempts and backends hold nothing that
# could form a cycle, so the collector need not look at them (gc=False).
_encoder: Final = msgspec.json.Encoder()
_record_decoder: Final = msgspec.json.Decoder(Record)
_attempt_decoder: Final = msgspec.json.Decoder(Attempt)


class History(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """An immutable history. ``entries`` are in the order of their ``index``."""

    header: Header
    positions: dict[str, Position]
    targets: dict[str, Target]
    entries: tuple[Entry, ...]

    @property
    def observations(self) -> Iterator[Observation]:
        """The observations, in order."""
        return (entry for entry in self.entries if isinstance(entry, Observation))

    @cached_property
    def events(self) -> tuple[Event, ...]:
        """The events, in order."""
        return tuple(entry for entry in self.entries if isinstance(entry, Event))

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """Every expectation with its attempts, in the order of the expectations."""
        opened: list[_Opened] = []
        current: dict[tuple[str, str], _Opened] = {}
        for entry in self.entries:
            if isinstance(entry, Observation):
                cell = current.get((entry.position, entry.target))
                if cell is not None:
                    cell.whose(entry).append(entry)
            elif isinstance(entry, Expectation):
                pair = (entry.position, entry.target)
                current[pair] = _Opened(entry, [], _steady(current.get(pair)))
                opened.append(current[pair])
        return tuple(
            Cell(
                expectation=cell.expectation,
                position=self.positions[cell.expectation.position],
                target=self.targets[cell.expectation.target],
                observations=tuple(cell.attempts),
            )
            for cell in opened
        )


class _Opened(NamedTuple):
    """A cell that is being filled; ``before`` is the pair's cell before, under steady traffic."""

    expectation: Expectation
    attempts: list[Observation]
    before: _Opened | None

    def whose(self, attempt: Observation) -> list[Observation]:
        """Where an attempt belongs: to the cell in which it began, whenever it ended."""
        cell = self
        while cell.before is not None and attempt.at_ns < cell.expectation.at_ns:
            cell = cell.before
        return cell.attempts


def _steady(before: _Opened | None) -> _Opened | None:
    """The cell before, if the pair has been through a change: traffic goes across cells then."""
    if before is not None and (before.expectation.unsettled or before.before is not None):
        return before
    return None


def encode(record: Record) -> bytes:
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


def decode_lines(lines: Iterable[bytes], *, source: str = "history") -> History:
    """A history from its JSON lines.

    A last line without a newline is what a killed writer leaves: it is dropped.
    Raises :class:`~svcproof.errors.BadHistory`, naming source and line, for a
    missing header, another version, an undeclared name, an index out of order
    or anything that does not parse.
    """
    reader = _Reader(source)
    remaining, number = iter(lines), 1
    while batch := list(islice(remaining, _BATCH)):
        whole = next((i for i, line in enumerate(batch) if line[-1:] != b"\n"), len(batch))
        reader.read(number, batch[:whole])
        if whole < len(batch):
            break
        number += len(batch)
    return reader.history()


#: Lines that are decoded at once: to decode each alone takes twice as long.
_BATCH: Final = 2_000


class _Reader:
    """Builds a history record by record, checking each against those before."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._header: Header | None = None
        self._positions: dict[str, Position] = {}
        self._targets: dict[str, Target] = {}
        self._entries: list[Entry] = []

    def read(self, number: int, lines: Sequence[bytes]) -> None:
        """Read lines, the first of which has this number; all at once where that goes."""
        try:
            records = _record_decoder.decode_lines(b"".join(lines))
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
                and self._header is not None
            ):
                entries.append(record)
            else:
                self._read_record(number + offset, record)

    def _read_singly(self, first: int, lines: Sequence[bytes]) -> None:
        for number, line in enumerate(lines, start=first):
            if not line.strip():
                continue
            try:
                record = _record_decoder.decode(line)
            except (msgspec.DecodeError, UnicodeError) as error:
                raise self._bad(number, str(error)) from error
            self._read_record(number, record)

    def _read_record(self, number: int, record: Record) -> None:
        if isinstance(record, Header):
            self._read_header(number, record)
        elif self._header is None:
            raise self._bad(number, "the first line is not a header")
        elif isinstance(record, PositionDeclared):
            self._positions[record.position.name] = record.position
        elif isinstance(record, TargetDeclared):
            self._targets[record.target.name] = record.target
        else:
            self._read_entry(number, record)

    def history(self) -> History:
        if self._header is None:
            raise BadHistory(f"{self._source}: empty, there is not even a header")
        return History(
            header=self._header,
            positions=self._positions,
            targets=self._targets,
            entries=tuple(self._entries),
        )

    def _read_header(self, number: int, header: Header) -> None:
        if self._header is not None:
            raise self._bad(number, "a second header")
        if header.version != VERSION:
            raise self._bad(
                number, f"format version {header.version}; this svcproof reads {VERSION}"
            )
        self._header = header

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
