"""The format: what is written is what is read, and damage is refused with its place."""

import sys
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from svcproof.errors import BadHistory
from svcproof.events import AnyEvent, ChangeBegan, Event, Fact, Idle, Other, Sign
from svcproof.history import (
    VERSION,
    Attempt,
    Backend,
    Expectation,
    Form,
    Header,
    Observation,
    Outcome,
    Position,
    PositionDeclared,
    Promise,
    Target,
    TargetDeclared,
    decode_attempt,
    encode,
)
from svcproof.history_reader import decode_lines
from svcproof.recorder import Recorder

HEADER = Header(version=VERSION, run="r", case="c")
POSITION = Position(name="p", kind="pod", node="n")
TARGET = Target(name="t", service="s", form="cluster-ip", host="10.0.0.1", port=80)
PROMISE = Promise(outcome=Outcome.ANSWERED, rule="", allowed=(Backend(pod="x"),))
DECLARED = [encode(HEADER), encode(PositionDeclared(POSITION)), encode(TargetDeclared(TARGET))]


def observed(index: int, **fields: object) -> bytes:
    values = {"at_ns": 1, "outcome": Outcome.ANSWERED, "position": "p", "target": "t"} | fields
    return encode(Observation(index=index, **values))


#: What breaks a format, drawn whole; ``detail`` alone is any text at all.
texts = st.sampled_from(["", "a", "node 1", "ü → ñ", '"\\', "\n\t\x00", "\u2028", "😀", "null"])
micros = st.none() | st.integers(0, 10**9)
backends = st.builds(Backend, pod=texts, uid=texts, node=texts, namespace=texts, run=texts)
attempts = st.builds(
    Attempt,
    at_ns=st.integers(0, 2**62),
    outcome=st.sampled_from(Outcome),
    resolve_us=micros,
    connect_us=micros,
    reply_us=micros,
    backend=st.none() | backends,
    source_address=texts,
    source_port=st.integers(0, 65535),
    local_address=texts,
    remote_address=texts,
    rcode=texts,
    answers=st.lists(texts, max_size=2).map(tuple),
    detail=st.text(max_size=20),
)
several = st.lists(texts, max_size=2).map(tuple)
PROMISED = {
    "outcome": st.sampled_from(Outcome),
    "rule": texts,
    "also": st.lists(st.sampled_from(Outcome), max_size=2).map(tuple),
    "allowed": st.lists(backends, max_size=2).map(tuple),
    "cover": st.booleans(),
    "affinity_ms": st.integers(0, 10**9),
    "affinity_clients": st.integers(0, 10**5),
    "sources": several,
    "not_sources": several,
    "answers": st.none() | several,
    "rcode": texts,
}
ASKED = {
    "minimum": st.integers(0, 10**6),
    "choice": st.sampled_from(["", "random", "rotation"]),
    "affinity": st.sampled_from(["", "pin", "keep", "redraw"]),
    "control": texts,
    "unsettled": st.booleans(),
    "payload": st.integers(0, 10**6),
    "outage_ms": st.none() | st.integers(0, 10**6),
    "trouble_ms": st.none() | st.integers(0, 10**6),
    "rate": st.floats(0, 1e6),
}
promises = st.builds(Promise, **PROMISED)
asked = st.fixed_dictionaries({}, optional=ASKED)
facts = st.dictionaries(
    st.from_regex(r"[a-z]{1,8}", fullmatch=True).filter(lambda name: name != "kind"),
    texts
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.lists(texts, max_size=3),
    max_size=4,
)
#: Of any type that a field of an event has.
VALUES = {
    str: texts,
    int: st.integers(0, 2**53),
    float: st.floats(0, 1e6),
    tuple[str, ...]: several,
    dict[str, Fact]: facts,
    tuple[Sign, ...]: st.lists(st.builds(Sign, summary=texts, where=texts), max_size=2).map(tuple),
}


def events_of(kind):
    fields = {field.name: VALUES[field.type] for field in structs.fields(kind)}
    return st.builds(kind, **{n: s for n, s in fields.items() if n not in ("index", "at_ns")})


events = st.one_of([events_of(kind) for kind in get_args(AnyEvent)])


