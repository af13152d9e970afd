"""A file that is read fast is the same history as the one that is read line by line."""

import os
import signal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svcproof import saved
from svcproof.checkers import judge
from svcproof.errors import BadHistory
from svcproof.events import Other
from svcproof.history import Backend, Expectation, Observation, encode
from svcproof.history_reader import decode_lines
from svcproof.recorder import Recorder
from svcproof.saved import part, read_history
from tests.unit.test_history import (
    DECLARED,
    HEADER,
    POSITION,
    PROMISE,
    TARGET,
    asked,
    attempts,
    events,
    observed,
    promises,
)
from tests.unit.test_history_v1 import FAILED, PASSED

OTHERS = (
    msgspec.structs.replace(POSITION, name="q"),
    msgspec.structs.replace(TARGET, name="u"),
)

EXPECTATION = Expectation(index=0, at_ns=0, position="p", target="t", promise=PROMISE)


#: Less than any line has, and more than all have together.
SMALL, LARGE = 64, 1 << 18
NEVER = 1 << 60


@pytest.fixture(
    scope="module",
    params=[(SMALL, NEVER), (LARGE, NEVER), (SMALL, 0)],
    ids=["many blocks", "one block", "two processes"],
)
def ways(request):
    """So many bytes are decoded at once, and from so many on by two processes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(part, "_BLOCK", request.param[0])
        patch.setattr(saved, "_LONG", request.param[1])
        patch.setattr(saved, "_has_two_processors", lambda: True)
        yield


def record(recorder, kind, value) -> None:
    position, target, what = value
    if kind == "o":
        recorder.observe(position, target, what)
    elif kind == "p":
        promise, further = what
        recorder.expect(position, target, promise, **further)
    else:
        recorder.event(what)


def lines(path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


places = st.sampled_from([POSITION, OTHERS[0]]), st.sampled_from([TARGET, OTHERS[1]])


@settings(max_examples=60, deadline=None)
@given(
    told=st.lists(
        st.tuples(st.just("o"), st.tuples(*places, attempts))
        | st.tuples(st.just("o"), st.tuples(*places, attempts))
        | st.tuples(st.just("e"), st.tuples(*places, events))
        | st.tuples(st.just("p"), st.tuples(*places, st.tuples(promises, asked))),
        max_size=30,
    )
)
@pytest.mark.usefixtures("ways")
def test_it_is_the_same_history(tmp_path_factory, told):
    path = tmp_path_factory.mktemp("h") / "h.jsonl"
    with Recorder(path, run="r", case="c") as recorder:
        for kind, value in told:
            record(recorder, kind, value)
        live = recorder.freeze()
    history = read_history(path)
    assert (history.header, history.steps) == (live.header, live.steps)
    assert (history.positions, history.targets) == (live.positions, live.targets)
    assert tuple(history.observations) == live.observations
    assert history.entries == live.entries == decode_lines(lines(path)).entries
    for cell, same in zip(history.cells, live.cells, strict=True):
        assert cell.observations == same.observations
        assert cell.attempts.indices == same.attempts.indices
        assert cell.attempts.endings == same.attempts.endings
        assert cell.attempts.backends == same.attempts.backends
        assert cell.attempts.sources == same.attempts.sources
        assert cell.attempts.connect_us.tolist() == same.attempts.connect_us.tolist()
        assert cell.choices == same.choices
    assert judge(history) == judge(live)


@given(told=st.lists(attempts, min_size=1, max_size=6), at=st.integers(0, 6))
@settings(max_examples=20, deadline=None)
@pytest.mark.usefixtures("ways")
def test_what_stands_before_an_event(tmp_path_factory, told, at):
    path = tmp_path_factory.mktemp("h") / "h.jsonl"
    with Recorder(path, run="r", case="c") as recorder:
        recorder.expect(POSITION, TARGET, PROMISE)
        for attempt in told[:at]:
            recorder.observe(POSITION, TARGET, attempt)
        before = recorder.freeze()
        event = recorder.event(Other(kind="here"))
        for attempt in told[at:]:
            recorder.observe(POSITION, TARGET, attempt)
    cut = read_history(path).before(event)
    assert cut.entries == before.entries
    (cell,), (same,) = cut.cells, before.cells
    assert cell.observations == same.observations


@pytest.mark.parametrize("path", [PASSED, FAILED])
@pytest.mark.usefixtures("ways")
def test_a_history_of_format_1(path):
    history, same = read_history(path), decode_lines(lines(path))
    assert history.entries == same.entries
    assert [cell.observations for cell in history.cells] == [c.observations for c in same.cells]


@pytest.mark.parametrize(
    "damaged",
    [
        [],
        [encode(HEADER)[:-1]],
        [b"{oops\n"],
        [observed(0)],
        [encode(HEADER), encode(HEADER)],
        [encode(msgspec.structs.replace(HEADER, version=9))],
        [*DECLARED, observed(1)],
        [*DECLARED, observed(0), observed(0)],
        [*DECLARED, observed(0), encode(Other(index=0, at_ns=1, kind="k"))],
        [*DECLARED, observed(0, position="q")],
        [*DECLARED, observed(0, target="q")],
        [encode(HEADER), observed(0), *DECLARED[1:]],
        [*DECLARED, encode(EXPECTATION).replace(b'"t"', b'"q"')],
        [*DECLARED, b'{"type":"rumour","index":1}\n'],
        [*DECLARED, observed(0).replace(b'"answered"', b"7")],
        [*DECLARED, observed(0, backend=Backend(pod="x")).replace(b'"pod"', b'"pot"')],
        [encode(HEADER), b"\xff\xfe\n"],
    ],
)  # fmt: skip
@pytest.mark.usefixtures("ways")
def test_damage_is_told_as_the_reader_of_lines_tells_it(tmp_path, damaged):
    path = tmp_path / "h.jsonl"
    path.write_bytes(b"".join(damaged))
    with pytest.raises(BadHistory) as expected:
        decode_lines(damaged, source=str(path))
    with pytest.raises(BadHistory) as told:
        read_history(path)
    assert str(told.value) == str(expected.value)


@pytest.mark.parametrize(
    "newer",
    [
        b'{"type":"rumour","index":1}\n',
        observed(1).replace(b"answered", b"whatever"),
        observed(1).replace(b"}", b',"ttl":1}'),
        observed(1, backend=Backend(pod="x")).replace(b'"pod"', b'"zone":"z","pod"'),
    ],
)
@pytest.mark.usefixtures("ways")
def test_what_another_version_wrote_is_named_as_the_reader_of_lines_names_it(tmp_path, newer):
    path = tmp_path / "h.jsonl"
    told = [*DECLARED, observed(0), newer, observed(2)]
    path.write_bytes(b"".join(told))
    history, same = read_history(path), decode_lines(told)
    assert history.entries == same.entries
    assert history.unread == same.unread != ()


@pytest.mark.parametrize("end", [b"", b"\n", b"\n\n", b'{"type":"obs', observed(2)[:-1]])
@pytest.mark.usefixtures("ways")
def test_empty_lines_and_a_torn_end_are_left_out(tmp_path, end):
    path = tmp_path / "h.jsonl"
    path.write_bytes(b"".join([*DECLARED, observed(0), b"\n", observed(1)]) + end)
    assert [entry.index for entry in read_history(path).entries] == [0, 1]


def test_what_the_writer_spells_otherwise_means_the_same(tmp_path):
    """Nobody writes null, or a backend's fields in another order; they can be read all the same."""
    path = tmp_path / "h.jsonl"
    common = b'{"type":"observation","index":%d,"at_ns":1,"outcome":"answered",'
    rest = b'"position":"p","target":"t"}\n'
    spelt = [b'"backend":{"pod":"x","uid":"u"},', b'"backend":{"uid":"u", "pod":"x"},',
             b'"backend":null,"connect_us":null,']  # fmt: skip
    told = [common % number + how + rest for number, how in enumerate(spelt, start=1)]
    path.write_bytes(b"".join([*DECLARED, encode(EXPECTATION), *told]))
    (cell,) = read_history(path).cells
    assert cell.attempts.backends == {Backend(pod="x", uid="u"): 2, None: 1}
    assert cell.attempts.connect_us.tolist() == [-1, -1, -1]


