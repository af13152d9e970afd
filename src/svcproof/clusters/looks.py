"""One look at a cluster for all who want one at the same time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from typing import Final

from svcproof.errors import SvcproofError
from svcproof.snapshot import Snapshot

__all__ = ["SharedLooks"]


#: From the begin of one look to that of the next: who asks in between shares it.
_SPACE_SECONDS: Final = 0.15


@dataclass
class _Looks:
    """Of one namespace: the look that is being taken, and the one that comes next."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    taken: Future[Snapshot] | None = None
    coming: Future[Snapshot] | None = None
    not_before: float = 0.0


class SharedLooks:
    """Takes snapshots; whoever asks gets one that began after asking, perhaps another's.

    All who ask while one is taken share the next, and are woken together: with a lock that
    they pass on they would wait for each other's turn to run, too.
    """

    def __init__(self, look: Callable[[str], Snapshot]) -> None:
        self._look = look
        self._looks: dict[str, _Looks] = {}

    def snapshot(self, namespace: str) -> Snapshot:
        """The cluster's nodes and that namespace, now."""
        looks = self._looks.setdefault(namespace, _Looks())
        while True:
            with looks.lock:
                before, coming = looks.taken, looks.coming
                if coming is None:
                    mine = looks.coming = Future()
                    break
            try:
                return coming.result()
            except SvcproofError:
                continue  # it was another's look that failed
        try:
            if before is not None:
                wait([before])
            time.sleep(max(0.0, looks.not_before - time.monotonic()))
            with looks.lock:
                looks.taken, looks.coming = mine, None
            looks.not_before = time.monotonic() + _SPACE_SECONDS
            mine.set_result(self._look(namespace))
        except BaseException as error:
            with looks.lock:
                looks.coming = None if looks.coming is mine else looks.coming
            mine.set_exception(error)
            raise
        return mine.result()
