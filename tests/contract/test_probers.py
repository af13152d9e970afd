"""Every prober says the same of the same server: one vocabulary, whoever asks.

The servers are real ones on loopback; ``unreachable`` is asked for inside a
network namespace with nothing in it.
"""

import ctypes
import json
import os
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from svcproof.history import Attempt, Backend, Outcome
from svcproof.ports import ProbePlan
from svcproof.probes import Prober
from svcproof.probes.process_agent import ProcessAgentProber
from svcproof.probes.program import ProgramProber
from svcproof.probes.requests_prober import RequestsProber

LOOPBACK = "127.0.0.1"
IDENTITY = {
    "SVCPROOF_POD": "web-0",
    "SVCPROOF_POD_UID": "uid-0",
    "SVCPROOF_NODE": "node-1",
    "SVCPROOF_NAMESPACE": "ns",
    "SVCPROOF_RUN": "r1",
}
WEB_0 = Backend(pod="web-0", uid="uid-0", node="node-1", namespace="ns", run="r1")
CLONE_NEWNET = 0x40000000
OFFLINE = ["unshare", "--user", "--map-root-user", "--net"]


@dataclass
class Place:
    """A prober, and what it can do."""

    prober: Prober
    #: Everything, or only fresh HTTP connections?
    udp: bool
    #: Runs a function with the prober in an empty network namespace.
    isolated: Callable[[ProbePlan], list[Attempt]] = field(repr=False)

    def ask(self, port: int, count: int = 3, host: str = LOOPBACK, **plan: object) -> list[Attempt]:
        limits = {"connect_timeout": 0.5, "attempt_timeout": 0.8}
        wanted = ProbePlan(host=host, port=port, count=count, **(limits | plan))
        made = list(self.prober.probe(wanted))
        assert len(made) == count
        return made


@pytest.fixture(params=["program", "agent", "requests"])
def place(request) -> Iterator[Place]:
    if request.param == "agent":
        path = request.getfixturevalue("echo_hostname")
        probers = [
            ProcessAgentProber(str(path)),
            ProcessAgentProber(str(path), prefix=OFFLINE),
        ]
        yield Place(probers[0], udp=True, isolated=lambda plan: list(probers[1].probe(plan)))
        for prober in probers:
            prober.close()
        return
    yield _without_agent(request)


def _without_agent(request) -> Place:
    if request.param == "requests":
        prober = RequestsProber()
        return Place(prober, udp=False, isolated=lambda plan: _without_network(prober, plan))
    path = request.getfixturevalue("echo_hostname")
    inside = ProgramProber(path, prefix=OFFLINE)
    return Place(ProgramProber(path), udp=True, isolated=lambda plan: list(inside.probe(plan)))


def _without_network(prober: Prober, plan: ProbePlan) -> list[Attempt]:
    """In a thread of its own, for a network namespace belongs to a thread."""
    made: list[Attempt] = []
    failed: list[int] = []

    def run() -> None:
        if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
            failed.append(ctypes.get_errno())
        else:
            made.extend(prober.probe(plan))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failed:
        pytest.skip(f"not supported: no right to make a network namespace ({failed})")
    return made


@dataclass
class Echo:
    http: int
    udp: int


@pytest.fixture(scope="session")
def echo(echo_hostname: Path) -> Iterator[Echo]:
    """The app itself, on ports that it picks."""
    ports = Echo(_free_port(socket.SOCK_STREAM), _free_port(socket.SOCK_DGRAM))
    command = [
        str(echo_hostname),
        "serve",
        f"--http={LOOPBACK}:{ports.http},[::1]:{ports.http}",
        f"--udp={LOOPBACK}:{ports.udp}",
    ]
    with subprocess.Popen(command, env={**os.environ, **IDENTITY}, stdout=subprocess.PIPE) as app:
        try:
            assert app.stdout is not None
            app.stdout.readline()  # it says where it listens, once it does
            yield ports
        finally:
            app.terminate()


def _free_port(kind: int) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[socket.socket], None]], int]]:
    """A server that does to each connection what a function says."""
    listeners: list[socket.socket] = []

    def start(handle: Callable[[socket.socket], None]) -> int:
        listener = socket.create_server((LOOPBACK, 0))
        listeners.append(listener)

        def loop() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                handle(connection)

        threading.Thread(target=loop, daemon=True).start()
        return int(listener.getsockname()[1])

    yield start
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def outcomes(made: list[Attempt]) -> set[Outcome]:
    return {attempt.outcome for attempt in made}


