"""The cache directory: where it is, one builder at a time, old builds removed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from svcproof.components.progress import Progress

__all__ = ["cache_root", "components_root", "exclusive"]


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


def _read_pid(holder: Path) -> str:
    try:
        return holder.read_text(encoding="utf-8").strip() or "?"
    except FileNotFoundError:
        return "?"
