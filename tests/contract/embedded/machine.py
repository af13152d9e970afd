"""What is on this machine: taken before and after, the difference is what was left behind."""

from __future__ import annotations

import subprocess
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path

from svcproof.clusters.embedded.state import BASE, running

_SETTINGS = (
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
    "net/ipv4/ip_forward",
    "net/ipv6/conf/all/forwarding",
)


@dataclass(frozen=True)
class Machine:
    """Sets of everything that a cluster makes."""

    clusters: frozenset[str]
    processes: frozenset[str]
    mounts: frozenset[str]
    namespaces: frozenset[str]
    links: frozenset[str]
    routes: frozenset[str]
    rules: frozenset[str]
    cgroups: frozenset[str]
    files: frozenset[str]
    settings: frozenset[str]

    @classmethod
    def now(cls) -> Machine:
        return cls(
            clusters=frozenset(cluster.name for cluster in running()),
            processes=frozenset(_processes()),
            mounts=frozenset(_mounts()),
            namespaces=frozenset(str(path) for path in Path("/run/netns").glob("*")),
            links=frozenset(path.name for path in Path("/sys/class/net").iterdir()),
            routes=frozenset(_lines("ip", "route") + _lines("ip", "-6", "route")),
            rules=frozenset(
                _lines("nft", "list", "ruleset") + _lines("iptables-save", "-t", "nat")
            ),
            cgroups=frozenset(_cgroups()),
            files=frozenset(str(path) for path in BASE.glob("*")),
            settings=frozenset(_settings()),
        )

    def left_since(self, before: Machine, *, of: Collection[str]) -> dict[str, list[str]]:
        """By kind, what there is now and was not there before.

        What belongs to a living cluster other than those that are meant is left out:
        somebody else may be at work on this machine.
        """
        others = {cluster.name for cluster in running()}.difference(of)
        left = {
            field.name: sorted(
                item
                for item in getattr(self, field.name) - getattr(before, field.name)
                if not any(other in item for other in others)
            )
            for field in fields(self)
        }
        return {kind: found for kind, found in left.items() if found}


def _processes() -> list[str]:
    """Processes in a network or PID namespace that is not this one's, and the keepers."""
    own = _namespaces(Path("/proc/self"))
    outside = _outside_namespaces()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            theirs = _namespaces(process)
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if theirs != own or "svcproof.clusters.embedded" in command:
            cluster = outside.get(theirs[0]) or _cluster_of(process)
            found.append(f"{cluster}: {process.name} {command[:100]}")
    return found


def _outside_namespaces() -> dict[Path, str]:
    """The network namespaces of living clusters, with those of their clients outside."""
    found = {}
    for cluster in running():
        with suppress(OSError):
            supervisor = Path("/proc", cluster.supervisor_file.read_text())
            for path in (supervisor / "root/run/netns").iterdir():
                found[Path(f"net:[{path.stat().st_ino}]")] = cluster.name
    return found


def cluster_started_by(process: int) -> str:
    """Name of the cluster whose owner a process is; "" while there is none."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    for child in children:
        command = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
        if b"svcproof.clusters.embedded.keeper" in command:
            return Path(command[-5].decode()).name
    return ""


def _cluster_of(process: Path) -> str:
    """Name of the cluster whose keeper is among the ancestors of a process."""
    while process.name not in {"0", "1"}:
        try:
            command = (process / "cmdline").read_bytes().split(b"\0")
            parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
        except OSError:
            break
        if b"svcproof.clusters.embedded.keeper" in command:
            return Path(command[-5].decode()).name
        process = process.with_name(parent)
    return "nobody's"


def _namespaces(process: Path) -> tuple[Path, Path]:
    return (process / "ns/net").readlink(), (process / "ns/pid").readlink()


def _mounts() -> list[str]:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line.split(" ", 4)[4] for line in lines]


def _lines(*command: str) -> list[str]:
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return [line for line in done.stdout.splitlines() if not line.startswith("#")]


def _cgroups() -> list[str]:
    """Those of this project, and those that a runtime makes when it is given no parent."""
    top = Path("/sys/fs/cgroup")
    patterns = ("svcproof/*", "*/svcproof/*", "k8s.io/*", "*/k8s.io/*")
    return [str(path) for pattern in patterns for path in top.glob(pattern)]


def _settings() -> list[str]:
    return [f"{name}={(Path('/proc/sys') / name).read_text().strip()}" for name in _SETTINGS]
