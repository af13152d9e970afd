"""The exec stream, against a stream that says what a real one would."""

import json

import pytest

from svcproof.history import Outcome
from svcproof.ports import ProbePlan
from svcproof.probes import pod_exec
from svcproof.probes.pod_exec import PodProber
from svcproof.probes.stream import ProbeLostError

LINE = b'{"at_ns":1,"outcome":"answered"}\n'
END = b'{"type":"end","attempts":2}\n'
SUCCESS = json.dumps({"status": "Success"}).encode()
FAILURE = json.dumps(
    {"status": "Failure", "message": "command terminated with exit code 1"}
).encode()
PLAN = ProbePlan(host="10.0.0.1", port=80, count=2)


class Stream:
    """A WSClient's surface: chunks of standard output, then the status."""

    def __init__(self, *chunks: object, status: bytes = SUCCESS, errors: bytes = b"") -> None:
        self._chunks = list(chunks)
        self._channels = {1: b"", 2: errors, 3: status}
        self.sock = self
        self.shut = False

    def is_open(self) -> bool:
        return bool(self._chunks)

    def update(self, timeout: float) -> None:
        chunk = self._chunks.pop(0)
        if isinstance(chunk, Exception):
            raise chunk
        self._channels[1] = chunk

    def read_channel(self, channel: int) -> bytes:
        data, self._channels[channel] = self._channels[channel], b""
        return data

    def shutdown(self) -> None:
        self.shut = True


@pytest.fixture
def probe(monkeypatch):
    def run(*streams: object) -> list:
        waiting = list(streams)
        monkeypatch.setattr(pod_exec, "_PAUSE_SECONDS", 0)

        def connect(_self, _command):
            stream = waiting.pop(0)
            if isinstance(stream, Exception):
                raise stream
            return stream

        monkeypatch.setattr(PodProber, "_connect", connect)
        made = list(PodProber(None, namespace="ns", pod="p").probe(PLAN))
        return [(str(attempt.outcome), attempt.detail) for attempt in made]

    return run


ANSWERED = ("answered", "")


def test_lines_are_put_together_from_chunks(probe):
    whole = LINE + LINE + END
    stream = Stream(whole[:10], whole[10:50], b"", whole[50:])
    assert probe(stream) == [ANSWERED, ANSWERED]
    assert stream.shut


@pytest.mark.parametrize(
    ("stream", "reason"),
    [
        (Stream(LINE, status=b""), "lost: exec broke off: the exit status is lost"),
        (
            Stream(LINE, status=FAILURE, errors=b"no such host\n"),
            "lost: exec failed: command terminated with exit code 1 no such host",
        ),
        (
            Stream(LINE, ConnectionResetError("gone")),
            "lost: exec broke off: ConnectionResetError: gone",
        ),
        (Stream(LINE, LINE[:-9]), "lost: the client's output ended without its last line"),
    ],
    ids=["no status", "exit code", "broken off", "cut off"],
)
def test_what_is_lost_is_unknown(probe, stream, reason):
    assert probe(stream) == [ANSWERED, ("unknown", reason)]
    assert stream.shut


def test_a_status_that_is_lost_after_the_end_loses_nothing(probe):
    assert probe(Stream(LINE, LINE, END, status=b"")) == [ANSWERED, ANSWERED]


def test_an_exec_that_did_not_begin_is_tried_again(probe):
    assert probe(ProbeLostError("busy"), Stream(LINE, LINE, END)) == [ANSWERED, ANSWERED]


def test_but_not_for_ever(probe):
    lost = probe(*[ProbeLostError("no such Pod")] * 3)
    assert lost == [("unknown", "lost: no such Pod")] * 2


def test_silence_is_noticed(monkeypatch):
    class Silent(Stream):
        def is_open(self) -> bool:
            return True

        def update(self, timeout: float) -> None:
            pass

    monkeypatch.setattr(pod_exec, "silence_limit", lambda _: 0.01)
    monkeypatch.setattr(PodProber, "_connect", lambda *_: Silent())
    made = list(PodProber(None, namespace="ns", pod="p").probe(PLAN))
    assert {attempt.outcome for attempt in made} == {Outcome.UNKNOWN}
    assert "silent for 0.01 s" in made[0].detail
