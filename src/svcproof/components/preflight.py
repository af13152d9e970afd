"""Everything about a machine that a cluster depends on, checked before one is started."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from svcproof.components.cache import cache_root
from svcproof.components.cgroups import inspect_cgroups
from svcproof.components.findings import Finding
from svcproof.components.kernel import inspect_kernel
from svcproof.components.recipe import ARCHITECTURES
from svcproof.components.resources import GIB, available_memory, free_space, inotify_instances
from svcproof.errors import EnvironmentProblem

__all__ = ["check_kernel", "check_machine", "inspect_features", "inspect_machine"]

# Measured: three nodes take 1.0 GB, of which the control plane is half.
_CONTROL_PLANE_MIB, _NODE_MIB = 600, 250
#: Measured: kubelet, containerd and kube-proxy of a node, and the control plane, watch files.
_INOTIFY_NODE, _INOTIFY_CONTROL_PLANE = 8, 4
_INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
#: What a cluster writes to a disk: its seeds into the cache, and its logs.
_CACHE_GIB, _LOGS_MIB = 0.5, 64
#: Where clusters keep their files: that is said in ``clusters``, which this layer cannot import.
CLUSTERS = Path("/var/lib/svcproof")


def check_kernel(
    *, proxy_mode: str | None = None, families: Collection[str] = ("ipv4",)
) -> list[Finding]:
    """The kernel features that are missing for such a cluster; takes about 0.05 s.

    Without ``proxy_mode`` those of both modes count.
    """
    wanted = {"", *families, *([proxy_mode] if proxy_mode else ["iptables", "nftables"])}
    return [
        finding
        for finding in inspect_features()
        if not finding.found and finding.needed_for in wanted
    ]


def check_machine(
    nodes: int = 3, *, proxy_mode: str | None = None, families: Collection[str] = ("ipv4",)
) -> None:
    """Raise :class:`~svcproof.errors.EnvironmentProblem` naming all that such a cluster lacks."""
    missing = [finding for finding in inspect_machine(nodes) if not finding.found]
    if os.geteuid() == 0:  # without root every kernel check fails, and says nothing
        missing += check_kernel(proxy_mode=proxy_mode, families=families)
    if missing:
        raise EnvironmentProblem(
            f"this machine cannot run a cluster of {nodes} nodes:\n{_listed(missing)}",
            remedy="; ".join(dict.fromkeys(finding.remedy for finding in missing)),
        )


def inspect_features() -> list[Finding]:
    """Kernel features, there or not; needs root."""
    return [*inspect_kernel(), *inspect_cgroups()]


def inspect_machine(nodes: int = 3) -> list[Finding]:
    """What is no kernel feature: system, user, memory, room on disk."""
    return [check(nodes) for check in _CHECKS]


def _system(_: int) -> Finding:
    here = f"{platform.system()} {platform.release()} {platform.machine()}"
    fits = platform.system() == "Linux" and platform.machine() in ARCHITECTURES
    known = " or ".join(ARCHITECTURES)
    return Finding("system", fits, here, f"an embedded cluster needs Linux on {known}")


def _root(_: int) -> Finding:
    user = os.geteuid()
    return Finding("root", user == 0, f"user {user}", "run the same command with sudo")


def _memory(nodes: int) -> Finding:
    needed = (_CONTROL_PLANE_MIB + nodes * _NODE_MIB) / 1024
    there = available_memory() / GIB
    detail = f"{there:.1f} GiB available, {nodes} nodes need {needed:.1f}"
    return Finding("memory", there >= needed, detail, "stop other programs, or use --nodes 1")


def _cache(_: int) -> Finding:
    return _room("cache", cache_root(), _CACHE_GIB, "make room, or set XDG_CACHE_HOME elsewhere")


def _logs(_: int) -> Finding:
    return _room("/var/lib", CLUSTERS, _LOGS_MIB / 1024, f"make room there: df -h {CLUSTERS}")


def _room(name: str, path: Path, gibibytes: float, remedy: str) -> Finding:
    free = free_space(path) / GIB
    detail = f"{free:.1f} GiB free in {path}, needed {gibibytes:.1f}"
    return Finding(f"room in {name}", free >= gibibytes, detail, remedy)


def _inotify(nodes: int) -> Finding:
    limit = int(_INOTIFY.read_text()) if _INOTIFY.is_file() else 0
    used, needed = inotify_instances(os.geteuid()), nodes * _INOTIFY_NODE + _INOTIFY_CONTROL_PLANE
    return Finding(
        "inotify instances",
        used + needed <= limit,
        f"{used} of {limit} in use, {nodes} nodes need {needed}",
        f"sysctl -w fs.inotify.max_user_instances={max(1024, 2 * limit)}, or end other clusters",
    )


def _kernel_log(_: int) -> Finding:
    there = Path("/dev/kmsg").exists()
    return Finding("kernel log (/dev/kmsg)", there, "", "the kubelet reads it; pass the device")


_CHECKS: tuple[Callable[[int], Finding], ...] = (
    _system,
    _root,
    _memory,
    _cache,
    _logs,
    _inotify,
    _kernel_log,
)


def _listed(findings: Iterable[Finding]) -> str:
    return "\n".join(f"    {finding}" for finding in findings)
