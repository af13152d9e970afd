"""A Docker for one command leaves nothing: not to its end, and not to a SIGKILL."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from svcproof.components.cache import cache_root
from svcproof.kind_image.private_docker import private_docker
from svcproof.waits import wait_for

SCRIPT = """
import subprocess, sys, time
from svcproof.kind_image.private_docker import private_docker
with private_docker(allow_install=False) as (prefix, environment):
    network = [*prefix, "docker", "network", "create", "svcproof-any"]
    subprocess.run(network, env=environment, check=True, stdout=subprocess.DEVNULL)
    print(environment["DOCKER_HOST"], flush=True)
    time.sleep(600)
"""


def left(name: str) -> list[Path]:
    """A daemon's directory and control groups."""
    directory = cache_root() / "docker" / name
    groups = Path("/sys/fs/cgroup").glob(f"**/svcproof-docker-{name}")
    return [*groups, *([directory] if directory.exists() else [])]


def network() -> list[str]:
    """What Docker changes of a network namespace, and nobody else."""
    lines = [Path("/proc/sys/net/ipv4/ip_forward").read_text()]
    for command in (["ip", "-brief", "link"], ["ip", "route"], ["iptables-save"]):
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
        lines += [line for line in done.stdout.splitlines() if "docker" in line.lower()]
    return lines


@pytest.fixture
def unchanged() -> Iterator[None]:
    before = network()
    yield
    assert network() == before


def test_it_ends_with_its_block(unchanged: None):
    with private_docker(allow_install=False) as (prefix, environment):
        command = [*prefix, "docker", "info", "--format={{.DockerRootDir}}"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        name = Path(done.stdout.strip()).parent.name
        assert left(name)
        # No way out, so nothing can leave.
        routes = subprocess.run(
            [*prefix, "ip", "route"], capture_output=True, text=True, check=True
        ).stdout
        assert "172.29.0.0/24" in routes
        assert "default" not in routes
    assert left(name) == []


def test_it_dies_with_its_owner_and_the_next_start_removes_its_files(unchanged: None):
    with subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        name = Path(owner.stdout.readline().decode().strip()).parent.name
        processes = psutil.Process(owner.pid).children(recursive=True)
        assert len(processes) > 2
        owner.kill()
    wait_for("every process to be gone", lambda: alive(processes), limit=20)
    assert left(name)
    with private_docker(allow_install=False):
        assert left(name) == []


def alive(processes: list[psutil.Process]) -> str:
    return ", ".join(process.name() for process in processes if process.is_running())
