"""From options to a running cluster: everything that happens before and around the launch."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable
from typing import Final

from svcproof.clusters.embedded.launch import launch
from svcproof.clusters.embedded.owner import Owner
from svcproof.clusters.embedded.state import BASE
from svcproof.clusters.options import ClusterOptions
from svcproof.components import Components, obtain, open_progress
from svcproof.errors import EnvironmentProblem

__all__ = ["fresh_name", "require_root", "start"]

_ROOM_FOR_LOGS: Final = 64 * 2**20


def start(
    options: ClusterOptions,
    *,
    name: str,
    report: Callable[[str], None],
    until: str = "",
) -> tuple[Owner, Components]:
    """Check the machine, find or build the components, launch, wait until ready (or a milestone).

    Raises :class:`~svcproof.errors.EnvironmentProblem` before anything is
    created, or with everything created removed.
    """
    from svcproof.components.preflight import check_machine
    from svcproof.components.system_tools import ensure_system_tools

    require_root()
    check_machine(options.nodes)
    _require_room()
    ensure_system_tools(allow_install=options.allow_install)
    with open_progress() as progress:
        components = obtain(
            options.kubernetes_version,
            directory=options.components_directory,
            allow_install=options.allow_install,
            progress=progress,
        )
    owner = launch(options, name=name, components=components, report=report, until=until)
    return owner, components


def require_root() -> None:
    """Raise unless this process may make namespaces and links."""
    if os.geteuid() != 0:
        raise EnvironmentProblem(
            f"an embedded cluster needs root, and this is user {os.geteuid()}",
            remedy="run the same command with sudo, or use --svc-cluster kind or existing",
        )


def _require_room() -> None:
    """Logs are the only files of a cluster on a disk; everything else is in memory."""
    place = BASE if BASE.is_dir() else BASE.parent
    free = shutil.disk_usage(place).free
    if free < _ROOM_FOR_LOGS:
        raise EnvironmentProblem(
            f"{place} has {free / 2**20:.0f} MiB free, and the logs of a cluster need "
            f"{_ROOM_FOR_LOGS / 2**20:.0f} MiB",
            remedy=f"make room there: df -h {place}",
        )


def fresh_name() -> str:
    """A name for a cluster that only this run knows."""
    return f"run-{secrets.token_hex(3)}"
