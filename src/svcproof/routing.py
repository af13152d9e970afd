"""Converge, then measure once.

Before a pair of position and target is measured it must have settled: the
wanted answers in a row, by every backend due. That sample is thrown away, only
its duration is recorded. The measurement itself is made once and never
repeated: a result that is retried until it pleases has no error rate.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from threading import Event
from typing import Any

from svcproof.app import App
from svcproof.checkers.convergence import CONVERGED, NOT_CONVERGED
from svcproof.checkers.endpoints import ENDPOINTS
from svcproof.errors import WaitExpired
from svcproof.expect import Promise, endpoint_lists, promise
from svcproof.history import Attempt, History, Observation, Outcome, Position, Target
from svcproof.limits import Limits
from svcproof.ports import ProbePlan
from svcproof.recorder import Recorder
from svcproof.snapshot import Snapshot
from svcproof.stats import failure_size, sample_size
from svcproof.waits import wait_for

__all__ = ["Pair", "Routing"]

Pair = tuple[Position, Target]

#: Positions that are probed at the same time; each is one exec, and execs cost
#: the nodes more than connections do.
_PARALLEL = 6


@dataclass
class Routing:
    """Sends on behalf of one test case and records what comes of it."""

    app: App
    recorder: Recorder
    limits: Limits
    _stopped: Event = field(default_factory=Event, init=False)

    def probe(
        self, position: Position, target: Target, *, count: int, **plan: Any
    ) -> list[Observation]:
        """Make ``count`` connections now, record each, and promise nothing about them.

        Further arguments are those of :class:`~svcproof.ports.ProbePlan`.
        """
        return [
            self.recorder.observe(position, target, attempt)
            for attempt in self._attempts(position, target, count, **plan)
        ]

    def scale(self, replicas: int) -> None:
        """Change the number of replicas and wait for Pods and EndpointSlices to follow.

        A wait that runs out is recorded, and left to the checks: what is
        measured then is what the cluster made of the change.
        """
        self.recorder.event("scaling", replicas=replicas)
        try:
            seconds = self.app.scale(replicas)
        except WaitExpired as expired:
            self._record_expired(expired)
        else:
            self.recorder.event("scaled", replicas=replicas, seconds=round(seconds, 3))

    def measure(self, pairs: Iterable[Pair], *, expecting: Outcome = Outcome.ANSWERED) -> History:
        """Let every pair settle, then measure all of them once, side by side.

        Who may answer follows from the rules and the EndpointSlices. That
        anybody must is what the case says: an app that vanished behind its
        back is a failure, not a promise of refusals.
        """
        wanted = list(pairs)
        deadline = time.monotonic() + self.limits.convergence
        as_wanted = self._await_app()
        snapshot = self.app.snapshot()
        self._record_endpoints(snapshot, {target.service for _, target in wanted})
        cells = [(pair, self._due(snapshot, pair[1], expecting)) for pair in wanted]
        if as_wanted:
            self._at_once([partial(self.converge, *pair, due, deadline) for pair, due in cells])
        self._at_once([partial(self._measure, *pair, due) for pair, due in cells])
        return self.recorder.freeze()

    def converge(self, position: Position, target: Target, due: Promise, deadline: float) -> None:
        """Wait until the pair gives what is due, so many times in a row; record how it went."""
        length = self.limits.convergence_streak
        streak = _Streak(due, length if due.outcome is Outcome.ANSWERED else min(length, 3))
        started = time.monotonic()
        limit = max(0.0, deadline - started)
        last_state = ""
        try:
            wait_for(
                f"{position} → {target} to settle",
                lambda: self._extend(streak, position, target),
                limit=limit,
            )
        except WaitExpired as expired:
            last_state = expired.last_state
        self.recorder.event(
            NOT_CONVERGED if last_state else CONVERGED,
            position=position.name,
            target=target.name,
            seconds=round(time.monotonic() - started, 3),
            attempts=streak.attempts,
            streak=streak.length,
            limit_seconds=round(limit, 1),
            last_state=last_state,
        )

    def _at_once(self, calls: Sequence[Callable[[], None]]) -> None:
        """Make the calls side by side; what one raises, and Ctrl-C, stops the others."""
        if len(calls) == 1:
            calls[0]()
            return
        with ThreadPoolExecutor(_PARALLEL, thread_name_prefix="svcproof-probe") as pool:
            futures = [pool.submit(call) for call in calls]
            try:
                for future in futures:
                    future.result()
            except BaseException:
                self._stopped.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _await_app(self) -> bool:
        """Whether the app is what its manifests say, in the end."""
        try:
            self.app.wait_ready(limit=self.limits.convergence)
        except WaitExpired as expired:
            self._record_expired(expired)
            return False
        return True

    def _record_expired(self, expired: WaitExpired) -> None:
        self.recorder.event(
            NOT_CONVERGED,
            position="API server",
            target=expired.waited_for,
            limit_seconds=expired.limit,
            last_state=expired.last_state,
            remedy=expired.remedy,
        )

    def _due(self, snapshot: Snapshot, target: Target, expecting: Outcome) -> Promise:
        due = promise(snapshot, target, run=self.recorder.run)
        return due if due.outcome is expecting else Promise(expecting, ())

    def _extend(self, streak: _Streak, position: Position, target: Target) -> str:
        plan = _pace(streak.due)
        with closing(self._attempts(position, target, streak.batch, **plan)) as attempts:
            for attempt in attempts:
                lacking = streak.add(attempt)
                if streak.broken:
                    return lacking
        # Another pair failed, or Ctrl-C: nobody waits for this one any more.
        return "" if self._stopped.is_set() else streak.lacking

    def _measure(self, position: Position, target: Target, due: Promise) -> None:
        answered = due.outcome is Outcome.ANSWERED
        size = sample_size(len(due.allowed)) if answered else failure_size()
        self.recorder.expect(
            position, target, outcome=due.outcome, allowed=due.allowed, minimum=size
        )
        self.probe(position, target, count=size, **_pace(due))

    def _record_endpoints(self, snapshot: Snapshot, services: Iterable[str]) -> None:
        for name in sorted(services):
            listed, ready = endpoint_lists(snapshot, snapshot.service(name))
            self.recorder.event(ENDPOINTS, service=name, listed=listed, due=ready)

    def _attempts(
        self, position: Position, target: Target, count: int, **plan: Any
    ) -> Generator[Attempt, None, None]:
        defaults: dict[str, Any] = {
            "protocol": target.protocol,
            "family": target.family,
            "connect_timeout": self.limits.connect,
            "attempt_timeout": self.limits.attempt,
        }
        wanted = ProbePlan(host=target.host, port=target.port, count=count, **(defaults | plan))
        with closing(self.app.cluster.probe(position, wanted)) as attempts:
            for attempt in attempts:
                if self._stopped.is_set():
                    return
                yield attempt


def _pace(due: Promise) -> dict[str, int]:
    """One at a time where refusals are due: of several at once, the kernel's limit on
    ICMP errors (six, then one a second) leaves some to time out, which they are not."""
    return {} if due.outcome is Outcome.ANSWERED else {"concurrency": 1}


@dataclass
class _Streak:
    """How many attempts in a row gave what is due, and by whom."""

    due: Promise
    length: int
    attempts: int = 0
    good: int = 0
    seen: set[str] = field(default_factory=set)
    broken: str = ""

    @property
    def batch(self) -> int:
        """How many attempts to make at once: likely enough to complete the streak."""
        return max(self.length, 10 * len(self.due.allowed))

    @property
    def lacking(self) -> str:
        """What is still lacking; "" when settled."""
        if self.broken:
            return self.broken
        names = sorted(b.pod for b in self.due.allowed if b.uid not in self.seen)
        if names:
            return f"{self.good} right answers in a row, none by {', '.join(names)}"
        return "" if self.good >= self.length else f"only {self.good} right answers in a row"

    def add(self, attempt: Attempt) -> str:
        """Count one attempt; what is lacking now."""
        self.attempts += 1
        self.broken = self._wrong(attempt)
        if self.broken:
            self.good = 0
            self.seen.clear()
        else:
            self.good += 1
            if attempt.backend is not None:
                self.seen.add(attempt.backend.uid)
        return self.lacking

    def _wrong(self, attempt: Attempt) -> str:
        if attempt.outcome is not self.due.outcome:
            return f"a connection ended {attempt.outcome} ({attempt.detail or 'no detail'})"
        if attempt.outcome is not Outcome.ANSWERED:
            return ""
        uids = {backend.uid for backend in self.due.allowed}
        if attempt.backend is None or attempt.backend.uid not in uids:
            return f"an answer by {attempt.backend.pod if attempt.backend else 'nobody'}"
        return ""
