"""``svcproof judge``: the same verdict as in the run, and what cannot be read."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from click.testing import CliRunner

from svcproof.cli.judge import judge_files
from svcproof.errors import BadHistory, UsageError
from svcproof.events import Judged, KnownDeviation, Sign
from svcproof.history import Attempt, Backend, Outcome, Position, Promise, Target
from svcproof.history_reader import decode_lines
from svcproof.recorder import Recorder, now_ns

PLACE = Position(name="outside", kind="outside")
TARGET = Target(name="svc", service="svc", form="cluster-ip", host="10.0.0.1", port=80)
WEB = Backend(pod="web", uid="u", run="r")
PROMISE = Promise(outcome=Outcome.ANSWERED, rule="", allowed=(WEB,))


def record(path: Path, *outcomes: Outcome, said: str = "", checks=("reachability",)) -> Path:
    with Recorder(path, run="r", case="test_x") as recorder:
        recorder.expect(PLACE, TARGET, PROMISE)
        for outcome in outcomes:
            backend = WEB if outcome is Outcome.ANSWERED else None
            attempt = Attempt(at_ns=now_ns(), outcome=outcome, backend=backend)
            recorder.observe(PLACE, TARGET, attempt)
        if said:
            recorder.event(Judged(verdict=said, checks=tuple(checks)))
    return path


def record_questions(path: Path, *questions: tuple[str, str], pods="a" * 30) -> Path:
    """A history with several questions about one measurement, as the battery leaves them."""
    backends = {pod: Backend(pod=pod, uid=pod, run="r") for pod in "ab"}
    with Recorder(path, run="r", case="inside") as recorder:
        allowed = tuple(backends.values())
        promise = Promise(outcome=Outcome.ANSWERED, rule="", allowed=allowed, cover=False)
        recorder.expect(PLACE, TARGET, promise, minimum=4, choice="random")
        for pod in pods:
            attempt = Attempt(at_ns=now_ns(), outcome=Outcome.ANSWERED, backend=backends[pod])
            recorder.observe(PLACE, TARGET, attempt)
        for check, said in questions:
            recorder.event(Judged(verdict=said, checks=(check,)))
    return path


def judge(*arguments: Path | str):
    return CliRunner().invoke(judge_files, [str(argument) for argument in arguments])


def test_a_pass_as_in_the_run(tmp_path):
    done = judge(record(tmp_path / "a.jsonl", Outcome.ANSWERED, said="PASS"))
    assert done.exit_code == 0
    assert "PASS: test_x (1 connections judged)" in done.output
    assert "as in the run" in done.output


def test_a_failure_is_1_and_says_why(tmp_path):
    done = judge(record(tmp_path / "a.jsonl", Outcome.ANSWERED, Outcome.RESET, said="FAIL"))
    assert done.exit_code == 1
    assert "reachability: 1 of 2 connections ended reset" in done.output


def test_what_could_not_be_told_is_3(tmp_path):
    assert judge(record(tmp_path / "a.jsonl", said="INCONCLUSIVE")).exit_code == 3


def test_a_verdict_that_differs_is_a_failure(tmp_path):
    done = judge(record(tmp_path / "a.jsonl", Outcome.ANSWERED, said="FAIL"))
    assert done.exit_code == 1
    assert "DIFFERENT: it was FAIL" in done.output


def test_checks_of_the_tests_own_are_named_and_not_asked(tmp_path):
    path = record(tmp_path / "a.jsonl", Outcome.ANSWERED, said="PASS", checks=("mine",))
    done = judge(path)
    assert done.exit_code == 0
    assert "checks of the test's own, not asked here: mine" in done.output


def test_what_such_a_check_found_is_not_passed_for_want_of_it(tmp_path):
    path = record(tmp_path / "a.jsonl", Outcome.ANSWERED, said="FAIL", checks=("mine",))
    done = judge(path)
    assert done.exit_code == 3
    assert "FAIL by mine" in done.output


def test_each_noted_verdict_is_asked_of_its_own_checks(tmp_path):
    """One question of a measurement finds the fault, the other rightly does not."""
    path = record_questions(tmp_path / "a.jsonl", ("distribution", "FAIL"), ("responders", "PASS"))
    done = judge("--json", path)
    (item,) = json.loads(done.output)
    assert (item["verdict"], item["compared"]) == ("FAIL", "as in the run")
    assert item["noted"] == [
        {"checks": ["distribution"], "was": "FAIL", "is": "FAIL"},
        {"checks": ["responders"], "was": "PASS", "is": "PASS"},
    ]
    assert done.exit_code == 1


def test_a_check_that_no_question_asked_is_not_asked_here(tmp_path):
    path = record_questions(tmp_path / "a.jsonl", ("responders", "PASS"))
    done = judge(path)
    assert "as in the run" in done.output
    assert done.exit_code == 0


def test_a_verdict_that_differs_is_named_among_several(tmp_path):
    path = record_questions(tmp_path / "a.jsonl", ("distribution", "FAIL"), ("responders", "FAIL"))
    done = judge(path)
    assert "DIFFERENT: responders: was FAIL, is PASS" in done.output
    assert "distribution: was" not in done.output
    assert done.exit_code == 1


def test_a_verdict_is_about_what_stands_before_it(tmp_path):
    """What went wrong later does not change what was right then; the worst is the file's."""
    path = tmp_path / "a.jsonl"
    with Recorder(path, run="r", case="test_x") as recorder:
        for outcome, said in ((Outcome.ANSWERED, "PASS"), (Outcome.REFUSED, "FAIL")):
            recorder.expect(PLACE, TARGET, PROMISE)
            backend = WEB if outcome is Outcome.ANSWERED else None
            attempt = Attempt(at_ns=now_ns(), outcome=outcome, backend=backend)
            recorder.observe(PLACE, TARGET, attempt)
            recorder.event(Judged(verdict=said, checks=("reachability",)))
    (item,) = json.loads(judge("--json", path).output)
    assert (item["verdict"], item["compared"]) == ("FAIL", "as in the run")


