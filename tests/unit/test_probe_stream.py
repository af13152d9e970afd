"""What a client says, what it leaves out, and what is made of that."""

import re
from dataclasses import replace

import msgspec
import pytest

from svcproof.history import Attempt, Backend, Outcome
from svcproof.ports import Finish, ProbePlan
from svcproof.probes.arguments import probe_arguments, silence_limit
from svcproof.probes.stream import ProbeLostError, attempts

ANSWERED = msgspec.json.encode(Attempt(at_ns=1, outcome=Outcome.ANSWERED))
END = b'{"type":"end","attempts":3}'


def outcomes(made):
    return [str(attempt.outcome) for attempt in made]


def test_a_complete_stream():
    made = list(attempts([ANSWERED] * 3 + [END], 3))
    assert outcomes(made) == ["answered"] * 3


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([ANSWERED], "without its last line"),
        ([ANSWERED, b'{"type":"end","attempts":1}'], "made 1 attempts"),
        ([ANSWERED, b"panic: oops"], "not an attempt: .*panic"),
        ([ANSWERED, ANSWERED[:-5]], "not an attempt"),
        ([], "without its last line"),
        ([ANSWERED, b'{"type":"failed","detail":"no memory"}'], "the client failed: no memory"),
        (
            [b'{"type":"failed","detail":"flag provided but not defined: -newer"}'],
            r"of another version of svcproof, which cannot do this .*-newer\): give the cluster",
        ),
    ],
)
def test_what_is_missing_is_unknown_with_the_reason(lines, reason):
    made = list(attempts(lines, 3))
    assert len(made) == 3
    lost = [attempt for attempt in made if attempt.outcome is Outcome.UNKNOWN]
    assert len(lost) == 3 - lines.count(ANSWERED)
    for attempt in lost:
        assert attempt.detail.startswith("lost: ")
        assert re.search(reason, attempt.detail)


def test_what_a_newer_client_says_beside_is_left_out():
    more = b'{"at_ns":1,"outcome":"answered","backend":{"pod":"p","zone":"z"},"ttl":3}'
    (made,) = attempts([more, b'{"type":"end","attempts":1,"dropped":0}'], 1)
    assert made == Attempt(at_ns=1, outcome=Outcome.ANSWERED, backend=Backend(pod="p"))


def test_an_ending_that_only_a_newer_client_knows_is_unknown():
    (made,) = attempts([b'{"at_ns":1,"outcome":"half-open","ttl":3}'], 1)
    assert made.outcome is Outcome.UNKNOWN
    assert "half-open" in made.detail


def test_a_lost_client_keeps_what_it_said():
    def lines():
        yield ANSWERED
        yield ANSWERED
        raise ProbeLostError("exec broke off")

    made = list(attempts(lines(), 4))
    assert outcomes(made) == ["answered", "answered", "unknown", "unknown"]
    assert made[-1].detail == "lost: exec broke off"


def test_a_loss_after_the_last_attempt_loses_nothing():
    def lines():
        yield from [ANSWERED] * 2
        raise ProbeLostError("the exit status is lost")

    assert outcomes(attempts(lines(), 2)) == ["answered"] * 2


def test_never_more_than_asked_for():
    assert len(list(attempts([ANSWERED] * 9 + [END], 3))) == 3


def test_closing_early_closes_the_client():
    closed = []

    def lines():
        try:
            while True:
                yield ANSWERED
        finally:
            closed.append(True)

    stream = attempts(lines(), 100)
    next(stream)
    stream.close()
    assert closed == [True]


def test_the_plan_as_arguments():
    plan = ProbePlan(
        host="fd00::1",
        port=80,
        count=5,
        protocol="udp",
        family="ipv6",
        rate=2.5,
        source_ports=(40000, 40009),
        connect_timeout=0.5,
    )
    arguments = probe_arguments(plan)
    assert arguments[0] == "probe"
    assert {
        "--host=fd00::1",
        "--port=80",
        "--count=5",
        "--protocol=udp",
        "--family=ipv6",
        "--rate=2.5",
        "--source-ports=40000-40009",
        "--connect-timeout=0.5",
        "--attempt-timeout=6",
        "--dialect=echo",
    } <= set(arguments)


def test_by_default_no_rate_and_no_source_ports():
    arguments = probe_arguments(ProbePlan(host="h", port=1, count=1))
    assert not any(argument.startswith(("--rate", "--source")) for argument in arguments)


def test_a_query_has_no_port_and_no_connection():
    plan = ProbePlan(host="web", port=0, count=3, query="SRV", attempt_timeout=2, rate=1)
    assert set(probe_arguments(plan)) == {
        "probe",
        "--host=web",
        "--count=3",
        "--concurrency=8",
        "--attempt-timeout=2",
        "--query=SRV",
        "--by-tcp",
        "--resolve-timeout=2",
        "--rate=1",
    }


def test_a_question_by_udp_to_one_server():
    plan = ProbePlan(host="web.", port=0, count=1, query="A", protocol="udp", server="fd00::10")
    assert "--server=fd00::10" in probe_arguments(plan)
    assert "--by-tcp" not in probe_arguments(plan)


def test_kept_connections_are_asked_for():
    kept = ProbePlan(host="h", port=1, count=1, keep_alive=True)
    assert "--keep-alive" in probe_arguments(kept)
    assert "--keep-alive" not in probe_arguments(replace(kept, keep_alive=False))


def test_a_payload_is_asked_for():
    with_one = ProbePlan(host="h", port=1, count=1, payload=1400)
    assert "--payload=1400" in probe_arguments(with_one)
    without = probe_arguments(replace(with_one, payload=0))
    assert not any(argument.startswith("--payload") for argument in without)


def test_a_client_that_failed_says_why():
    failed = b'{"type":"failed","detail":"no descriptors"}'
    made = list(attempts([ANSWERED, failed, ANSWERED], 3))
    assert [a.detail for a in made] == ["", *["lost: the client failed: no descriptors"] * 2]


def test_a_last_line_that_is_not_understood():
    made = list(attempts([b'{"type":"other"}'], 1))
    assert "not a last line" in made[0].detail


def test_silence_is_longer_than_any_attempt():
    slow = ProbePlan(host="h", port=1, count=1, rate=0.1, attempt_timeout=60)
    assert silence_limit(slow) > 60 + 10


def finished() -> Finish:
    finish = Finish()
    finish.set()
    return finish


def test_a_client_that_was_told_to_finish_says_how_many_it_made():
    end = b'{"type":"end","attempts":2}'
    assert outcomes(attempts([ANSWERED] * 2 + [end], 100, finish=finished())) == ["answered"] * 2


def test_one_that_ends_on_its_own_is_lost_and_that_is_told_once():
    end = b'{"type":"end","attempts":2}'
    made = outcomes(attempts([ANSWERED] * 2 + [end], 10**9, finish=Finish()))
    assert made == ["answered", "answered", "unknown"]


def test_one_that_breaks_off_after_it_was_told_is_lost_as_well():
    assert outcomes(attempts([ANSWERED], 10**9, finish=finished())) == ["answered", "unknown"]


def test_whoever_asks_late_is_told_at_once():
    told = []
    finish = finished()
    finish.when_set(lambda: told.append("late"))
    finish.set()
    assert told == ["late", "late"]
