"""Programs of a Go module that pins itself, whichever Kubernetes they are for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Self

from svcproof.components.recipe import Step, go_environment, plain_step

__all__ = ["OwnModule", "pinned"]


@dataclass(frozen=True)  # no slots: what is computed once is kept in it
class OwnModule:
    """One for an architecture: a :class:`~svcproof.components.recipe.Buildable`.

    What it is, is said by its classes; they add a label and the versions.
    """

    name: ClassVar[str]
    directory: ClassVar[Path]
    #: Program → its package.
    packages: ClassVar[Mapping[str, str]]

    architecture: str

    @property
    def label(self) -> str:
        """What it is, for people."""
        return self.name

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
        return pinned(self.directory, r"^go (\S+)$")

    @property
    def programs(self) -> tuple[str, ...]:
        """Every program of it."""
        return tuple(self.packages)

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """One: its programs share their packages."""
        return (plain_step(self.name, self.directory, self.architecture, self.packages),)

    @cached_property
    def key(self) -> str:
        """Equal exactly when the same sources are built in the same way."""
        return f"{self.prefix}{self.steps[0].digest[:12]}"

    @property
    def prefix(self) -> str:
        """What its keys on this platform begin with."""
        return f"{self.name}-{self.platform}-"

    def pins(self) -> dict[str, str]:
        """Version by component; nothing but itself."""
        return {}

    def environment(self) -> dict[str, str]:
        """The caller's environment with what would change the outcome replaced."""
        return go_environment(self.architecture)

    def reread(self) -> Self:
        """The same as its sources are now."""
        return type(self)(self.architecture)


def pinned(directory: Path, pattern: str) -> str:
    """What a line of a module's go.mod says. Raises ``ValueError`` if no line matches."""
    path = directory / "go.mod"
    found = re.search(pattern, path.read_text(encoding="utf-8"), re.MULTILINE)
    if not found:
        raise ValueError(f"{path}: no line matches {pattern!r}")
    return found[1]