def test_what_was_measured_after_the_last_verdict_is_no_pass(tmp_path):
    path = tmp_path / "a.jsonl"
    with Recorder(path, run="r", case="test_x") as recorder:
        for judged in (True, False):
            recorder.expect(PLACE, TARGET, PROMISE)
            attempt = Attempt(at_ns=now_ns(), outcome=Outcome.ANSWERED, backend=WEB)
            recorder.observe(PLACE, TARGET, attempt)
            if judged:
                recorder.event(Judged(verdict="PASS", checks=("reachability",)))
    done = judge(path)
    assert "the case went on after its last verdict" in done.output
    assert done.exit_code == 3


def test_no_checks_are_no_checks(tmp_path):
    path = record(tmp_path / "a.jsonl", Outcome.ANSWERED, said="INCONCLUSIVE", checks=())
    done = judge(path)
    assert "as in the run" in done.output
    assert done.exit_code == 3


@pytest.mark.parametrize(
    ("outcome", "code"), [(Outcome.ANSWERED, 3), (Outcome.REFUSED, 1), (Outcome.UNKNOWN, 3)]
)
def test_without_a_noted_verdict_nothing_passes(tmp_path, outcome, code):
    done = judge(record(tmp_path / "a.jsonl", outcome))
    assert done.exit_code == code
    assert ("the case did not end" in done.output) == (outcome is Outcome.ANSWERED)
    assert ("run the case again" in done.output) == (outcome is Outcome.ANSWERED)


def test_nor_is_what_is_known_of_a_case_that_did_not_end(tmp_path):
    path = tmp_path / "a.jsonl"
    with Recorder(path, run="r", case="test_x") as recorder:
        recorder.event(
            KnownDeviation(
                slug="s", seen="x", findings=(Sign(summary="reachability: *", where="*"),)
            )
        )
        recorder.expect(PLACE, TARGET, PROMISE)
        for outcome, backend in ((Outcome.ANSWERED, WEB), (Outcome.REFUSED, None)):
            attempt = Attempt(at_ns=now_ns(), outcome=outcome, backend=backend)
            recorder.observe(PLACE, TARGET, attempt)
    done = judge(path)
    assert "KNOWN  reachability: 1 of 2 connections ended refused" in done.output
    assert "the case did not end" in done.output
    assert done.exit_code == 3


