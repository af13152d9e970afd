"""One look at a cluster for all who want one at the same time."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from svcproof.snapshot import Snapshot

__all__ = ["SharedLooks"]


@dataclass
class _Latest:
    lock: threading.Lock = field(default_factory=threading.Lock)
    began: float = float("-inf")
    seen: Snapshot | None = None


class SharedLooks:
    """Takes snapshots; whoever asks gets one that began after asking, perhaps another's."""

    def __init__(self, look: Callable[[str], Snapshot]) -> None:
        self._look = look
        self._latest: defaultdict[str, _Latest] = defaultdict(_Latest)

    def snapshot(self, namespace: str) -> Snapshot:
        """The cluster's nodes and that namespace, now."""
        asked = time.monotonic()
        latest = self._latest[namespace]
        with latest.lock:
            if latest.seen is None or latest.began < asked:
                began = time.monotonic()
                latest.seen, latest.began = self._look(namespace), began
            return latest.seen
