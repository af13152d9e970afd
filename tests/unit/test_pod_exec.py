"""Probes in a Pod: when an exec begins, and what becomes of one that is lost."""

import json
import socket
import struct
import threading
import time

import pytest

from svcproof.history import Outcome
from svcproof.ports import ProbePlan
from svcproof.probes import agent as agents
from svcproof.probes import exec_socket, pod_session
from svcproof.probes.pod_exec import PodProber
from svcproof.probes.stream import ProbeLostError

LINE = b'{"at_ns":1,"outcome":"answered"}'
END = b'{"type":"end","attempts":2}'
PLAN = ProbePlan(host="10.0.0.1", port=80, count=2)
ANSWERED = ("answered", "")


class Agent:
    """A connection to an agent that answers every order with the same lines."""

    def __init__(self, *lines: bytes, then: str = "") -> None:
        self._near, self._far = socket.socketpair()
        self._lines, self._then = lines, then
        self.orders: list[dict] = []
        self.closed = False

    def fileno(self) -> int:
        return self._near.fileno()

    def has_buffered(self) -> bool:
        return False

    def receive(self) -> bytes:
        data = self._near.recv(4096)
        if not data:
            raise ProbeLostError(self._then)
        return data

    def send(self, data: bytes) -> None:
        for text in data.splitlines():
            order = json.loads(text)
            self.orders.append(order)
            for line in self._lines if "arguments" in order else ():
                self._far.sendall(b"%d %s\n" % (order["id"], line))
        if self._then:
            self._far.close()

    def close(self) -> None:
        self._near.close()
        self._far.close()
        self.closed = True


@pytest.fixture
def prober(monkeypatch):
    """A prober that connects to what ``prober.waiting`` holds, one after the other."""
    monkeypatch.setattr(agents, "_PAUSE_SECONDS", 0)
    prober = PodProber(None, namespace="ns", pod="p")
    prober.waiting = []

    def connect():
        agent = prober.waiting.pop(0)
        if isinstance(agent, Exception):
            raise agent
        return agent

    def quiet(seconds):
        prober._session._heard_at -= seconds

    prober.quiet = quiet
    monkeypatch.setattr(prober, "_connect", connect)
    yield prober
    prober.close()


def told(attempts) -> list[tuple[str, str]]:
    return [(str(attempt.outcome), attempt.detail) for attempt in attempts]


def test_one_exec_serves_all_probes(prober):
    agent = Agent(LINE, LINE, END)
    prober.waiting = [agent]
    for _ in range(3):
        assert told(prober.probe(PLAN)) == [ANSWERED, ANSWERED]
    assert [order["id"] for order in agent.orders] == [1, 2, 3]
    assert "--host=10.0.0.1" in agent.orders[0]["arguments"]
    assert "probe" not in agent.orders[0]["arguments"]
    prober.close()
    assert agent.closed


def test_nothing_begins_before_it_is_needed(prober):
    prober.probe(PLAN).close()
    prober.close()


def test_what_is_lost_is_unknown_and_the_next_probe_begins_anew(prober):
    prober.waiting = [Agent(LINE, then="the Pod is gone"), Agent(LINE, LINE, END)]
    assert told(prober.probe(PLAN)) == [ANSWERED, ("unknown", "lost: the Pod is gone")]
    assert told(prober.probe(PLAN)) == [ANSWERED, ANSWERED]


def test_what_the_agent_refuses_is_unknown(prober):
    prober.waiting = [Agent(b'{"type":"failed","detail":"--port 0"}')]
    assert told(prober.probe(PLAN)) == [("unknown", "lost: the client failed: --port 0")] * 2


def test_a_line_that_is_no_attempt_costs_only_its_own_probe(prober):
    agent = Agent(LINE, b'{"at_ns":')
    prober.waiting = [agent]
    (first, (outcome, detail)) = told(prober.probe(PLAN))
    assert (first, outcome) == (ANSWERED, "unknown")
    assert "not an attempt" in detail
    told(prober.probe(PLAN))
    assert [order.get("stop") for order in agent.orders[:2]] == [None, True]


def test_an_exec_that_did_not_begin_is_tried_again(prober):
    prober.waiting = [ProbeLostError("busy"), Agent(LINE, LINE, END)]
    assert told(prober.probe(PLAN)) == [ANSWERED, ANSWERED]


def test_but_not_for_ever(prober):
    prober.waiting = [ProbeLostError("no such Pod") for _ in range(3)]
    assert told(prober.probe(PLAN)) == [("unknown", "lost: no such Pod")] * 2


def test_silence_is_noticed(prober, monkeypatch):
    monkeypatch.setattr(agents, "silence_limit", lambda _: 0.05)
    prober.waiting = [Agent(), Agent(LINE, LINE, END)]
    assert {detail for _, detail in told(prober.probe(PLAN))} == {
        "lost: the client was silent for 0.05 s"
    }
    assert told(prober.probe(PLAN)) == [ANSWERED, ANSWERED]