def test_a_file_that_was_changed_meanwhile_is_no_evidence(tmp_path):
    path = tmp_path / "h.jsonl"
    path.write_bytes(b"".join([*DECLARED, observed(0), observed(1)]))
    history = read_history(path)
    path.write_bytes(b"".join([*DECLARED, observed(0)]))
    with pytest.raises(BadHistory, match=r"h\.jsonl: it was changed while it was judged"):
        history.observations[1]


def test_observations_are_a_sequence(tmp_path):
    path = tmp_path / "h.jsonl"
    path.write_bytes(b"".join([*DECLARED, *(observed(number) for number in range(5))]))
    observations = read_history(path).observations
    assert len(observations) == 5
    assert [each.index for each in observations[1:4]] == [1, 2, 3]
    assert [each.index for each in observations[1:4][1:]] == [2, 3]
    assert observations[-1].index == 4
    assert isinstance(observations[2], Observation)
    with pytest.raises(IndexError):
        observations[5]


def test_a_time_that_no_array_can_hold(tmp_path):
    """A clock of the year 2300 is damage, and said to be."""
    path = tmp_path / "h.jsonl"
    path.write_bytes(b"".join([*DECLARED, observed(0, at_ns=2**63)]))
    with pytest.raises(BadHistory, match=r"line 4: .*at_ns"):
        read_history(path)


def test_a_process_that_is_killed_leaves_its_part_to_this_one(tmp_path, monkeypatch):
    path = tmp_path / "h.jsonl"
    path.write_bytes(b"".join([*DECLARED, *(observed(number) for number in range(50))]))
    monkeypatch.setattr(saved, "_LONG", 0)
    monkeypatch.setattr(saved, "_has_two_processors", lambda: True)
    monkeypatch.setattr(saved, "_send", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    assert [entry.index for entry in read_history(path).entries] == list(range(50))


def test_the_rest_of_a_long_history_is_read_by_another_process(tmp_path, monkeypatch):
    path = tmp_path / "h.jsonl"
    path.write_bytes(b"".join([*DECLARED, *(observed(number) for number in range(50))]))
    monkeypatch.setattr(saved, "_LONG", path.stat().st_size // 2)
    monkeypatch.setattr(saved, "_has_two_processors", lambda: True)
    read = []
    real = saved.read_part

    def noted(*what):
        read.append(real(*what))
        return read[-1]

    monkeypatch.setattr(saved, "read_part", noted)
    meanwhile = []
    history = read_history(path, meanwhile=lambda: meanwhile.append(len(read)))
    assert len(history.observations) == 50
    (here,) = read
    assert 20 < len(here.columns[0]) < 30
    assert meanwhile == [1]
