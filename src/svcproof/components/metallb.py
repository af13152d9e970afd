"""The programs of a load balancer: MetalLB, in a Go module of its own.

Its versions are what MetalLB itself was released with, whichever Kubernetes it
is to serve (decision 10), so it has one key, and no other key knows of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from svcproof.components.model import missing_binaries
from svcproof.components.obtain import ensure_in_cache
from svcproof.components.own_module import OwnModule, pinned
from svcproof.components.progress import Progress
from svcproof.components.recipe import host_architecture
from svcproof.components.sources import METALLB

__all__ = ["CONTROLLER", "SPEAKER", "MetalLB", "obtain_metallb"]

CONTROLLER: Final = "metallb-controller"
SPEAKER: Final = "metallb-speaker"
_MODULE: Final = "go.universe.tf/metallb"
_PACKAGES: Final = {CONTROLLER: f"{_MODULE}/controller", SPEAKER: f"{_MODULE}/speaker"}


@dataclass(frozen=True)
class MetalLB(OwnModule):
    """MetalLB for an architecture: its controller and its speaker."""

    name = "metallb"
    directory = METALLB
    packages = _PACKAGES

    @property
    def label(self) -> str:
        """What it is, for people."""
        return f"MetalLB {self.version}"

    @property
    def version(self) -> str:
        """As in ``0.15.2``."""
        return pinned(self.directory, rf"^require {re.escape(_MODULE)} v(\S+)$")

    def pins(self) -> dict[str, str]:
        """Version by component."""
        return {self.name: self.version}


def obtain_metallb(beside: Path, *, allow_install: bool, progress: Progress) -> Path:
    """The directory with both programs: the cluster's components, the cache, or a build."""
    target = MetalLB(host_architecture())
    if not missing_binaries(beside, target.programs):
        return beside
    directory, _ = ensure_in_cache(target, allow_install=allow_install, progress=progress)
    return directory
