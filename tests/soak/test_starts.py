"""Twenty starts and stops in a row: all succeed, and the machine is as it was."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from svcproof.clusters.embedded import open_cluster
from svcproof.clusters.options import ClusterOptions
from svcproof.waits import wait_for
from tests.contract.embedded.machine import Machine

_STARTS = int(os.environ.get("SVCPROOF_SOAK_STARTS", "20"))
#: What the kernel may still hold of dead control groups and caches it cannot tell from free memory.
_MEMORY_SLACK_MIB = 150
_FILE_SLACK = 200


@dataclass(frozen=True)
class Resources:
    """Of the whole machine."""

    memory_mib: float
    open_files: int
    own_files: int

    @classmethod
    def now(cls) -> Resources:
        memory = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        return cls(
            memory_mib=int(memory["MemAvailable"].split()[0]) / 1024,
            open_files=int(Path("/proc/sys/fs/file-nr").read_text().split()[0]),
            own_files=len(list(Path("/proc/self/fd").iterdir())),
        )


def test_starts_and_stops(capsys) -> None:
    _start_and_stop()  # the first fills caches that stay
    machine, before = Machine.now(), Resources.now()
    seconds = [_start_and_stop() for _ in range(_STARTS)]
    wait_for(
        "nothing of the clusters being left",
        lambda: str(Machine.now().left_since(machine) or ""),
        limit=30,
    )
    after = Resources.now()
    with capsys.disabled():
        middle = sorted(seconds)[len(seconds) // 2]
        print(
            f"\n{_STARTS} starts: median {middle:.2f} s, {min(seconds):.2f} to {max(seconds):.2f}"
        )
        print(f"before {before}\nafter  {after}")
    assert before.memory_mib - after.memory_mib < _MEMORY_SLACK_MIB
    assert after.open_files - before.open_files < _FILE_SLACK
    assert after.own_files == before.own_files


def _start_and_stop() -> float:
    """Seconds until the DNS is ready."""
    began = time.monotonic()
    cluster = open_cluster(ClusterOptions(), lambda _: None)
    cluster.snapshot("default")
    took = time.monotonic() - began
    cluster.close()
    return took