@settings(max_examples=100)
@given(
    st.lists(
        st.tuples(st.just("o"), attempts)
        | st.tuples(st.just("e"), events)
        | st.tuples(st.just("p"), st.tuples(promises, asked)),
        max_size=4,
    )
)
def test_round_trip(tmp_path_factory, told):
    path = tmp_path_factory.mktemp("h") / "h.jsonl"
    with Recorder(path, run="r", case="c", cluster={"nodes": ["a", "b"]}) as recorder:
        recorder.expect(POSITION, TARGET, PROMISE, minimum=3)
        for kind, value in told:
            if kind == "o":
                recorder.observe(POSITION, TARGET, value)
            elif kind == "p":
                promise, further = value
                recorder.expect(POSITION, TARGET, promise, **further)
            else:
                recorder.event(value)
        history = recorder.freeze()
    with path.open("rb") as file:
        assert decode_lines(file) == history


def test_the_round_trip_is_of_every_field():
    """A field that is added to the format is added to the test above."""
    given_by_the_recorder = {"index", "at_ns", "position", "target", "promise"}
    assert set(ASKED) == set(Expectation.__struct_fields__) - given_by_the_recorder
    assert set(PROMISED) == set(Promise.__struct_fields__)


POSITIONS = st.builds(
    Position,
    name=texts,
    kind=st.sampled_from(["pod", "host-network", "backend", "outside"]),
    node=texts,
    pod=texts,
    namespace=texts,
    addresses=several,
)
TARGETS = st.builds(
    Target,
    name=texts,
    service=texts,
    form=st.sampled_from(get_args(Form)),
    host=texts,
    port=st.integers(0, 65535),
    protocol=st.sampled_from(["tcp", "udp"]),
    family=st.sampled_from(["ipv4", "ipv6"]),
    entry_node=texts,
    port_name=texts,
    query=st.sampled_from(["", "A", "AAAA", "CNAME", "SRV"]),
)


@settings(max_examples=30)
@given(POSITIONS, TARGETS)
def test_positions_and_targets_survive(position, target):
    lines = [encode(HEADER), encode(PositionDeclared(position)), encode(TargetDeclared(target))]
    history = decode_lines(lines)
    assert history.positions == {position.name: position}
    assert history.targets == {target.name: target}


@given(attempts)
def test_an_attempt_survives_a_probers_line(attempt):
    import msgspec

    assert decode_attempt(msgspec.json.encode(attempt)) == attempt


def test_a_number_that_json_cannot_write_becomes_text(tmp_path):
    path = tmp_path / "h.jsonl"
    with Recorder(path, run="r", case="c") as recorder:
        told = [
            recorder.event(Other(kind="measured", facts={"rate": float("inf"), "n": 1.0})),
            recorder.event(Idle(seconds=float("-inf"), why="")),
            recorder.event(Idle(seconds=float("nan"), why="")),
        ]
    read = decode_lines(path.read_bytes().splitlines(keepends=True)).events
    assert list(read) == told
    assert read[0].facts == {"rate": "inf", "n": 1.0}
    assert read[1].seconds == -sys.float_info.max


def test_a_cell_is_an_expectation_and_what_follows_it():
    recorder = Recorder(None, run="r", case="c")
    answered = Attempt(at_ns=1, outcome=Outcome.ANSWERED)
    recorder.observe(POSITION, TARGET, answered)  # before any expectation: in no cell
    for count in (1, 2):
        recorder.expect(POSITION, TARGET, PROMISE)
        for _ in range(count):
            recorder.observe(POSITION, TARGET, answered)
    first, second = recorder.freeze().cells
    assert (first.position, first.target) == (POSITION, TARGET)
    assert (first.expectation.index, second.expectation.index) == (1, 3)
    assert [entry.index for entry in first.observations] == [2]
    assert [entry.index for entry in second.observations] == [4, 5]
    assert first.where == "p → t"


def test_a_killed_writers_last_line_is_dropped():
    history = decode_lines([*DECLARED, observed(0), observed(1)[:-9]])
    assert len(history.entries) == 1


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "empty"),
        ([b'{"type":"other","index":0,"at_ns":1,"kind":"k"}\n'], "line 1: .*not a header"),
        ([encode(HEADER), encode(HEADER)], "line 2: a second header"),
        (
            [encode(Header(version=VERSION + 1, run="r", case="c"))],
            "format version 3; .* reads 1 and 2",
        ),
        ([*DECLARED, observed(1)], "line 4: index 1 where 0 was due"),
        (
            [*DECLARED, encode(Other(index=7, at_ns=1, kind="k"))],
            "line 4: index 7 where 0 was due",
        ),
        ([*DECLARED, observed(0, position="q")], "position 'q' was not declared"),
        ([*DECLARED, observed(0, target="q")], "target 'q' was not declared"),
        ([encode(HEADER), b"{oops\n"], "h.jsonl, line 2"),
        ([encode(HEADER), b"\xff\xfe\n"], "line 2"),
    ],
)
def test_damage_is_refused_with_its_place(lines, message):
    with pytest.raises(BadHistory, match=message):
        decode_lines(lines, source="h.jsonl")


