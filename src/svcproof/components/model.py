"""A complete set of programs, and the file in its directory that says what it is."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from svcproof.errors import ComponentsUnavailable

__all__ = ["BINARIES", "MANIFEST", "Components", "Manifest", "Source", "missing_binaries"]

#: Every program a cluster needs. ``kube`` is all of Kubernetes: the name it is
#: called by, or its first argument, picks the program.
BINARIES: Final = (
    "kube",
    "etcd",
    "containerd",
    "containerd-shim-runc-v2",
    "ctr",
    "ptp",
    "loopback",
    "host-local",
    "portmap",
    "coredns",
    "echo-hostname",
)

#: The file beside them that says what they are.
MANIFEST: Final = "components.json"

Source = Literal["directory", "wheel", "cache", "build"]


@dataclass(frozen=True, slots=True)
class Components:
    """A directory with every program of :data:`BINARIES`, and where it came from."""

    directory: Path
    kubernetes_version: str
    source: Source
    key: str

    def path(self, name: str) -> Path:
        """The program of that name."""
        if name not in BINARIES:
            raise ValueError(f"no component is called {name!r}; there are {', '.join(BINARIES)}")
        return self.directory / name


@dataclass(frozen=True, slots=True)
class Manifest:
    """What ``components.json`` records."""

    key: str
    kubernetes: str
    platform: str
    go: str
    versions: Mapping[str, str] = field(default_factory=dict)
    #: Digest by build step: what another key shares with this one is not built again.
    steps: Mapping[str, str] = field(default_factory=dict)

    def write(self, directory: Path) -> None:
        """Into a directory of components."""
        text = json.dumps({"schema": 1, **asdict(self)}, indent=2)
        (directory / MANIFEST).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def read(cls, directory: Path) -> Manifest | None:
        """The record of a directory; ``None`` when it has none."""
        path = directory / MANIFEST
        try:
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            if found.pop("schema") != 1:
                raise ValueError("its schema is not 1")
            return cls(**found)
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError) as error:
            raise ComponentsUnavailable(
                f"{path} is not a record of components: {error}",
                remedy="remove that directory; `svcproof components path` names a good one",
            ) from error


def missing_binaries(directory: Path, wanted: Sequence[str] = BINARIES) -> tuple[str, ...]:
    """Names of the programs that are not there, or not executable."""
    return tuple(
        name
        for name in wanted
        if not ((path := directory / name).is_file() and os.access(path, os.X_OK))
    )