def test_an_agent_that_went_dead_unnoticed_costs_nothing(prober, monkeypatch):
    dead = Agent(LINE, LINE, END)  # answers orders, but no ping
    prober.waiting = [dead, Agent(LINE, LINE, END)]
    assert told(prober.probe(PLAN)) == [ANSWERED, ANSWERED]
    monkeypatch.setattr(pod_session, "_PING_SECONDS", 0.05)
    prober.quiet(60)
    assert told(prober.probe(PLAN)) == [ANSWERED, ANSWERED]
    assert sum("arguments" in order for order in dead.orders) == 1


class _Configuration:
    verify_ssl = False
    proxy = proxy_headers = assert_hostname = None
    cert_file = key_file = tls_server_name = ssl_ca_cert = None


class _Api:
    configuration = _Configuration()

    def __init__(self, port: int) -> None:
        self._port = port

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._port}{path}"

    def headers(self) -> dict[str, str]:
        return {"authorization": "Bearer secret"}


@pytest.fixture
def api_server():
    """An API server that says what a test wants, and tells the request it got."""
    listener = socket.create_server(("127.0.0.1", 0))
    opened: list[socket.socket] = [listener]
    requests: list[bytes] = []

    def start(*pieces: bytes, handshake: bool = True, pause: float = 0.0) -> _Api:
        def serve() -> None:
            connection, _ = listener.accept()
            opened.append(connection)
            if not handshake:
                return
            requests.append(connection.recv(65536))
            connection.sendall(_upgraded(requests[0]))
            connection.recv(65536)  # the order
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(pause)

        threading.Thread(target=serve, daemon=True).start()
        return _Api(listener.getsockname()[1])

    start.requests = requests
    yield start
    for opened_socket in opened:
        opened_socket.close()


def _upgraded(request: bytes) -> bytes:
    import base64
    import hashlib
    import re

    key = re.search(rb"(?i)sec-websocket-key: (\S+)", request)
    assert key is not None
    magic = key[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    accept = base64.b64encode(hashlib.sha1(magic, usedforsecurity=False).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Protocol: v5.channel.k8s.io\r\nSec-WebSocket-Accept: "
        + accept
        + b"\r\n\r\n"
    )


def frame(channel: int, data: bytes, opcode: int = 2) -> bytes:
    payload = bytes([channel]) + data
    return bytes([0x80 | opcode, 126]) + struct.pack(">H", len(payload)) + payload


def probe_through(api: _Api, monkeypatch) -> list[tuple[str, str]]:
    monkeypatch.setattr(agents, "_TRIES", 1)
    prober = PodProber(api, namespace="ns", pod="p")
    made = told(prober.probe(PLAN))
    prober.close()
    return made


def test_the_channels_of_an_exec(api_server, monkeypatch):
    lines = b"1 " + LINE + b"\n1 " + LINE + b"\n1 " + END + b"\n"
    api = api_server(frame(1, b""), frame(1, lines[:20]), frame(2, b"noise"), frame(1, lines[20:]))
    assert probe_through(api, monkeypatch) == [ANSWERED, ANSWERED]
    (request,) = api_server.requests
    assert request.startswith(
        b"GET /api/v1/namespaces/ns/pods/p/exec?command=%2Fecho-hostname&command=agent"
        b"&stdin=true&stdout=true&stderr=true HTTP/1.1"
    )
    assert b"authorization: Bearer secret" in request


@pytest.mark.parametrize(
    ("frames", "reason"),
    [
        (
            [
                frame(2, b"no such\nfile\n"),
                frame(3, b'{"status":"Failure","message":"exit code 1"}'),
            ],
            "lost: exec failed: exit code 1 no such file",
        ),
        ([frame(3, b'{"status":"Success"}')], "lost: exec ended"),
        ([b"\x88\x00"], "lost: exec broke off: the exit status is lost"),
    ],
    ids=["exit code", "ended", "closed"],
)
def test_why_an_exec_ended(api_server, monkeypatch, frames, reason):
    line = frame(1, b"1 " + LINE + b"\n")
    assert probe_through(api_server(line, *frames), monkeypatch) == [ANSWERED, ("unknown", reason)]


def test_a_server_that_takes_the_connection_and_says_nothing(api_server, monkeypatch):
    monkeypatch.setattr(exec_socket, "_HANDSHAKE_SECONDS", 0.1)
    made = probe_through(api_server(handshake=False), monkeypatch)
    assert {outcome for outcome, _ in made} == {str(Outcome.UNKNOWN)}
    assert "exec could not begin" in made[0][1]


def test_a_frame_that_comes_in_pieces(api_server, monkeypatch):
    """Half a frame must not be taken for the end."""
    monkeypatch.setattr(exec_socket, "_FRAME_SECONDS", 0.05)
    whole = frame(1, b"1 " + LINE + b"\n1 " + LINE + b"\n1 " + END + b"\n")
    api = api_server(whole[:30], whole[30:], pause=0.3)
    assert probe_through(api, monkeypatch) == [ANSWERED, ANSWERED]