def test_answered(place: Place, echo: Echo):
    for attempt in place.ask(echo.http, 20):
        assert attempt.outcome is Outcome.ANSWERED
        assert attempt.backend == WEB_0
        assert attempt.source_address == LOOPBACK
        assert attempt.local_address == f"{LOOPBACK}:{attempt.source_port}"
        assert attempt.remote_address == f"{LOOPBACK}:{echo.http}"
        assert attempt.connect_us is not None
        assert attempt.reply_us is not None
        assert attempt.resolve_us is None
        assert attempt.detail == ""


def test_each_attempt_is_a_fresh_connection(place: Place, echo: Echo):
    made = place.ask(echo.http, 50)
    assert len({attempt.source_port for attempt in made}) == 50


def test_times_are_in_order_and_recent(place: Place, echo: Echo):
    import time

    before = time.time_ns()
    made = place.ask(echo.http, 5, concurrency=1)
    times = [attempt.at_ns for attempt in made]
    assert times == sorted(times)
    assert before - 10**9 < times[0] <= times[-1] < time.time_ns() + 10**9


def test_ipv6(place: Place, echo: Echo):
    if not Path("/proc/net/if_inet6").exists():
        pytest.skip("not supported: this machine has no IPv6")
    (attempt,) = place.ask(echo.http, 1, host="::1", family="ipv6")
    assert (attempt.outcome, attempt.source_address) == (Outcome.ANSWERED, "::1")
    assert attempt.remote_address == f"[::1]:{echo.http}"


def test_source_ports(place: Place, echo: Echo):
    low = 23000 + os.getpid() % 1000
    made = place.ask(echo.http, 6, source_ports=(low, low + 5))
    assert sorted(attempt.source_port for attempt in made) == list(range(low, low + 6))


def test_source_range(place: Place, echo: Echo):
    made = place.ask(echo.http, 6, source_range="127.0.9.4/31")
    if any(attempt.detail == "lost: this prober has no range of addresses" for attempt in made):
        pytest.skip("not supported: this prober has no range of addresses")
    assert sorted(attempt.source_address for attempt in made) == 3 * ["127.0.9.4"] + 3 * [
        "127.0.9.5"
    ]


def test_refused(place: Place):
    made = place.ask(_free_port(socket.SOCK_STREAM))
    assert outcomes(made) == {Outcome.REFUSED}
    assert made[0].detail
    assert made[0].backend is None


