"""A long command: its lines, its failure, its end."""

import os
import time
from pathlib import Path

import pytest

from svcproof.components.process import Command, CommandError, stream


@pytest.fixture
def run(tmp_path):
    def run(script, on_line=lambda _: None, on_tick=lambda: None, **more):
        command = Command(["sh", "-c", script], tmp_path, dict(os.environ))
        stream(command, on_line=on_line, on_tick=on_tick, **more)

    return run


def gone(pid):
    """No such process, or one that only waits for its parent."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return True
    return stat.rpartition(")")[2].split()[0] == "Z"


def test_lines_come_whole_and_in_order(run):
    seen = []
    run("printf 'a\\nb' >&2; sleep 0.1; printf 'c\\nlast' >&2", seen.append)
    assert seen == ["a", "bc", "last"]


def test_output_goes_where_it_is_wanted(run, tmp_path):
    with (tmp_path / "out").open("w+b") as output:
        run("echo out; echo err >&2", output=output)
        output.seek(0)
        assert output.read() == b"out\n"


def test_a_failure_has_the_code_and_the_last_lines(run):
    with pytest.raises(CommandError) as failure:
        run("echo broken >&2; exit 3")
    assert failure.value.code == 3
    assert failure.value.lines == ("broken",)
    assert str(failure.value) == "sh -c ended with 3"


def test_silence_ticks(run):
    ticks = []
    run("sleep 1.3", on_tick=lambda: ticks.append(1))
    assert ticks == [1]


def test_ctrl_c_ends_the_whole_group_at_once(run):
    pids = []

    def interrupt(line):
        pids.extend(int(pid) for pid in line.split())
        raise KeyboardInterrupt

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run("sleep 60 & echo $$ $! >&2; wait", interrupt)
    assert len(pids) == 2
    assert time.monotonic() - began < 5
    deadline = time.monotonic() + 2
    while not all(gone(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert all(gone(pid) for pid in pids)
