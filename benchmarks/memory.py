"""Memory of a cluster by component: PSS, which counts every shared page once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import psutil


def by_component(processes: Iterable[psutil.Process]) -> dict[str, float]:
    """Component → MiB, largest first, and the sum of them as ``all``."""
    sizes: defaultdict[str, float] = defaultdict(float)
    for process in processes:
        try:
            sizes[_component(process)] += process.memory_full_info().pss / 2**20
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    ordered = sorted(sizes.items(), key=lambda item: -item[1])
    return {"all": sum(sizes.values()), **dict(ordered)}


def _component(process: psutil.Process) -> str:
    """The program's name; Python, nsenter and unshare are the harness."""
    command = process.cmdline()
    name = Path(command[0]).name if command else process.name()
    if name.startswith(("python", "nsenter", "unshare")):
        return "harness (keeper, guard, namespaces)"
    return name
