"""The programs of a load balancer: MetalLB, in a Go module of its own.

Its versions are what MetalLB itself was released with, whichever Kubernetes it
is to serve (decision 10), so it has one key, and no other key knows of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from svcproof.components.model import missing_binaries
from svcproof.components.obtain import ensure_in_cache
from svcproof.components.progress import Progress
from svcproof.components.recipe import Step, go_environment, host_architecture, plain_step
from svcproof.components.sources import METALLB

__all__ = ["CONTROLLER", "SPEAKER", "MetalLB", "obtain_metallb"]

CONTROLLER: Final = "metallb-controller"
SPEAKER: Final = "metallb-speaker"
_NAME: Final = "metallb"
_MODULE: Final = "go.universe.tf/metallb"
_PACKAGES: Final = {CONTROLLER: f"{_MODULE}/controller", SPEAKER: f"{_MODULE}/speaker"}


@dataclass(frozen=True)  # no slots: what is computed once is kept in it
class MetalLB:
    """MetalLB for an architecture: a :class:`~svcproof.components.recipe.Buildable`."""

    architecture: str

    @property
    def label(self) -> str:
        """What it is, for people."""
        return f"MetalLB {self.version}"

    @property
    def version(self) -> str:
        """As in ``0.15.2``."""
        return self._pinned(rf"^require {re.escape(_MODULE)} v(\S+)$")

    @property
    def kubernetes(self) -> str:
        """None in particular."""
        return ""

    @property
    def platform(self) -> str:
        """As in ``linux-amd64``."""
        return f"linux-{self.architecture}"

    @property
    def go(self) -> str:
        """The oldest Go that its modules accept."""
        return self._pinned(r"^go (\S+)$")

    @property
    def programs(self) -> tuple[str, ...]:
        """The controller and the speaker."""
        return tuple(_PACKAGES)

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """One: both programs share nearly all of their packages."""
        return (plain_step(_NAME, METALLB, self.architecture, _PACKAGES),)

    @cached_property
    def key(self) -> str:
        """Equal exactly when the same sources are built in the same way."""
        return f"{self.prefix}{self.steps[0].digest[:12]}"

    @property
    def prefix(self) -> str:
        """What its keys on this platform begin with."""
        return f"{_NAME}-{self.platform}-"

    def pins(self) -> dict[str, str]:
        """Version by component."""
        return {_NAME: self.version}

    def environment(self) -> dict[str, str]:
        """The caller's environment with what would change the outcome replaced."""
        return go_environment(self.architecture)

    def reread(self) -> MetalLB:
        """The same as its sources are now."""
        return MetalLB(self.architecture)

    def _pinned(self, pattern: str) -> str:
        found = re.search(pattern, (METALLB / "go.mod").read_text(encoding="utf-8"), re.MULTILINE)
        if not found:
            raise ValueError(f"{METALLB / 'go.mod'}: no line matches {pattern!r}")
        return found[1]


def obtain_metallb(beside: Path, *, allow_install: bool, progress: Progress) -> Path:
    """The directory with both programs: the cluster's components, the cache, or a build."""
    target = MetalLB(host_architecture())
    if not missing_binaries(beside, target.programs):
        return beside
    directory, _ = ensure_in_cache(target, allow_install=allow_install, progress=progress)
    return directory
