"""Our own program alone: what runs in the Pods of a cluster that is there already."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from svcproof.components.obtain import ensure_in_cache
from svcproof.components.own_module import OwnModule
from svcproof.components.progress import Progress
from svcproof.components.sources import ECHO_HOSTNAME

__all__ = ["ECHO_HOSTNAME_PROGRAM", "EchoHostname", "obtain_echo_hostname"]

#: The program's file name.
ECHO_HOSTNAME_PROGRAM: Final = "echo-hostname"


@dataclass(frozen=True)
class EchoHostname(OwnModule):
    """The program for an architecture. It has no dependencies: a second's work."""

    name = ECHO_HOSTNAME_PROGRAM
    directory = ECHO_HOSTNAME
    packages = {ECHO_HOSTNAME_PROGRAM: "."}  # noqa: RUF012


def obtain_echo_hostname(architecture: str, *, allow_install: bool, progress: Progress) -> Path:
    """The program for Pods on nodes of this architecture, built if the cache has none."""
    target = EchoHostname(architecture)
    directory, _ = ensure_in_cache(target, allow_install=allow_install, progress=progress)
    return directory / ECHO_HOSTNAME_PROGRAM