@pytest.mark.parametrize("line", [b"", b"[]", b"{}", b'{"at_ns":1,"outcome":"fine"}', b"\xff"])
def test_what_is_no_attempt_is_refused(line):
    with pytest.raises(BadHistory, match="not an attempt"):
        decode_attempt(line)


def test_events_and_observations():
    event = encode(Other(index=1, at_ns=2, kind="scaled", facts={"replicas": 3}))
    history = decode_lines([*DECLARED, observed(0), b"\n", event])
    assert [entry.index for entry in history.observations] == [0]
    assert [entry.facts for entry in history.events] == [{"replicas": 3}]


def test_each_pair_has_cells_of_its_own():
    recorder = Recorder(None, run="r", case="c")
    other = Target(name="u", service="s", form="cluster-ip", host="10.0.0.2", port=80)
    for target in (TARGET, other):
        recorder.expect(POSITION, target, PROMISE)
    for target in (other, TARGET, other):
        recorder.observe(POSITION, target, Attempt(at_ns=1, outcome=Outcome.ANSWERED))
    cells = recorder.freeze().cells
    assert [(cell.target.name, len(cell.observations)) for cell in cells] == [("t", 1), ("u", 2)]


def test_what_is_promised_in_one_of_several_ways():
    one = Promise(outcome=Outcome.REFUSED, rule="")
    assert one.outcomes == (Outcome.REFUSED,)
    either = Promise(outcome=Outcome.ANSWERED, rule="", also=(Outcome.RESET,))
    assert either.outcomes == (Outcome.ANSWERED, Outcome.RESET)


def test_a_source_without_a_name_is_a_history():
    with pytest.raises(BadHistory, match=r"^history: empty"):
        decode_lines([])


def test_of_a_long_line_that_is_no_attempt_the_begin_is_told():
    with pytest.raises(BadHistory) as refused:
        decode_attempt("x" * 201)
    assert str(refused.value).endswith(f": {'x' * 200!r}")


def test_a_line_that_was_torn_ends_the_history():
    assert decode_lines([*DECLARED, observed(0)[:-1], observed(0)]).entries == ()


def test_the_words_of_events_that_are_in_saved_histories_never_change():
    assert {kind.__struct_config__.tag for kind in get_args(AnyEvent)} == {
        "converged", "not-converged", "endpoints-seen", "api-answer", "promise-changed",
        "promise-not-seen-again",
        "settled-late", "not-so-far", "client-missing", "service-changed", "service-admitted",
        "known-deviation",
        "not-promised", "not-asked", "judged",
        "fault-injected", "fault-healed",
        "patched", "deleted", "change-began", "change-ended", "idle", "other",
    }  # fmt: skip


@pytest.mark.parametrize("word", ["convergd", "node-drained", "event", "Converged"])
def test_a_kind_of_record_that_nobody_knows_keeps_its_place_and_is_named(word):
    line = b'{"type":"%s","index":0,"at_ns":1,"seconds":1}\n' % word.encode()
    history = decode_lines([*DECLARED, line, observed(1)])
    assert history.events == (Other(index=0, at_ns=1, kind=word),)
    assert [str(each) for each in history.unread] == [f"record of type {word!r} (line 4)"]
    assert history.unread[0].bears


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (b'"type":"api-answer","request":"r"', "line 4: .* `expected`"),
        (b'"type":"endpoints-seen","service":"s","listed":"a","ready":[]', "line 4: .*listed"),
        (b'"type":"judged","verdict":"PASS"', "line 4: .* `checks`"),
    ],
)
def test_an_event_that_does_not_say_what_its_kind_must_is_refused(event, message):
    with pytest.raises(BadHistory, match=message):
        decode_lines([*DECLARED, b'{"index":0,"at_ns":1,%s}\n' % event])


def test_an_event_that_no_reader_knows_is_not_written():
    class Rumour(Event, frozen=True):
        text: str

    recorder = Recorder(None, run="r", case="c")
    with pytest.raises(TypeError, match=r"Rumour is no event .* use Other"):
        recorder.event(Rumour(text="x"))
    assert recorder.freeze().entries == ()


def test_what_an_event_says_in_words():
    change = ChangeBegan(change="scaled", facts={"replicas": 3})
    assert (change.word, change.particulars) == (
        "change-began",
        {"change": "scaled", "replicas": 3},
    )
    own = Other(kind="drained", facts={"node": "n"})
    assert (own.word, own.particulars) == ("drained", {"node": "n"})
