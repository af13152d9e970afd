"""The multiplexer, against byte streams written by hand."""

import json
import socket
import threading
import time

import pytest

from svcproof.probes import pod_session
from svcproof.probes.pod_session import Session, by_order
from svcproof.probes.stream import ProbeLostError

END = b'{"type":"end","attempts":1}'


class Wire:
    """A connection whose far end is the test: a socket, so that it can be waited for."""

    def __init__(self) -> None:
        self._near, self._far = socket.socketpair()
        self._lost = ""
        self.sent = b""
        self.arrived = threading.Condition()
        self.closed = threading.Event()

    def say(self, *pieces: bytes) -> None:
        for piece in pieces:
            self._far.sendall(piece)

    def lose(self, reason: str) -> None:
        self._lost = reason
        self._far.close()

    def orders(self, count: int) -> list[dict]:
        with self.arrived:
            assert self.arrived.wait_for(lambda: self.sent.count(b"\n") >= count, 5), self.sent
        return [json.loads(line) for line in self.sent.splitlines()]

    def fileno(self) -> int:
        return self._near.fileno()

    def has_buffered(self) -> bool:
        return False

    def receive(self) -> bytes:
        data = self._near.recv(7)  # so small that every line comes in pieces
        if not data:
            raise ProbeLostError(self._lost)
        return data

    def send(self, data: bytes) -> None:
        with self.arrived:
            self.sent += data
            self.arrived.notify_all()

    def close(self) -> None:
        self._near.close()
        self._far.close()
        self.closed.set()


@pytest.fixture
def wire():
    return Wire()


@pytest.fixture
def session(wire):
    session = Session(wire)
    yield session
    session.close()
    assert wire.closed.is_set()


def test_an_order_goes_out_and_its_lines_come_in(session, wire):
    order = session.order(["--host=h", "--count=2"])
    assert wire.orders(1) == [{"id": 1, "arguments": ["--host=h", "--count=2"]}]
    wire.say(b"1 one\n1 two\n1 " + END + b"\n")
    assert list(order.lines(5)) == [b"one", b"two", END]


def test_orders_do_not_mix(session, wire):
    orders = [session.order([]) for _ in range(3)]
    wire.say(b"3 c\n1 a\n2 b\n1 aa\n", b"2 " + END + b"\n1 " + END + b"\n3 " + END + b"\n")
    assert [list(order.lines(5)) for order in orders] == [
        [b"a", b"aa", END],
        [b"b", END],
        [b"c", END],
    ]


def test_lines_are_there_before_the_probe_has_ended(session, wire):
    order = session.order([])
    lines = order.lines(5)
    wire.say(b"1 early\n")
    assert next(lines) == b"early"
    wire.say(b"1 late\n")
    assert next(lines) == b"late"


def test_leaving_early_stops_the_probe_and_drops_what_still_comes(session, wire):
    left, stays = session.order([]), session.order([])
    lines = left.lines(5)
    wire.say(b"1 a\n")
    next(lines)
    lines.close()
    assert wire.orders(3)[2] == {"id": 1, "stop": True}
    wire.say(b"1 b\n2 " + END + b"\n1 c\n")
    assert list(stays.lines(5)) == [END]
    assert not session.is_over


def test_an_order_that_has_ended_is_not_stopped(session, wire):
    order = session.order([])
    wire.say(b"1 " + END + b"\n")
    assert list(order.lines(5)) == [END]
    session.order([])
    assert [message.get("stop") for message in wire.orders(2)] == [None, None]


def test_a_probe_that_failed_has_ended(session, wire):
    failed = b'{"type":"failed","detail":"no"}'
    order = session.order([])
    wire.say(b"1 " + failed + b"\n")
    assert list(order.lines(5)) == [failed]


def test_a_loss_in_mid_stream_is_told_to_all_after_what_came(session, wire):
    orders = [session.order([]), session.order([])]
    wire.say(b"1 a\n2 b\n2 half a li")
    wire.lose("the wire broke")
    for order, came in zip(orders, (b"a", b"b"), strict=True):
        lines = order.lines(5)
        assert next(lines) == came
        with pytest.raises(ProbeLostError, match="the wire broke"):
            next(lines)
    assert wire.closed.wait(5)
    assert session.is_over
    with pytest.raises(ProbeLostError, match="the wire broke"):
        session.order([])


@pytest.mark.parametrize(
    "stray", [b"panic: oh\n", b"\n", b"-1 x\n", b"0 x\n", b" x\n", b"1\xff x\n"]
)
def test_a_line_of_nobody_ends_the_session_after_what_came(session, wire, stray):
    order = session.order([])
    wire.say(b"1 a\n" + stray)
    lines = order.lines(5)
    assert next(lines) == b"a"
    with pytest.raises(ProbeLostError, match="not an agent's line"):
        next(lines)


def test_silence_ends_the_session(session, wire):
    order, other = session.order([]), session.order([])
    with pytest.raises(ProbeLostError, match=r"silent for 0\.05 s"):
        next(order.lines(0.05))
    with pytest.raises(ProbeLostError, match="silent"):
        next(other.lines(5))
    assert wire.closed.wait(5)


def test_a_session_that_was_heard_just_now_is_not_asked(session, wire):
    session.check()
    session.order([])
    assert wire.orders(1) == [{"id": 1, "arguments": []}]


def test_after_a_while_it_is_asked_first(session, wire, monkeypatch):
    monkeypatch.setattr(pod_session, "_QUIET_SECONDS", 0)
    asking = threading.Timer(0, session.check)
    asking.start()
    assert wire.orders(1) == [{"id": 1, "ping": True}]
    wire.say(b'1 {"type":"pong"}\n')
    asking.join(5)
    assert not asking.is_alive()
    assert not session.is_over


def test_one_that_does_not_answer_is_over(session, wire, monkeypatch):
    monkeypatch.setattr(pod_session, "_QUIET_SECONDS", 0)
    monkeypatch.setattr(pod_session, "_PING_SECONDS", 0.05)
    with pytest.raises(ProbeLostError, match="silent"):
        session.check()
    assert session.is_over


def test_closing_tells_those_who_wait(session, wire):
    order = session.order([])
    threading.Timer(0.05, session.close).start()
    with pytest.raises(ProbeLostError, match="closed"):
        next(order.lines(5))
    session.close()  # twice is no error


def test_a_connection_that_cannot_be_written_to_is_lost(wire):
    def fail(_data: bytes) -> None:
        raise ProbeLostError("no way out")

    wire.send = fail
    session = Session(wire)
    with pytest.raises(ProbeLostError, match="no way out"):
        next(session.order([]).lines(5))
    session.close()


def test_many_threads(session, wire):
    """Each gets its own lines, whoever else is at it."""
    got: dict[int, list[bytes]] = {}

    def use() -> None:
        order = session.order([])
        got[order.number] = list(order.lines(5))

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    numbers = [message["id"] for message in wire.orders(8)]
    for text in (b"x", b"y", END):
        wire.say(*(b"%d %s%s\n" % (n, b"" if text == END else b"%d" % n, text) for n in numbers))
    for thread in threads:
        thread.join(5)
    assert got == {n: [b"%dx" % n, b"%dy" % n, END] for n in numbers}


def test_the_thread_does_not_outlive_its_session(wire):
    session = Session(wire)
    before = time.monotonic()
    session.close()
    assert time.monotonic() - before < 1
    assert not session.is_running


def test_sorting():
    lines = [b"2 b", b"10 c d", b"2 ", b"junk", b""]
    assert by_order(lines) == {2: [b"b", b""], 10: [b"c d"], 0: [b"junk", b""]}
