"""The records of a history, each a line of JSON: see :mod:`svcproof.history`.

None is decoded that has a field which is not known here, so that nothing is passed over in
silence: :mod:`svcproof.history_reader` names it, and uses the rest.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from svcproof.errors import BadHistory
from svcproof.events import AnyEvent, Event
from svcproof.promises import Backend, Outcome, Promise
from svcproof.unread import known_part

__all__ = [
    "VERSION",
    "Affinity",
    "Attempt",
    "Choice",
    "Entry",
    "Expectation",
    "Family",
    "Form",
    "Header",
    "Observation",
    "Position",
    "PositionDeclared",
    "Protocol",
    "Record",
    "Step",
    "Target",
    "TargetDeclared",
    "decode_attempt",
    "encode",
]

#: Version of the format that is written; :mod:`svcproof.history_reader` reads older ones, too.
VERSION: Final = 2

#: What a column of numbers can hold.
_Number = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]

Family = Literal["ipv4", "ipv6"]
Protocol = Literal["tcp", "udp"]
Choice = Literal["", "random", "rotation"]
Affinity = Literal["", "pin", "keep", "redraw", "each"]
Form = Literal[
    "cluster-ip",
    "short-name",
    "fqdn",
    "node-port",
    "pod-ip",
    "load-balancer",
    "external-ip",
    "health-check",
    "connect",
    "dns",
]


class Position(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
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


class Target(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a client dials.

    ``form`` is the kind of address: ``cluster-ip``, ``short-name``, ``fqdn``,
    ``node-port``, ``pod-ip``, ``load-balancer``, ``external-ip``, ``health-check`` (kube-proxy's
    answer to load balancers), ``connect`` (that a connection is made is all that is asked) or
    ``dns`` (the name is asked for, not dialled). ``host`` is the name or literal address;
    ``entry_node`` the node whose address it is; ``port_name`` the Service's port.

    Of questions to the DNS: ``query`` is the record type; ``server`` the literal address of
    who is asked, "" for the client's own name servers; ``server_pod`` the Pod that has it;
    ``protocol`` ``tcp`` asks by TCP at once.
    ``source_port``: the client keeps this port for all that it sends; 0: a fresh one each time.
    ``source_range``: the client is many, each with one address of this prefix.
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
    query: Literal["", "A", "AAAA", "CNAME", "SRV", "PTR"] = ""
    source_port: int = 0
    source_range: str = ""
    server: str = ""
    server_pod: str = ""

    def __str__(self) -> str:
        return self.name


# Attempts and backends hold nothing that could form a cycle, so the collector need not look
# at a million of them (gc=False).
class Attempt(
    msgspec.Struct,
    frozen=True,
    omit_defaults=True,
    kw_only=True,
    gc=False,
    forbid_unknown_fields=True,
):
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

    at_ns: _Number
    outcome: Outcome
    resolve_us: int | None = None
    connect_us: _Number | None = None
    reply_us: _Number | None = None
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
    forbid_unknown_fields=True,
    tag="expectation",
    tag_field="type",
):
    """What the rules promise one position that dials one target, from here on.

    ``minimum`` is the fewest attempts that can decide the question: the sample
    size for a wanted false-alarm rate, fixed before anything was sent.

    The rest asks further questions, each where it is set. ``choice``: how a
    backend is chosen for a fresh connection. ``affinity``: ``pin`` (one backend
    for all attempts), ``keep`` (and the same as in the pair's cell before),
    ``redraw`` (the pair's choice is a new one) or ``each`` (one backend for each of many
    clients). ``control``:
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
    msgspec.Struct,
    frozen=True,
    omit_defaults=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag="header",
    tag_field="type",
):
    """The first line: format version, run id, case, and what the cluster is."""

    version: int
    run: str
    case: str
    cluster: dict[str, str | int | list[str]] = {}


class PositionDeclared(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="position", tag_field="type"
):
    """Says what a position's name in later observations means."""

    position: Position


class TargetDeclared(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="target", tag_field="type"
):
    """Says what a target's name in later observations means."""

    target: Target


Step = Expectation | Event
Entry = Step | Observation
#: What a line can hold.
Record = Header | PositionDeclared | TargetDeclared | Expectation | Observation | AnyEvent

_encoder: Final = msgspec.json.Encoder()
_attempt_decoder: Final = msgspec.json.Decoder(Attempt)


def encode(record: Record | Entry) -> bytes:
    """One record as one JSON line, newline included."""
    return _encoder.encode(record) + b"\n"


def decode_attempt(line: bytes | str) -> Attempt:
    """One line of a prober's output; what a newer prober says beside is left out.

    Raises :class:`~svcproof.errors.BadHistory` for anything that is not an attempt.
    """
    try:
        return _decoded_attempt(line)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise BadHistory(f"not an attempt: {error}: {line[:200]!r}") from error


def _decoded_attempt(line: bytes | str) -> Attempt:
    try:
        return _attempt_decoder.decode(line)
    except msgspec.ValidationError:
        part = known_part(msgspec.json.decode(line), Attempt)
        return msgspec.convert(part.value, type=Attempt)
