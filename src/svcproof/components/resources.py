"""Disk space and memory: how much a build finds, and how it adapts."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from svcproof.errors import ComponentsUnavailable

__all__ = [
    "GIB",
    "available_memory",
    "free_space",
    "inotify_instances",
    "require_build_memory",
    "require_space",
    "thrift",
]

GIB: Final = 1 << 30
_LINKER_GIB: Final = 2.7
_PLENTY_GIB: Final = 5.0
_CGROUP_LIMITS: Final = (
    # limit, usage: version 2 and version 1 of control groups, as a container sees its own
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def free_space(path: Path) -> int:
    """Bytes free where ``path`` is, or would be."""
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


def require_space(path: Path, gibibytes: float, purpose: str) -> None:
    """Refuse to begin what cannot be finished."""
    free = free_space(path) / GIB
    if free < gibibytes:
        raise ComponentsUnavailable(
            f"{path}: {free:.1f} GiB free, {purpose} need {gibibytes:g} GiB",
            remedy="make room there, or set XDG_CACHE_HOME to a larger file system",
        )


def available_memory() -> int:
    """Bytes that can be used now: what the kernel has, or a container's limit leaves."""
    import psutil

    return min([int(psutil.virtual_memory().available), *_left_in_cgroup()])


def require_build_memory() -> None:
    """Refuse a build that the kernel would kill: linking kube takes 2.6 GB whatever is set."""
    there = available_memory() / GIB
    if there < _LINKER_GIB:
        raise ComponentsUnavailable(
            f"{there:.1f} GiB of memory available, building the components needs {_LINKER_GIB:g}",
            remedy="stop other programs, or install svcproof-components, built elsewhere",
        )


def inotify_instances(user: int) -> int:
    """How many of a user's are in use: the kernel counts them for each user."""
    found = 0
    for descriptors in Path("/proc").glob("[0-9]*/fd"):
        try:
            if descriptors.stat().st_uid != user:
                continue
            links = [str(entry.readlink()) for entry in descriptors.iterdir()]
        except OSError:
            continue  # it has ended meanwhile
        found += links.count("anon_inode:inotify")
    return found


def thrift() -> tuple[dict[str, str], tuple[str, ...]]:
    """Environment and flags of a build, for the memory there is.

    A lazy garbage collector saves a tenth of the time; one compiler or linker
    at a time is what a small machine can take.
    """
    there = available_memory() / GIB
    if there > _PLENTY_GIB:
        return {"GOGC": "400"}, ()
    return {"GOGC": "100"}, ("-p=1",)


def _left_in_cgroup() -> Iterator[int]:
    for limit, usage in _CGROUP_LIMITS:
        try:
            most = Path(limit).read_text(encoding="utf-8").strip()
            if most != "max":
                yield int(most) - int(Path(usage).read_text(encoding="utf-8"))
        except OSError:
            continue
