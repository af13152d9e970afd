"""The cache directory: where it is, one builder at a time, old builds removed."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from svcproof.components.model import BINARIES, MANIFEST
from svcproof.components.progress import Progress

__all__ = ["cache_root", "components_root", "exclusive", "mark_used", "remove_outdated"]

#: An unused build is kept this long: a cluster that is just starting has it in hand.
_KEEP_SECONDS: Final = 3600.0


def cache_root() -> Path:
    """``$XDG_CACHE_HOME/svcproof``."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("svcproof", appauthor=False))


def components_root() -> Path:
    """Where a directory for each key is."""
    return cache_root() / "components"


@contextmanager
def exclusive(progress: Progress) -> Iterator[None]:
    """Hold the lock of the cache; while another process does, say which."""
    from filelock import FileLock, Timeout

    root = cache_root()
    root.mkdir(parents=True, exist_ok=True)
    # The lock file itself is emptied by whoever tries it, so the holder's pid is beside it.
    holder = root / "lock.pid"
    lock = FileLock(root / "lock")
    while True:
        try:
            lock.acquire(timeout=1.0)
            break
        except Timeout:
            progress.phase(f"waiting for process {_read_pid(holder)}, which builds components")
            progress.tick()
    try:
        holder.write_text(f"{os.getpid()}\n", encoding="utf-8")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def mark_used(directory: Path) -> None:
    """Note the time; a cache that cannot be written to is as good."""
    with suppress(OSError):
        os.utime(directory / MANIFEST)


def remove_outdated(current: Path, prefix: str) -> None:
    """Remove other builds of the same minor and platform that nobody uses.

    One that was used within the last hour may belong to a cluster that is just
    starting; a running one shows in ``/proc`` (by inode, so mount namespaces do
    not hide it).
    """
    running = _running_programs()
    for other in current.parent.glob(f"{prefix}*"):
        if other != current and not _recent(other) and not running & _inodes(other):
            shutil.rmtree(other, ignore_errors=True)


def _recent(directory: Path) -> bool:
    try:
        return time.time() - (directory / MANIFEST).stat().st_mtime < _KEEP_SECONDS
    except OSError:
        return False


def _inodes(directory: Path) -> set[tuple[int, int]]:
    return set(filter(None, (_inode(directory / name) for name in BINARIES)))


def _running_programs() -> set[tuple[int, int]]:
    return set(filter(None, (_inode(exe) for exe in Path("/proc").glob("[0-9]*/exe"))))


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _read_pid(holder: Path) -> str:
    try:
        return holder.read_text(encoding="utf-8").strip() or "?"
    except FileNotFoundError:
        return "?"