def test_reset(place: Place, serve):
    def reset(connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.recv(1)
        connection.close()

    assert outcomes(place.ask(serve(reset))) == {Outcome.RESET}


def test_closed_without_a_reply_is_reset(place: Place, serve):
    def hang_up(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.close()

    assert outcomes(place.ask(serve(hang_up))) == {Outcome.RESET}


def test_closed_in_the_middle_of_a_reply_is_reset(place: Place, serve):
    def break_off(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        connection.close()

    assert outcomes(place.ask(serve(break_off))) == {Outcome.RESET}


def test_silence_after_connecting_is_timed_out(place: Place, serve):
    kept: list[socket.socket] = []
    made = place.ask(serve(kept.append), attempt_timeout=0.3)
    assert outcomes(made) == {Outcome.TIMED_OUT}
    assert made[0].connect_us is not None
    for connection in kept:
        connection.close()


def test_silence_while_connecting_is_timed_out(place: Place):
    """A full backlog: the kernel drops further SYNs, as a firewall would."""
    with socket.create_server((LOOPBACK, 0), backlog=0) as listener:
        address = listener.getsockname()
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        made = place.ask(address[1], connect_timeout=0.3)
        for filler in fillers:
            filler.close()
    assert outcomes(made) == {Outcome.TIMED_OUT}
    assert made[0].connect_us is None


def test_unreachable(place: Place):
    plan = ProbePlan(host="192.0.2.1", port=80, count=3)
    made = place.isolated(plan)
    assert [attempt.outcome for attempt in made] == [Outcome.UNREACHABLE] * 3
    assert made[0].detail


def test_a_name_that_does_not_exist(place: Place):
    made = place.ask(80, 2, host="no-such-name.invalid")
    assert outcomes(made) == {Outcome.NAME_FAILED}
    assert all(attempt.remote_address == "" for attempt in made if place.udp)


def test_an_answer_of_somebody_else(place: Place, serve):
    def other(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno")
        connection.close()

    (attempt,) = place.ask(serve(other), 1)
    assert (attempt.outcome, attempt.backend) == (Outcome.ANSWERED, None)
    assert "not understood" in attempt.detail


def test_udp(place: Place, echo: Echo):
    made = place.ask(echo.udp, 3, protocol="udp")
    if not place.udp:
        assert outcomes(made) == {Outcome.UNKNOWN}
        assert "no udp" in made[0].detail
        return
    assert outcomes(made) == {Outcome.ANSWERED}
    assert {attempt.backend for attempt in made} == {WEB_0}
    assert {attempt.source_address for attempt in made} == {LOOPBACK}


def test_udp_refused_and_silent(place: Place):
    if not place.udp:
        pytest.skip("not supported: this prober has no UDP")
    refused = place.ask(_free_port(socket.SOCK_DGRAM), 3, protocol="udp")
    assert outcomes(refused) == {Outcome.REFUSED}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind((LOOPBACK, 0))
        made = place.ask(silent.getsockname()[1], 3, protocol="udp", attempt_timeout=0.3)
    assert outcomes(made) == {Outcome.TIMED_OUT}


def answering(body: bytes, status: bytes = b"200 OK") -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        connection.recv(4096)
        head = b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
        connection.sendall(head % (status, len(body)) + body)
        connection.close()

    return answer


#: As kube-proxy lays it out.
HEALTH = b"""{
\t"service": {
\t\t"namespace": "ns",
\t\t"name": "web"
\t},
\t"localEndpoints": %d,
\t"serviceProxyHealthy": true
}"""


@pytest.mark.parametrize(
    ("status", "body", "answers"),
    [
        (
            b"200 OK",
            HEALTH % 2,
            ("localEndpoints 2", "service ns/web", "serviceProxyHealthy true", "status 200"),
        ),
        (
            b"503 Service Unavailable",
            HEALTH % 0,
            ("localEndpoints 0", "service ns/web", "serviceProxyHealthy true", "status 503"),
        ),
        (b"404 Not Found", b"no such page", ("status 404",)),
        (b"200 OK", b'{"localEndpoints": "many", "service": {"name": "web"}}', ("status 200",)),
    ],
)
def test_health_checks(place: Place, serve, status, body, answers):
    made = place.ask(serve(answering(body, status)), 2, dialect="healthz")
    if not place.udp:
        assert outcomes(made) == {Outcome.UNKNOWN}
        return
    assert [(a.outcome, a.answers) for a in made] == [(Outcome.ANSWERED, answers)] * 2
    assert made[0].reply_us is not None


def test_kept_connections(place: Place, echo: Echo):
    made = place.ask(echo.http, 20, keep_alive=True, concurrency=2)
    if not place.udp:
        assert outcomes(made) == {Outcome.UNKNOWN}
        assert "no kept connections" in made[0].detail
        return
    assert outcomes(made) == {Outcome.ANSWERED}
    assert len({attempt.source_port for attempt in made}) <= 2
    assert sum(attempt.connect_us is not None for attempt in made) <= 2


@pytest.mark.parametrize("payload", [1, 500, 1400, 65_536])
def test_payloads_are_answered_in_kind(place: Place, echo: Echo, payload: int):
    made = place.ask(echo.http, 5, payload=payload)
    assert [(a.outcome, a.backend, a.detail) for a in made] == [(Outcome.ANSWERED, WEB_0, "")] * 5


@pytest.mark.parametrize("payload", [1, 1400, 65_000])
def test_payloads_in_datagrams(place: Place, echo: Echo, payload: int):
    if not place.udp:
        pytest.skip("not supported: this prober has no UDP")
    # One at a time: three of the largest fill a socket's buffer.
    made = place.ask(echo.udp, 5, protocol="udp", payload=payload, concurrency=1)
    assert [(a.outcome, a.backend, a.detail) for a in made] == [(Outcome.ANSWERED, WEB_0, "")] * 5


def whole_request(connection: socket.socket) -> bytes:
    """A request with all of its body."""
    came = b""
    while b"\r\n\r\n" not in came:
        came += connection.recv(65_536)
    head, _, body = came.partition(b"\r\n\r\n")
    fields = head.lower().splitlines()
    length = next((int(f.split(b":")[1]) for f in fields if f.startswith(b"content-length")), 0)
    while len(body) < length:
        body += connection.recv(65_536)
    return body


@pytest.mark.parametrize("payload", [0, 1, 1400, 65_536])
def test_the_request_carries_the_payload(place: Place, serve, payload: int):
    came: list[int] = []

    def measure(connection: socket.socket) -> None:
        came.append(len(whole_request(connection)))
        connection.close()

    place.ask(serve(measure), 2, payload=payload)
    assert came == [payload] * 2


#: Understood where no payload is asked for.
SHORT = json.dumps(
    {
        "pod": "web-0",
        "uid": "uid-0",
        "node": "node-1",
        "namespace": "ns",
        "run": "r1",
        "client_address": LOOPBACK,
        "client_port": 1,
    }
).encode()


@pytest.mark.parametrize("payload", [0, 1400])
def test_a_short_reply_to_a_large_payload_is_not_understood(place: Place, serve, payload: int):
    def short(connection: socket.socket) -> None:
        whole_request(connection)
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
        connection.sendall(head % len(SHORT) + SHORT)
        connection.close()

    (attempt,) = place.ask(serve(short), 1, payload=payload)
    assert attempt.outcome is Outcome.ANSWERED
    assert attempt.backend == (None if payload else WEB_0)
    assert ("not understood" in attempt.detail) == bool(payload)


@pytest.mark.parametrize(("ending", "outcome"), [("closes", "reset"), ("stops", "timed-out")])
def test_a_reply_without_its_end(place: Place, serve, ending: str, outcome: str):
    """As where small packets arrive and large ones do not."""
    kept: list[socket.socket] = []

    def begin(connection: socket.socket) -> None:
        whole_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1400\r\n\r\n" + SHORT)
        connection.close() if ending == "closes" else kept.append(connection)

    made = place.ask(serve(begin), 2, payload=1400)
    assert [attempt.outcome for attempt in made] == [Outcome(outcome)] * 2
    for connection in kept:
        connection.close()


def test_queries(place: Place):
    """What a name server says is tested where there is one: beside the Go resolver."""
    made = place.ask(0, 2, host="no-such-name.invalid", query="SRV")
    if not place.udp:
        assert outcomes(made) == {Outcome.UNKNOWN}
        assert "no DNS queries" in made[0].detail
        return
    # A machine without a name server that answers: then it is silence.
    assert outcomes(made) <= {Outcome.NAME_FAILED, Outcome.TIMED_OUT}
    assert made[0].resolve_us is not None
    assert made[0].remote_address == ""


def test_several_plans_at_once(place: Place, echo: Echo):
    made: list[list[Attempt]] = []
    threads = [
        threading.Thread(target=lambda n=n: made.append(place.ask(echo.http, n)))
        for n in range(1, 9)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(len, made)) == list(range(1, 9))
    assert outcomes([attempt for some in made for attempt in some]) == {Outcome.ANSWERED}


def test_a_rate_is_kept(place: Place, echo: Echo):
    made = place.ask(echo.http, 6, rate=20)
    spread = made[-1].at_ns - made[0].at_ns
    assert 0.2e9 <= spread < 2e9


def test_closing_ends_the_client_early(place: Place, echo: Echo):
    plan = ProbePlan(host=LOOPBACK, port=echo.http, count=1000, rate=10)
    stream = place.prober.probe(plan)
    assert next(stream).outcome is Outcome.ANSWERED
    stream.close()  # would take 100 s if it waited
    assert outcomes(place.ask(echo.http)) == {Outcome.ANSWERED}


def test_a_program_that_cannot_run_makes_every_attempt_unknown(tmp_path: Path):
    made = list(ProgramProber(tmp_path / "none").probe(ProbePlan(host="x", port=1, count=2)))
    assert outcomes(made) == {Outcome.UNKNOWN}
    assert "cannot run" in made[0].detail


def test_a_program_that_refuses_its_arguments(echo_hostname: Path):
    plan = ProbePlan(host="127.0.0.1", port=80, count=2, family="ipv6")
    made = list(ProgramProber(echo_hostname).probe(plan))
    assert outcomes(made) == {Outcome.UNKNOWN}
    assert "ended with 2" in made[0].detail
