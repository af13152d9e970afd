"""Our own program alone: what runs in the Pods of a cluster that is there already."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from svcproof.components.obtain import ensure_in_cache
from svcproof.components.progress import Progress
from svcproof.components.recipe import Step, go_environment, plain_step
from svcproof.components.sources import ECHO_HOSTNAME

__all__ = ["ECHO_HOSTNAME_PROGRAM", "EchoHostname", "obtain_echo_hostname"]

#: The program's file name.
ECHO_HOSTNAME_PROGRAM: Final = "echo-hostname"


@dataclass(frozen=True)  # no slots: what is computed once is kept in it
class EchoHostname:
    """The program for an architecture: a :class:`~svcproof.components.recipe.Buildable`."""

    architecture: str

    @property
    def label(self) -> str:
        """What it is, for people."""
        return ECHO_HOSTNAME_PROGRAM

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
        """The oldest Go that its module accepts."""
        text = (ECHO_HOSTNAME / "go.mod").read_text(encoding="utf-8")
        found = re.search(r"^go (\S+)$", text, re.MULTILINE)
        if not found:
            raise ValueError(f"{ECHO_HOSTNAME / 'go.mod'}: no line says which Go")
        return found[1]

    @property
    def programs(self) -> tuple[str, ...]:
        """The one."""
        return (ECHO_HOSTNAME_PROGRAM,)

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """One, of a second: it has no dependencies."""
        packages = {ECHO_HOSTNAME_PROGRAM: "."}
        return (plain_step(ECHO_HOSTNAME_PROGRAM, ECHO_HOSTNAME, self.architecture, packages),)

    @cached_property
    def key(self) -> str:
        """Equal exactly when the same sources are built in the same way."""
        return f"{self.prefix}{self.steps[0].digest[:12]}"

    @property
    def prefix(self) -> str:
        """What its keys on this platform begin with."""
        return f"{ECHO_HOSTNAME_PROGRAM}-{self.platform}-"

    def pins(self) -> dict[str, str]:
        """Nothing but itself."""
        return {}

    def environment(self) -> dict[str, str]:
        """The caller's environment with what would change the outcome replaced."""
        return go_environment(self.architecture)

    def reread(self) -> EchoHostname:
        """The same as its sources are now."""
        return EchoHostname(self.architecture)


def obtain_echo_hostname(architecture: str, *, allow_install: bool, progress: Progress) -> Path:
    """The program for Pods on nodes of this architecture, built if the cache has none."""
    target = EchoHostname(architecture)
    directory, _ = ensure_in_cache(target, allow_install=allow_install, progress=progress)
    return directory / ECHO_HOSTNAME_PROGRAM
