"""Probes in a Pod: when an exec begins, and what becomes of one that is lost."""

import json
import socket

import pytest

from svcproof.clusters.kubernetes_api import Api
from svcproof.clusters.pod_command import run_in_pod
from svcproof.errors import ClusterProblem
from svcproof.history import Outcome
from svcproof.ports import ProbePlan
from svcproof.probes import agent as agents
from svcproof.probes import exec_socket, pod_session
from svcproof.probes.pod_exec import PodProber
from svcproof.probes.stream import ProbeLostError
from tests.unit.api_server import ApiServer, frame, kubeconfig, reply

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


@pytest.fixture
def server():
    with ApiServer() as server:
        yield server


@pytest.fixture
def probe_through(server, tmp_path, monkeypatch):
    """What a prober says whose exec gets these frames."""
    monkeypatch.setattr(agents, "_TRIES", 1)
    api = Api(kubeconfig(tmp_path / "k", server.url), timeout=0.3)
    prober = PodProber(api, namespace="ns", pod="p")

    def probe(*frames: bytes) -> list[tuple[str, str]]:
        server.frames = list(frames)
        return told(prober.probe(PLAN))

    yield probe
    prober.close()
    api.close()


def test_the_channels_of_an_exec(server, probe_through):
    lines = b"1 " + LINE + b"\n1 " + LINE + b"\n1 " + END + b"\n"
    frames = [frame(1, b""), frame(1, lines[:20]), frame(2, b"noise"), frame(1, lines[20:])]
    assert probe_through(*frames) == [ANSWERED, ANSWERED]
    (request,) = server.execs()
    assert request.path == (
        "/api/v1/namespaces/ns/pods/p/exec?container=client&command=%2Fecho-hostname&command=agent"
        "&stdin=true&stdout=true&stderr=true"
    )
    assert request.first("authorization") == "Bearer secret"


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
def test_why_an_exec_ended(probe_through, frames, reason):
    line = frame(1, b"1 " + LINE + b"\n")
    assert probe_through(line, *frames) == [ANSWERED, ("unknown", reason)]


def test_a_server_that_takes_the_connection_and_says_nothing(server, probe_through, monkeypatch):
    monkeypatch.setattr(exec_socket, "_HANDSHAKE_SECONDS", 0.1)
    monkeypatch.setattr(server, "serve", lambda sock: sock.recv(1 << 16) and sock.recv(1 << 16))
    made = probe_through()
    assert {outcome for outcome, _ in made} == {str(Outcome.UNKNOWN)}
    assert "exec could not begin" in made[0][1]
    assert "does not answer" in made[0][1]


def test_a_frame_that_comes_in_pieces(probe_through, monkeypatch):
    """Half a frame must not be taken for the end."""
    monkeypatch.setattr(exec_socket, "_FRAME_SECONDS", 0.05)
    whole = frame(1, b"1 " + LINE + b"\n1 " + LINE + b"\n1 " + END + b"\n")
    assert probe_through(whole[:30], b"", whole[30:]) == [ANSWERED, ANSWERED]


def test_the_words_of_an_exec_that_does_not_begin_are_whole(server, probe_through):
    words = "container not found: " + "x" * 2000 + " and its end"
    answer = server.answer
    server.answer = lambda request: (
        reply(404, {"message": words}) if "/exec?" in request.path else answer(request)
    )
    assert probe_through() == [("unknown", f"lost: exec could not begin: {words}")] * 2


def pod(*containers: dict, **annotations: str) -> dict:
    return {"metadata": {"annotations": annotations}, "spec": {"containers": list(containers)}}


@pytest.mark.parametrize(
    ("item", "name"),
    [
        (pod({"name": "a", "image": "x"}), "a"),
        (
            pod(
                {"name": "mesh", "image": "svcproof.dev/echo-hostname:1", "command": ["/mesh"]},
                {"name": "client", "image": "any:1", "command": ["/echo-hostname", "pause"]},
            ),
            "client",
        ),
        (
            pod(
                {"name": "mesh", "image": "mesh:1"},
                {"name": "web", "image": "svcproof.dev/echo-hostname:1", "args": ["serve"]},
            ),
            "web",
        ),
        (
            pod(
                {"name": "mesh", "image": "mesh:1"},
                {"name": "theirs", "image": "theirs:1"},
                **{"kubectl.kubernetes.io/default-container": "theirs"},
            ),
            "theirs",
        ),
    ],
    ids=["the only one", "by its command", "by its image", "as kubectl"],
)
def test_the_container_is_ours_whoever_is_beside_it(item, name):
    assert exec_socket.container_of(item) == name


class TestOneCommand:
    def ran(self, server, tmp_path, *frames: bytes, limit: float = 5.0):
        server.frames = list(frames)
        api = Api(kubeconfig(tmp_path / "k", server.url))
        try:
            return run_in_pod(api, "ns", "p", ["echo", "x"], limit=limit)
        finally:
            api.close()

    def test_what_it_said(self, server, tmp_path):
        failed = json.dumps(
            {
                "status": "Failure",
                "message": "exit 3",
                "details": {"causes": [{"reason": "ExitCode", "message": "3"}]},
            }
        )
        frames = [
            frame(1, b"o" * 300),
            frame(2, b"wrong"),
            frame(1, b"!"),
            frame(3, failed.encode()),
        ]
        assert self.ran(server, tmp_path, *frames) == (3, "o" * 300 + "!", "wrong")
        (request,) = server.execs()
        assert "stdin" not in request.path

    def test_one_that_was_not_run(self, server, tmp_path):
        failed = frame(3, b'{"status":"Failure","message":"no such program"}')
        with pytest.raises(ClusterProblem, match="exec in Pod p: exec failed: no such program"):
            self.ran(server, tmp_path, failed)

    def test_one_that_goes_on(self, server, tmp_path, monkeypatch):
        monkeypatch.setattr(exec_socket, "_FRAME_SECONDS", 0.05)
        with pytest.raises(ClusterProblem, match=r"echo x not over after 0\.1 s"):
            self.ran(server, tmp_path, frame(1, b"o"), limit=0.1)

    def test_one_that_is_lost(self, server, tmp_path):
        with pytest.raises(ClusterProblem, match="exec broke off: the exit status is lost"):
            self.ran(server, tmp_path, b"\x88\x00")
