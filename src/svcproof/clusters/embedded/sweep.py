"""Removing what outlives a cluster's last process: empty cgroups and its directory.

Everything else (processes, mounts, namespaces, links, addresses, routes) goes
with the namespaces themselves. Only what carries this cluster's name is
touched.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from svcproof.clusters.embedded.plan import cgroup_parent, host_link
from svcproof.clusters.embedded.state import StateDirectory
from svcproof.errors import WaitExpired
from svcproof.waits import wait_for

__all__ = ["sweep"]

_LIMIT: Final = 10.0


def sweep(directory: StateDirectory, *, await_link: bool = True) -> None:
    """Remove what is left of a cluster whose processes have all been killed.

    ``await_link``: wait for the host's link to go, as it does with the fabric's
    namespace; not for a caller that is itself the last process in there. The
    directory goes last: as long as it is there, somebody will sweep again.
    """
    if not directory.plan_file.exists():  # killed before it was written: nothing was made yet
        shutil.rmtree(directory.path, ignore_errors=True)
        return
    gone = _soon("empty cgroups", lambda: _remove_cgroups(directory.name))
    if await_link:
        link = Path("/sys/class/net") / host_link(directory.name)
        gone = _soon("the link's end", lambda: str(link) if link.exists() else "") and gone
    if gone:
        shutil.rmtree(directory.path, ignore_errors=True)


def _soon(what: str, lacking: Callable[[], str]) -> bool:
    """Whether it came true in time: the kernel frees in the background."""
    try:
        wait_for(what, lacking, limit=_LIMIT, interval=0.01)
    except WaitExpired:
        return False
    return True


def _remove_cgroups(name: str) -> str:
    """Remove the cluster's cgroups in every hierarchy; names one that is left."""
    remaining = ""
    for mount in _cgroup_mounts():
        top = mount / cgroup_parent(name).lstrip("/")
        for path, _, _ in os.walk(top, topdown=False):
            if not _remove_directory(Path(path)):
                remaining = path
        _remove_directory(top.parent)  # shared by all clusters: goes with the last
    return remaining


def _remove_directory(path: Path) -> bool:
    try:
        path.rmdir()
    except FileNotFoundError:
        return True
    except OSError:  # still has processes or children
        return False
    return True


def _cgroup_mounts() -> Iterator[Path]:
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, mount_point, kind, *_ = line.split(" ")
        if kind in {"cgroup", "cgroup2"}:
            yield Path(mount_point)
