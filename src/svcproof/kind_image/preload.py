"""Images in a containerd's store before it ever runs: by a containerd that runs for this only."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from svcproof.errors import EnvironmentProblem
from svcproof.waits import wait_for

__all__ = ["preload"]

_LIMIT: Final = 120.0
# Nothing that would need the host's network, or change it.
_CONFIG: Final = """\
version = 3
root = "{root}"
state = "{work}/state"
disabled_plugins = [
  "io.containerd.grpc.v1.cri",
  "io.containerd.cri.v1.images",
  "io.containerd.cri.v1.runtime",
  "io.containerd.nri.v1.nri",
]
[grpc]
  address = "{work}/socket"
"""


def preload(archive: Path, *, programs: Path, root: Path, work: Path) -> None:
    """Put every image of the archive into the store at ``root``; nodes unpack it when they run it.

    ``work`` is an empty directory for sockets and logs, with a short path.
    """
    with _containerd(programs, root, work) as address:
        command = [str(programs / "ctr"), f"--address={address}", "--namespace=k8s.io"]
        # Pinned: a kubelet that is short of room would remove images that nobody can bring back.
        command += ["images", "import", "--local", "--no-unpack", "--all-platforms", "--digests"]
        command += ["--label=io.cri-containerd.pinned=pinned", str(archive)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT, check=False)
    if done.returncode:
        raise EnvironmentProblem(f"the nodes' images could not be imported: {done.stderr[-2000:]}")


@contextmanager
def _containerd(programs: Path, root: Path, work: Path) -> Iterator[Path]:
    config, log, address = work / "containerd.toml", work / "log", work / "socket"
    config.write_text(_CONFIG.format(root=root, work=work), encoding="utf-8")
    command = [str(programs / "containerd"), f"--config={config}"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        wait_for("containerd", lambda: _silence(programs, address), limit=30, interval=0.2)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=30)


def _silence(programs: Path, address: Path) -> str:
    command = [str(programs / "ctr"), f"--address={address}", "version"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    return done.stderr.strip() or "no answer" if done.returncode else ""