def test_the_worst_of_several_counts(tmp_path):
    record(tmp_path / "a.jsonl", Outcome.ANSWERED, said="PASS")
    record(tmp_path / "b.jsonl", said="INCONCLUSIVE")
    assert judge(tmp_path).exit_code == 3
    record(tmp_path / "c.jsonl", Outcome.REFUSED, said="FAIL")
    assert judge(tmp_path).exit_code == 1


def test_as_json(tmp_path):
    done = judge("--json", record(tmp_path / "a.jsonl", Outcome.REFUSED, said="FAIL"))
    (item,) = json.loads(done.output)
    assert (item["verdict"], item["judged"]) == ("FAIL", 1)
    assert item["findings"][0]["remedy"]


def test_a_corrupt_file_is_named_with_its_line(tmp_path):
    path = record(tmp_path / "a.jsonl", Outcome.ANSWERED)
    path.write_bytes(path.read_bytes() + b"{nonsense}\n")
    done = judge(path)
    assert isinstance(done.exception, BadHistory)
    assert f"{path}, line 6" in str(done.exception)


def test_what_cannot_be_read_does_not_keep_others_from_being_judged(tmp_path):
    record(tmp_path / "b.jsonl", Outcome.REFUSED, said="FAIL")
    (tmp_path / "a.jsonl").write_bytes(b"nonsense\n")
    (tmp_path / "c.jsonl").write_bytes(b"")
    done = judge(tmp_path)
    assert "FAIL: test_x" in done.output
    assert isinstance(done.exception, BadHistory)
    assert "a.jsonl, line 1" in str(done.exception)
    assert "c.jsonl: empty" in str(done.exception)
    read = [
        item.get("verdict", "cannot be read")
        for item in json.loads(judge("--json", tmp_path).output)
    ]
    assert read == ["cannot be read", "FAIL", "cannot be read"]


def test_a_cut_last_line_is_told_and_not_judged(tmp_path):
    path = record(tmp_path / "a.jsonl", Outcome.ANSWERED, Outcome.REFUSED)
    path.write_bytes(path.read_bytes()[:-5])
    done = judge(path)
    assert done.exit_code == 3
    assert "the run noted no verdict, its last line is cut" in done.output


def test_of_several_it_is_told_how_many_said_what(tmp_path):
    record(tmp_path / "a.jsonl", Outcome.ANSWERED, said="PASS")
    record(tmp_path / "b.jsonl", Outcome.ANSWERED, said="PASS")
    record(tmp_path / "c.jsonl", Outcome.ANSWERED, Outcome.RESET, said="PASS")
    last = judge(tmp_path).output.splitlines()[-1]
    assert last == "3 histories: 2 PASS, 1 FAIL; 1 otherwise than in the run"


def test_a_directory_without_histories_says_so(tmp_path):
    assert isinstance(judge(tmp_path).exception, UsageError)


def test_a_history_survives_the_kill_of_its_writer(tmp_path):
    """Every attempt that was recorded is there, and the rest is judged as far as it goes."""
    path = tmp_path / "a.jsonl"
    program = textwrap.dedent(
        f"""
        from pathlib import Path
        from tests.unit.test_judge import PLACE, PROMISE, TARGET, WEB
        from svcproof.history import Attempt, Outcome
        from svcproof.recorder import Recorder, now_ns
        recorder = Recorder(Path({str(path)!r}), run="r", case="test_x")
        recorder.expect(PLACE, TARGET, PROMISE)
        for number in range(1_000_000):
            attempt = Attempt(at_ns=now_ns(), outcome=Outcome.ANSWERED, backend=WEB)
            recorder.observe(PLACE, TARGET, attempt)
            print(number + 1, flush=True)
        """
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    with process:
        assert process.stdout is not None
        told = [int(process.stdout.readline()) for _ in range(500)][-1]
        os.kill(process.pid, signal.SIGKILL)
        told = max([told, *(int(line) for line in process.stdout.read().split()[:-1])])
    with path.open("rb") as lines:
        history = decode_lines(lines)
    assert sum(1 for _ in history.observations) >= told
    done = judge(path)
    assert "INCONCLUSIVE: test_x" in done.output
    assert "the case did not end" in done.output
    assert done.exit_code == 3


@pytest.mark.parametrize("content", [b"", b"not json\n", b'{"type":"event"}\n'])
def test_what_is_no_history(tmp_path, content):
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    assert isinstance(judge(path).exception, BadHistory)
