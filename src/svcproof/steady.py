"""Steady traffic while a cluster changes, and what is promised to it from which moment on."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Final

import msgspec

from svcproof.asking import Pair
from svcproof.context import Context
from svcproof.history import Outcome, Position, Target
from svcproof.measurement import settle_pairs
from svcproof.ports import Finish
from svcproof.probing import attempts, plan_of
from svcproof.promising import wanted
from svcproof.stats import sample_size
from svcproof.waits import wait_for

__all__ = ["Load"]

#: More than any run makes: the traffic ends when the block does.
_ENDLESS: Final = 10_000_000
#: Attempts under way at once: enough for the rate while each hangs until it times out.
_CONCURRENCY: Final = 256
#: None is used twice within two minutes, and nobody else's choice falls on them: a
#: connection that failed leaves its port pinned to the dead Pod for so long
#: (nf_conntrack_tcp_timeout_syn_sent; docs/decisions/0012).
_SOURCE_PORTS: Final = (11_000, 19_999)
#: Longest wait for the threads: each ends with the last attempt that was under way.
_JOIN_SECONDS: Final = 10.0


class Load:
    """Traffic of several pairs, each from a thread of its own, recorded as it comes."""

    def __init__(self, context: Context, pairs: Sequence[Pair], *, rate: float) -> None:
        self.rate = rate
        self._context = context
        self._pairs = pairs
        self._made: Counter[tuple[str, str]] = Counter()
        self._wanted = Counter((position.name, target.name) for position, target in pairs)
        self._since_ns: Counter[tuple[str, str]] = Counter()
        self._finish = Finish()
        self._over = threading.Event()
        self._threads = [
            threading.Thread(
                target=self._send, args=pair, name=f"svcproof-load {pair[0]}", daemon=True
            )
            for pair in pairs
        ]

    def expect(
        self,
        *,
        cover: bool = True,
        minimum: int = 0,
        unsettled: bool = False,
        outage_ms: int | None = None,
        trouble_ms: int | None = None,
    ) -> None:
        """From now on the rules promise what they do as the cluster is now.

        That there is any backend to answer is what the case says: an app that vanished
        behind its back is a failure, no promise of refusals. ``minimum`` is the fewest
        connections that decide it, 0 for the usual sample; the others are fields of
        :class:`~svcproof.history.Expectation`.
        """
        self._expect(
            self._pairs,
            cover=cover,
            minimum=minimum,
            unsettled=unsettled,
            outage_ms=outage_ms,
            trouble_ms=trouble_ms,
        )

    def _expect(
        self,
        pairs: Sequence[Pair],
        *,
        cover: bool,
        minimum: int,
        unsettled: bool,
        outage_ms: int | None,
        trouble_ms: int | None,
    ) -> None:
        app, recorder = self._context.app, self._context.recorder
        snapshot = app.snapshot()
        for position, target in pairs:
            promise = wanted(app, position, target, snapshot)
            expectation = recorder.expect(
                position,
                target,
                promise if cover else msgspec.structs.replace(promise, cover=False),
                minimum=minimum or sample_size(len(promise.allowed)),
                rate=self.rate,
                unsettled=unsettled,
                outage_ms=outage_ms,
                trouble_ms=trouble_ms,
            )
            pair = (position.name, target.name)
            self._since_ns[pair] = expectation.at_ns
            self._made[pair] = 0
            self._wanted[pair] = expectation.minimum

    @contextmanager
    def changing(
        self,
        *,
        await_app: bool = True,
        outage_ms: int | None = None,
        trouble_ms: int | None = None,
    ) -> Iterator[None]:
        """A change of the cluster, and the time until it has reached every place.

        Meanwhile any Pod of the run may answer, and every connection still must be
        answered, except for the outage that is allowed. From then on the rules hold for
        the cluster as it is then; a pair that did not settle stays in the time of the
        change, so that nobody is blamed for what only comes late.
        """
        self.expect(
            unsettled=True, cover=False, minimum=1, outage_ms=outage_ms, trouble_ms=trouble_ms
        )
        yield
        settled = settle_pairs(self._pairs, self._context, awaits_app=await_app)
        self.gather()  # a change can be over before a client's next connection
        self._expect(
            settled, cover=True, minimum=0, unsettled=False, outage_ms=None, trouble_ms=None
        )
        self.gather()

    def gather(self) -> None:
        """Wait until each pair has made the attempts that decide, since the last :meth:`expect`;
        before the first, until each has made one.

        Raises :class:`~svcproof.errors.WaitExpired`.
        """
        wait_for(
            "enough connections of each client",
            self._short,
            limit=self._context.limits.convergence,
        )

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
        # What hangs still is not known yet: no more begin, and those are waited for.
        self._finish.set()
        if error is not None:
            self._over.set()
        for thread in self._threads:
            thread.join(_JOIN_SECONDS)
        self._over.set()

    def _send(self, position: Position, target: Target) -> None:
        context = self._context
        plan = plan_of(
            target,
            _ENDLESS,
            context.limits,
            rate=self.rate,
            concurrency=_CONCURRENCY,
            source_ports=_SOURCE_PORTS,
            finish=self._finish,
        )
        for attempt in attempts(context, position, plan):
            if self._over.is_set():
                return
            context.recorder.observe(position, target, attempt)
            # One that began before belongs to what was promised then.
            began = attempt.at_ns >= self._since_ns[position.name, target.name]
            if began and attempt.outcome is not Outcome.UNKNOWN:
                self._made[position.name, target.name] += 1

    def _short(self) -> str:
        if self._context.stopped.is_set():
            return ""
        short = [
            f"{position} → {target}: {self._made[position, target]} of {wanted}"
            for (position, target), wanted in self._wanted.items()
            if self._made[position, target] < wanted
        ]
        return "; ".join(short)
