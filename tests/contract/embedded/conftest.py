from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from svcproof.clusters.embedded.start import fresh_name, require_root
from svcproof.clusters.embedded.state import BASE, StateDirectory
from svcproof.components import DEFAULT_KUBERNETES, obtain, open_progress
from svcproof.components.system_tools import ensure_system_tools
from svcproof.waits import wait_for
from tests.contract.embedded.machine import Machine


@pytest.fixture(scope="session", autouse=True)
def prepared() -> None:
    """On a new machine this takes minutes, which no single test expects."""
    require_root()
    ensure_system_tools(allow_install=True)
    with open_progress() as progress:
        obtain(DEFAULT_KUBERNETES, progress=progress)


@pytest.fixture
def machine(names: set[str]) -> Iterator[Machine]:
    """The machine before the test; after it, nothing of the test's clusters may be there."""
    before = Machine.now()
    yield before
    wait_for("nothing of the cluster being left", lambda: left(before, names), limit=30)


def left(before: Machine, names: set[str]) -> str:
    """What is left, in words; empty when nothing is."""
    found = Machine.now().left_since(before, of=names)
    return "; ".join(f"{kind}: {', '.join(items[:5])}" for kind, items in found.items())


@pytest.fixture
def names() -> set[str]:
    """The clusters of this test."""
    return set()


@pytest.fixture
def name(names: set[str]) -> str:
    name = fresh_name()
    names.add(name)
    return name


@pytest.fixture(scope="session")
def svcproof() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command to its end."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "svcproof", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)

    return run


@pytest.fixture
def spawn() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start the command and go on; it is killed after the test."""
    processes: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate(timeout=30)


@pytest.fixture
def directory(name: str) -> StateDirectory:
    return StateDirectory(BASE / name)
