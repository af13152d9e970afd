"""Evidence survives: every record is on disk at once."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from svcproof.errors import EnvironmentProblem
from svcproof.history import Attempt, Outcome, Position, Target
from svcproof.history_reader import decode_lines
from svcproof.recorder import Recorder, now_ns

POSITION = Position(name="p", kind="outside")
TARGET = Target(name="t", service="s", form="cluster-ip", host="10.0.0.1", port=80)

WRITER = """
import sys, os, signal
from pathlib import Path
from svcproof.history import *
from svcproof.recorder import Recorder
recorder = Recorder(Path(sys.argv[1]), run="r", case="c")
position = Position(name="p", kind="outside")
target = Target(name="t", service="s", form="cluster-ip", host="10.0.0.1", port=80)
for _ in range(100):
    recorder.observe(position, target, Attempt(at_ns=1, outcome=Outcome.ANSWERED))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_sigkill_loses_nothing(tmp_path: Path):
    path = tmp_path / "deep" / "h.jsonl"
    ended = subprocess.run([sys.executable, "-c", WRITER, str(path)], check=False, timeout=30)
    assert ended.returncode == -signal.SIGKILL
    with path.open("rb") as file:
        assert len(decode_lines(file).entries) == 100


def test_each_name_is_declared_once_before_its_use(tmp_path: Path):
    path = tmp_path / "h.jsonl"
    with Recorder(path, run="r", case="c") as recorder:
        for _ in range(3):
            recorder.observe(POSITION, TARGET, Attempt(at_ns=1, outcome=Outcome.REFUSED))
    lines = path.read_bytes().splitlines()
    kinds = [line.partition(b'"type":"')[2].partition(b'"')[0] for line in lines]
    assert kinds == [b"header", b"position", b"target", *[b"observation"] * 3]


def test_threads_share_one_order():
    from concurrent.futures import ThreadPoolExecutor

    recorder = Recorder(None, run="r", case="c")
    attempt = Attempt(at_ns=1, outcome=Outcome.ANSWERED)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: recorder.observe(POSITION, TARGET, attempt), range(500)))
    assert [entry.index for entry in recorder.freeze().entries] == list(range(500))


def test_a_directory_that_cannot_be_made_is_said_so(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentProblem, match=r"cannot create the evidence file .*file/h.jsonl"):
        Recorder(tmp_path / "file" / "h.jsonl", run="r", case="c")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_said_so():
    with pytest.raises(EnvironmentProblem, match=r"cannot write the evidence.*No space left"):
        Recorder(Path("/dev/full"), run="r", case="c")


def test_time_does_not_run_backwards():
    times = [now_ns() for _ in range(100)]
    assert times == sorted(times)


def test_close_is_final_and_harmless(tmp_path: Path):
    recorder = Recorder(tmp_path / "h.jsonl", run="r", case="c")
    before = len(list(Path("/proc/self/fd").iterdir()))
    recorder.close()
    recorder.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before - 1
    assert recorder.freeze().header.run == "r"
