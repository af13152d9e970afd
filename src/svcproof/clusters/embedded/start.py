"""From options to a running cluster: everything that happens before and around the launch."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable

from svcproof.clusters.embedded.launch import launch
from svcproof.clusters.embedded.owner import Owner
from svcproof.clusters.options import ClusterOptions
from svcproof.components import Components, obtain, open_progress
from svcproof.errors import EnvironmentProblem

__all__ = ["fresh_name", "require_root", "start"]


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
    ensure_system_tools(allow_install=options.allow_install, report=report)
    check_machine(options.nodes, proxy_mode=options.proxy_mode, families=options.families)
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
            remedy="run the same command with sudo",
        )


def fresh_name() -> str:
    """A name for a cluster that only this run knows."""
    return f"run-{secrets.token_hex(3)}"
