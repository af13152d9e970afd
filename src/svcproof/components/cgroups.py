"""The control groups that kubelets and containers need, of version 1 or 2."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from svcproof.components.findings import Finding

__all__ = ["inspect_cgroups"]

_ROOT: Final = Path("/sys/fs/cgroup")
#: What a kubelet refuses to start without.
_CONTROLLERS: Final = ("cpu", "cpuset", "memory", "pids")
_REMEDY: Final = "mount it on the host (boot option cgroup_enable=…); in a container: --privileged"


def inspect_cgroups(root: Path = _ROOT) -> Iterator[Finding]:
    """One finding for the version and one for each controller."""
    unified = root / "cgroup.controllers"
    second = unified.is_file()
    there = unified.read_text(encoding="utf-8").split() if second else _first_version(root)
    version = "version 2" if second else "version 1" if there else "none"
    yield Finding("control groups", bool(there), version, _REMEDY)
    for controller in _CONTROLLERS:
        if controller not in there:
            yield Finding(f"cgroup controller {controller}", False, version, _REMEDY)
            continue
        error = _try_group(root if second else root / controller)
        yield Finding(f"cgroup controller {controller}", not error, error or version, _REMEDY)


def _first_version(root: Path) -> list[str]:
    return [name for name in _CONTROLLERS if (root / name / "tasks").is_file()]


def _try_group(parent: Path) -> str:
    """ "" when a group can be made there; it is removed again at once."""
    group = parent / f"svcproof-check-{os.getpid()}"
    try:
        group.mkdir()
        group.rmdir()
    except OSError as error:
        return str(error)
    return ""
