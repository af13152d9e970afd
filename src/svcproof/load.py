"""Steady traffic while a cluster changes, and what is promised to it from which moment on."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from svcproof.history import Position, Target
from svcproof.waits import wait_for

if TYPE_CHECKING:
    from svcproof.routing import Routing

__all__ = ["Load"]

#: More than any run makes: the traffic ends when the block does.
_ENDLESS: Final = 10_000_000
#: Attempts under way at once: enough for the rate while each hangs until it times out.
_CONCURRENCY: Final = 256
#: Longest wait for the threads: each ends with its next attempt.
_JOIN_SECONDS: Final = 10.0


class Load:
    """Traffic of several pairs, each from a thread of its own, recorded as it comes."""

    def __init__(
        self, routing: Routing, pairs: Sequence[tuple[Position, Target]], *, rate: float
    ) -> None:
        self.rate = rate
        self._routing = routing
        self._pairs = pairs
        self._made: Counter[tuple[str, str]] = Counter()
        self._over = threading.Event()
        self._threads = [
            threading.Thread(
                target=self._send, args=pair, name=f"svcproof-load {pair[0]}", daemon=True
            )
            for pair in pairs
        ]

    def expect(self, **asked: Any) -> None:
        """From now on the rules promise what they do as the cluster is now.

        ``asked`` are fields of :class:`~svcproof.history.Expectation` beside or
        instead of the promise's: ``grace_ms``, ``outage_ms``, ``cover``.
        """
        from svcproof.routing import promised

        snapshot = self._routing.app.snapshot()
        for position, target in self._pairs:
            due = self._routing.due(position, target, snapshot)
            self._routing.recorder.expect(position, target, **(promised(due) | asked))
            self._made[position.name, target.name] = 0

    def gather(self, count: int, *, limit: float) -> None:
        """Wait until each pair has made so many attempts since the last :meth:`expect`.

        Raises :class:`~svcproof.errors.WaitExpired`.
        """
        wait_for(f"{count} connections of each client", lambda: self._short(count), limit=limit)

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(_JOIN_SECONDS)

    def _send(self, position: Position, target: Target) -> None:
        routing = self._routing
        plan = {"rate": self.rate, "concurrency": _CONCURRENCY}
        with closing(routing.attempts(position, target, _ENDLESS, **plan)) as attempts:
            for attempt in attempts:
                if self._over.is_set():
                    return
                routing.recorder.observe(position, target, attempt)
                self._made[position.name, target.name] += 1

    def _short(self, count: int) -> str:
        made = {
            f"{position} → {target}": self._made[position.name, target.name]
            for position, target in self._pairs
        }
        short = [f"{pair}: {number}" for pair, number in made.items() if number < count]
        return "; ".join(short)
