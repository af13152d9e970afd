"""Whatever is killed, and whenever: nothing of a cluster is left on the machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from svcproof.clusters.embedded.state import StateDirectory
from svcproof.waits import wait_for
from tests.contract.embedded.machine import Machine, cluster_started_by

Spawn = Callable[..., subprocess.Popen[str]]

#: Files that exist once the start has come so far. Before there is a keeper nobody can clean up,
#: and the next command does.
_STAGES: dict[str, Callable[[StateDirectory], Path]] = {
    "at its very beginning": lambda directory: directory.control_socket,
    "while etcd starts": lambda directory: directory.logs / "etcd.log",
    "while the API server starts": lambda directory: directory.logs / "kube-apiserver.log",
    "while the nodes start": lambda directory: directory.logs / "kubelet-node-3.log",
}


def _await_stage(directory: StateDirectory, stage: str) -> None:
    path = _STAGES[stage](directory)
    wait_for(f"{path}", lambda: "" if path.exists() else "not there", limit=60, interval=0.005)


def _await_ready(directory: StateDirectory) -> None:
    path = directory.timeline_file
    wait_for(f"{path}", lambda: "" if path.exists() else "not there", limit=90)


def _keeper(directory: StateDirectory) -> int:
    parent = Path(f"/proc/{_unshare(directory)}/stat").read_text().rpartition(")")[2].split()[1]
    return int(parent)


def _unshare(directory: StateDirectory) -> int:
    supervisor = directory.supervisor_file.read_text()
    return int(Path(f"/proc/{supervisor}/stat").read_text().rpartition(")")[2].split()[1])


def _supervisor(directory: StateDirectory) -> int:
    return int(directory.supervisor_file.read_text())


@pytest.mark.parametrize("stage", _STAGES, ids=lambda stage: stage.replace(" ", "-"))
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_up_is_killed(
    stage: str,
    number: signal.Signals,
    spawn: Spawn,
    name: str,
    directory: StateDirectory,
    machine: Machine,
) -> None:
    process = spawn("svcproof", "up", "--name", name)
    _await_stage(directory, stage)
    process.send_signal(number)
    process.wait(timeout=60)
    assert process.returncode != 0
    del machine  # its teardown looks


@pytest.mark.parametrize("victim", [_keeper, _unshare, _supervisor])
def test_a_part_of_a_running_cluster_is_killed(
    victim: Callable[[StateDirectory], int],
    spawn: Spawn,
    name: str,
    directory: StateDirectory,
    machine: Machine,
) -> None:
    process = spawn("svcproof", "up", "--name", name)
    process.wait(timeout=120)
    assert process.returncode == 0, process.communicate()[0]
    os.kill(victim(directory), signal.SIGKILL)
    del machine


def test_keeper_and_supervisor_are_killed_together(
    spawn: Spawn, name: str, directory: StateDirectory, machine: Machine
) -> None:
    """Then nobody is left to sweep, and the next command does."""
    spawn("svcproof", "up", "--name", name).wait(timeout=120)
    keeper, supervisor = _keeper(directory), _supervisor(directory)
    os.kill(keeper, signal.SIGSTOP)  # so that it cannot act in between
    os.kill(supervisor, signal.SIGKILL)
    os.kill(keeper, signal.SIGKILL)
    status = [sys.executable, "-m", "svcproof", "status"]
    subprocess.run(status, capture_output=True, timeout=60, check=True)
    del machine


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_pytest_is_killed_in_mid_run(
    number: signal.Signals,
    spawn: Spawn,
    names: set[str],
    machine: Machine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The cluster goes; the history of the attempts so far stays."""
    monkeypatch.chdir(tmp_path)
    process = spawn("svcproof", "run", "--svc-evidence", "evidence", "-p", "no:cacheprovider")

    def lines() -> int:
        histories = tmp_path.glob("evidence/**/*.jsonl")
        return sum(len(path.read_bytes().splitlines()) for path in histories)

    wait_for("the first attempts", lambda: "" if lines() > 50 else "too few yet", limit=240)
    names.add(cluster_started_by(process.pid))
    process.send_signal(number)
    process.wait(timeout=120)
    assert "" not in names
    assert lines() > 50
    assert process.returncode == (2 if number == signal.SIGINT else -number)
    del machine


def test_down(
    svcproof: Callable[..., subprocess.CompletedProcess[str]], name: str, machine: Machine
) -> None:
    assert svcproof("up", "--name", name).returncode == 0
    done = svcproof("down", "--name", name)
    assert done.returncode == 0
    assert name in done.stdout
    del machine
