"""What a person at a terminal sees while cases run, and that nobody else sees any of it."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = """
import pytest
from svcproof.clusters.fake import FakeCluster
from svcproof.clusters.fake_defects import DeadEndpoint
from svcproof.limits import Limits

CLUSTER = FakeCluster(nodes=3, defects=[DeadEndpoint()])

@pytest.fixture(scope="session")
def cluster():
    return CLUSTER

@pytest.fixture(scope="session")
def limits():
    return Limits(convergence=0.05, workload_ready=0.2, endpoints=0.2)
"""
CASES = '''
import pytest

@pytest.mark.positions("pod")
def test_mine(position, target, measure, judge):
    """My Service answers."""
    measure([(position, target)])
    judge()

def test_another(cluster):
    """The cluster has nodes."""
'''
DRAWN = re.compile(r"\d of 4 cases")


@pytest.fixture
def shown(tmp_path: Path):
    """Runs pytest, at a terminal of its own or without any; gives what it wrote."""
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_it.py").write_text(CASES)

    def run(*arguments: str, terminal: bool = True) -> str:
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
        environment = {**os.environ, "TERM": "xterm", "PYTHONPATH": ""}
        if not terminal:
            done = subprocess.run(
                command,
                check=False,
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
                timeout=60,
            )
            return done.stdout
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
        )
        os.close(theirs)
        written = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # the terminal's other end is closed
                break
            written += part
        os.close(ours)
        process.wait(timeout=60)
        return written.decode()

    return run


def test_cases_and_failures_as_they_come(shown):
    text = shown()
    before, _, after = text.partition("FAILURES")
    assert DRAWN.search(before)
    assert "My Service answers." in before
    failed = re.findall(r"(a Pod on node-\d → \S+ by ClusterIP: \d+ of)", before)
    assert len(failed) == 3
    # All of it is gone, and pytest's own end is whole.
    assert not DRAWN.search(after)
    assert "3 failed" in after
    assert "1 passed" in after
    assert "test_it.py F" not in text


@pytest.mark.parametrize("arguments", [("-q",), ("-v",), ("-s",), ("--svc-progress=off",)])
def test_who_asks_for_another_output_gets_it(shown, arguments):
    assert not DRAWN.search(shown(*arguments))


def test_without_a_terminal_nothing_changes(shown):
    text = shown(terminal=False)
    assert "\x1b" not in text
    assert "test_it.py FFF." in text


def test_a_choice_that_there_is_not(shown):
    text = shown("--svc-progress=sometimes")
    assert "no such choice; choose among auto, on, off" in text


def test_tests_of_others_are_left_alone(shown, tmp_path):
    (tmp_path / "test_it.py").write_text("def test_a(): pass\ndef test_b(): pass\n")
    text = shown()
    assert "test_it.py .." in text.replace("\x1b[32m", "").replace("\x1b[0m", "")
