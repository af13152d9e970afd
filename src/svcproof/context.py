"""What one case works with, and what all cases of a run share."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, TypeVar

from svcproof.app import App
from svcproof.asking import Asked
from svcproof.deviations import is_about
from svcproof.events import KnownDeviation
from svcproof.limits import Limits
from svcproof.patience import Patience
from svcproof.recorder import Recorder

__all__ = ["Context", "Workers", "turn"]

_T = TypeVar("_T")

#: Pairs that are measured at the same time: more than two processors' worth would only
#: slow each other down.
_BUSY: Final = 6
#: Pairs that are asked at the same time whether they have settled.
_SETTLING: Final = 12
#: Pairs that hardly do anything but wait: for refusals, for silence, to settle.
_WAITING: Final = 512


class Workers:
    """The threads that all cases of a run send from: a few that work, many that wait.

    ``settling`` is held by who has the processors work while a pair settles, ``steady`` by
    steady traffic: both for their own sake, so that whoever waits too long goes on without.
    """

    def __init__(self) -> None:
        self.settling = threading.BoundedSemaphore(_SETTLING)
        self.steady = threading.BoundedSemaphore(1)
        self.busy = ThreadPoolExecutor(_BUSY, thread_name_prefix="svcproof-busy")
        self.waiting = ThreadPoolExecutor(_WAITING, thread_name_prefix="svcproof-waiting")

    def close(self) -> None:
        """Begin nothing else; what is under way ends by its own limits."""
        for pool in (self.busy, self.waiting):
            pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def turn(semaphore: threading.Semaphore, seconds: float) -> Iterator[None]:
    """Hold it in the block; who had to wait so long goes on all the same: where those who hold
    it wait for the network themselves, the processors are free."""
    held = semaphore.acquire(timeout=seconds)
    try:
        yield
    finally:
        if held:
            semaphore.release()


@dataclass(frozen=True)
class Context:
    """One case's app and history, its limits, and what its run knows.

    ``known`` is what the cluster is known to show in this case. ``stopped`` ends what is under
    way: another pair of the case failed in a way that the harness cannot go on from, or the run
    is over.
    """

    app: App
    recorder: Recorder
    limits: Limits
    patience: Patience
    workers: Workers
    known: Sequence[KnownDeviation] = ()
    stopped: threading.Event = field(default_factory=threading.Event)

    def knows(self, asked: Asked) -> bool:
        """Whether this pair is known not to fail as it must: a known deviation is about it."""
        return asked.waits and self.knows_pair(str(asked.position), str(asked.target))

    def knows_pair(self, position: str, target: str) -> bool:
        """Whether a known deviation is about this pair."""
        return any(is_about(each, f"{position} → {target}") for each in self.known)

    def results(self, futures: Sequence[Future[_T]]) -> list[_T]:
        """What all of them gave; what one raises, and Ctrl-C, stops the others."""
        try:
            return [future.result() for future in futures]
        except BaseException:
            self.stopped.set()
            for future in futures:
                future.cancel()
            raise
