"""Converge, then measure once.

Before a pair of position and target is measured it must have settled: the
wanted answers in a row, by every backend due. That sample is thrown away, only
its duration is recorded. The measurement itself is made once and never
repeated: a result that is retried until it pleases has no error rate.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from threading import Event, Lock
from typing import Any, Final

from msgspec import structs

from svcproof.app import App
from svcproof.checkers import judge
from svcproof.errors import (
    ApplyFailed,
    ClusterProblem,
    EnvironmentProblem,
    NotSupported,
    WaitExpired,
)
from svcproof.events import (
    ApiAnswer,
    ChangeBegan,
    ChangeEnded,
    Converged,
    EndpointsSeen,
    Idle,
    NotConverged,
    NotPromised,
    Patched,
    PromiseChanged,
    PromiseNotSeenAgain,
)
from svcproof.expect import Promise, endpoint_lists, promise
from svcproof.history import Attempt, History, Observation, Outcome, Position, Target
from svcproof.limits import Limits
from svcproof.load import Load
from svcproof.manifest_files import of_run
from svcproof.ports import ProbePlan
from svcproof.profiles import Profile, profile_of
from svcproof.recorder import Recorder
from svcproof.snapshot import Snapshot
from svcproof.stats import failure_size, sample_size
from svcproof.streak import Streak
from svcproof.verdict import Status
from svcproof.waits import wait_for

__all__ = ["Pair", "Routing"]

Pair = tuple[Position, Target]

#: Positions that are probed at the same time: more than two processors' worth
#: would only slow each other down.
_PARALLEL: Final = 6
#: The same where nobody may answer: they do hardly anything but wait.
_WAITING: Final = 32
#: Source ports for settling: the kernel chooses higher ones, steady traffic takes lower.
_SETTLING_PORTS: Final = (20_000, 29_999)
_NEXT_PORT: Final[dict[tuple[str, str, int], int]] = {}
_PORTS_LOCK: Final = Lock()
#: Questions to the DNS, and to a health check, in one cell.
_QUESTIONS: Final = 10
#: How long a connection may take while things settle: a refusal arrives after 1.02 s
#: at the latest, and can be told from silence then.
_TELLING_SECONDS: Final = 1.3
#: Once a pair did not settle, how long the others of the same measurement get.
_SHORT_SECONDS: Final = 5.0


@dataclass
class Routing:
    """Sends on behalf of one test case and records what comes of it."""

    app: App
    recorder: Recorder
    limits: Limits
    _stopped: Event = field(default_factory=Event, init=False)
    _unsettled: Event = field(default_factory=Event, init=False)

    @property
    def profile(self) -> Profile:
        """What this cluster's data plane promises."""
        facts = self.app.cluster.facts
        return profile_of(facts.proxy_mode, knows_pod_network=facts.knows_pod_network)

    def probe(
        self, position: Position, target: Target, *, count: int, **plan: Any
    ) -> list[Observation]:
        """Make ``count`` connections now, record each, and promise nothing about them.

        Further arguments are those of :class:`~svcproof.ports.ProbePlan`.
        """
        return [
            self.recorder.observe(position, target, attempt)
            for attempt in self.attempts(position, target, count, **plan)
        ]

    def scale(self, replicas: int, *, deployment: str = "") -> None:
        """Change the number of replicas and wait for Pods and EndpointSlices to follow.

        A wait that runs out is recorded, and left to the checks: what is
        measured then is what the cluster made of the change.
        """
        self.change(
            "scaled",
            lambda: self.app.scale(replicas, deployment=deployment),
            replicas=replicas,
        )

    def patch(self, kind: str, name: str, changes: Mapping[str, Any]) -> None:
        """Change an object, as a step of the case that stands in the history."""
        self.recorder.event(Patched(object=f"{kind} {name}", changes=str(changes)))
        self.app.cluster.patch(kind, name, changes, namespace=self.app.namespace)

    def request(self, what: str, manifest: Mapping[str, Any], *, refused: str = "") -> None:
        """Apply one object that the API server must accept, or refuse in these words."""
        said = ""
        try:
            self.app.cluster.apply(of_run([manifest], self.app.run), namespace=self.app.namespace)
        except ApplyFailed as error:
            said = str(error)
        self.recorder.event(ApiAnswer(request=what, expected=refused, answer=said))

    def idle(self, seconds: float, *, why: str) -> None:
        """Do nothing for a while, because that is the experiment."""
        self.recorder.event(Idle(seconds=seconds, why=why))
        self._stopped.wait(seconds)

    def change(self, kind: str, act: Callable[[], object], **facts: Any) -> None:
        """Do something to the cluster between two events; a wait that runs out is recorded."""
        self.recorder.event(ChangeBegan(change=kind, facts=facts))
        started = time.monotonic()
        try:
            act()
        except WaitExpired as expired:
            self._record_expired(expired)
        else:
            seconds = round(time.monotonic() - started, 3)
            self.recorder.event(ChangeEnded(change=kind, seconds=seconds, facts=facts))

    def measure(
        self,
        pairs: Iterable[Pair],
        /,
        *,
        failing: Iterable[Pair] = (),
        count: int = 0,
        settle: bool = True,
        plan: Mapping[str, Any] | None = None,
        about_sources: bool = False,
        **asked: Any,
    ) -> History:
        """Let every pair settle, then measure all of them once, side by side.

        Who may answer follows from the rules and the EndpointSlices. That
        anybody must, or that connections must fail (``failing``), is what the
        case says: an app that vanished behind its back is a failure, not a
        promise of refusals. A failing pair's control is the first of ``pairs``
        with the same position.

        ``count`` connections for each pair that must answer, at least the sample
        that coverage needs. ``plan`` holds further fields of
        :class:`~svcproof.ports.ProbePlan`. ``asked`` are further fields of
        :class:`~svcproof.history.Expectation` for the pairs that must answer.
        ``about_sources``: the case is about what address the backends see.

        Raises :class:`~svcproof.errors.NotSupported` where the data plane promises
        nothing of what the case is about.
        """
        self._refuse_unpromised(choice=asked.get("choice") is True, sources=about_sources)
        answering, refused = list(pairs), list(failing)
        as_wanted = self._await_app()
        snapshot = as_wanted or self.app.snapshot()
        self._record_endpoints_of(answering + refused, snapshot)
        cells = [
            _Cell(pair, due, count, asked)
            for pair, due in self._promised(answering, partial(self._answered, snapshot))
        ]
        cells += [
            _Cell(pair, due, 0, {"control": _control(pair, answering)}, is_failing=True)
            for pair, due in self._promised(refused, partial(self._failed, snapshot))
        ]
        if as_wanted is not None and settle:
            self._for_all(cells, self._settle)
        self._for_all(cells, partial(self._measure, plan or {}))
        self._record_changed_promises(cells)
        return self.recorder.freeze()

    def measure_ending(
        self,
        pairs: Iterable[Pair],
        outcomes: tuple[Outcome, ...],
        rule: str,
        *,
        controls: Iterable[Pair],
    ) -> History:
        """Measure pairs that must end in one of these ways, whatever objects there are.

        ``controls`` must answer meanwhile, as the rules promise.
        """
        outcome, *also = outcomes
        due = Promise(outcome=outcome, also=tuple(also), rule=rule)
        answering = list(controls)
        snapshot = self.app.snapshot()
        cells = [_Cell(pair, self._answered(snapshot, pair), 0, {}) for pair in answering]
        cells += [_Cell(pair, due, 0, {"control": _control(pair, answering)}) for pair in pairs]
        self._for_all(cells, self._settle)
        self._for_all(cells, partial(self._measure, {}))
        return self.recorder.freeze()

    def settle(self, pairs: Iterable[Pair], *, await_app: bool = True) -> None:
        """Wait until every pair gives what the rules promise now; record how it went.

        ``await_app``: wait for the manifests' Pods and EndpointSlices first.
        """
        wanted = list(pairs)
        snapshot = self._await_app() if await_app else self.app.snapshot()
        if snapshot is not None:
            self._record_endpoints_of(wanted, snapshot)
            cells = [_Cell(pair, self.wanted(*pair, snapshot), 0, {}) for pair in wanted]
            self._for_all(cells, self._settle)

    def due(self, position: Position, target: Target, snapshot: Snapshot | None = None) -> Promise:
        """What the rules promise a pair, as the cluster is now."""
        facts = self.app.cluster.facts
        return promise(
            snapshot or self.app.snapshot(),
            position,
            target,
            run=self.recorder.run,
            profile=self.profile,
            cluster_domain=facts.cluster_domain,
            outside=facts.outside_names,
        )

    def wanted(self, position: Position, target: Target, snapshot: Snapshot) -> Promise:
        """What a case means that says no connection may fail: the promise, and that somebody is
        there. Where only a policy leaves nobody, what is promised stands."""
        due = self.due(position, target, snapshot)
        listed = any(item.endpoints for item in snapshot.slices_of(target.service))
        return due if listed or due.answers is not None else _SOMEBODY

    def converge(
        self, position: Position, target: Target, due: Promise, *, pinned: bool = False
    ) -> None:
        """Wait until the pair gives what is due, so many times in a row; record how it went.

        ``pinned``: all from one backend.
        """
        length = self._streak_length(due)
        streak = Streak(due, length, pinned=pinned, own_pod=position.pod)
        started = time.monotonic()
        limit = self.limits.convergence
        if self._unsettled.is_set():
            limit = min(limit, _SHORT_SECONDS)
        last_state = ""
        try:
            wait_for(
                f"{position} → {target} to settle",
                lambda: self._extend(streak, position, target),
                limit=limit,
            )
        except WaitExpired as expired:
            last_state = expired.last_state
            self._unsettled.set()
        if self._stopped.is_set():
            return  # another pair failed, or Ctrl-C: nobody knows whether it would have settled
        seen: dict[str, Any] = {
            "position": position.name,
            "target": target.name,
            "seconds": round(time.monotonic() - started, 3),
            "attempts": streak.attempts,
            "streak": streak.length,
            "limit_seconds": round(limit, 1),
        }
        if last_state:
            self.recorder.event(NotConverged(**seen, last_state=last_state))
        else:
            self.recorder.event(Converged(**seen))

    @contextmanager
    def steady(self, pairs: Iterable[Pair], *, rate: float) -> Iterator[Load]:
        """Connections at a steady rate (a second, for each pair) while the block runs."""
        load = Load(self, list(pairs), rate=rate)
        with load:
            yield load

    def attempts(
        self, position: Position, target: Target, count: int, **plan: Any
    ) -> Generator[Attempt, None, None]:
        """Attempts as they end, unrecorded."""
        defaults: dict[str, Any] = {
            "protocol": target.protocol,
            "family": target.family,
            "connect_timeout": self.limits.connect,
            "attempt_timeout": self.limits.attempt,
            "query": target.query,
            "dialect": "healthz" if target.form == "health-check" else "echo",
        }
        wanted = ProbePlan(host=target.host, port=target.port, count=count, **(defaults | plan))
        with closing(self.app.cluster.probe(position, wanted)) as attempts:
            for attempt in attempts:
                if self._stopped.is_set():
                    return
                yield attempt

    def _for_all(self, cells: Sequence[_Cell], act: Callable[[_Cell], None]) -> None:
        """Treat the cells side by side; what one raises, and Ctrl-C, stops the others."""
        waiting = [cell for cell in cells if cell.must_fail]
        working = [cell for cell in cells if not cell.must_fail]
        with (
            ThreadPoolExecutor(_PARALLEL, thread_name_prefix="svcproof-probe") as probing,
            ThreadPoolExecutor(_WAITING, thread_name_prefix="svcproof-wait") as idling,
        ):
            futures = [idling.submit(act, cell) for cell in waiting]
            futures += [probing.submit(act, cell) for cell in working]
            try:
                for future in futures:
                    future.result()
            except BaseException:
                self._stopped.set()
                for pool in (probing, idling):
                    pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _await_app(self) -> Snapshot | None:
        """The cluster once the app is what its manifests say; None if it never is."""
        try:
            return self.app.wait_ready(limit=self.limits.convergence)
        except WaitExpired as expired:
            self._record_expired(expired)
            return None

    def _record_expired(self, expired: WaitExpired) -> None:
        self.recorder.event(
            NotConverged(
                position="API server",
                target=expired.waited_for,
                limit_seconds=expired.limit,
                last_state=expired.last_state,
                remedy=expired.remedy,
            )
        )

    def _refuse_unpromised(self, *, choice: bool, sources: bool) -> None:
        profile = self.profile
        for is_asked, is_told, what in (
            (choice, bool(profile.choice), "how it chooses among backends"),
            (sources, profile.tells_sources, "which address a backend sees"),
        ):
            if is_asked and not is_told:
                raise NotSupported(
                    f"{profile.name} promises nothing about {what}",
                    remedy="if it is known, say which data plane it is: --svc-data-plane NAME",
                )

    def _promised(
        self, pairs: Sequence[Pair], promised: Callable[[Pair], Promise]
    ) -> Iterator[tuple[Pair, Promise]]:
        """The pairs that something is promised; the others stand in the history.

        Raises :class:`~svcproof.errors.NotSupported` where none of them is.
        """
        unpromised: list[NotSupported] = []
        for pair in pairs:
            try:
                yield pair, promised(pair)
            except NotSupported as error:
                position, target = (place.name for place in pair)
                self.recorder.event(
                    NotPromised(position=position, target=target, reason=error.what)
                )
                unpromised.append(error)
        if unpromised and len(unpromised) == len(pairs):
            raise unpromised[0]

    def _answered(self, snapshot: Snapshot, pair: Pair) -> Promise:
        due = self.due(*pair, snapshot)
        if due.outcome is Outcome.ANSWERED or due.answers is not None:
            return due
        return _SOMEBODY

    def _failed(self, snapshot: Snapshot, pair: Pair) -> Promise:
        due = self.due(*pair, snapshot)
        if due.outcome is not Outcome.ANSWERED:
            return due
        outcome, *also = self.profile.no_endpoint
        return Promise(
            outcome=outcome, also=tuple(also), rule="the case says that nobody may answer"
        )

    def _streak_length(self, due: Promise) -> int:
        if due.outcome is Outcome.ANSWERED and due.answers is None:
            return self.limits.convergence_streak
        return min(self.limits.convergence_streak, 3)

    def _extend(self, streak: Streak, position: Position, target: Target) -> str:
        plan = self._pace(streak.due)
        if not target.query:
            plan["source_ports"] = _settling_ports(position, target, streak.batch)
        # No evidence yet: who waits longer for a Pod that is gone only learns of it later.
        plan["connect_timeout"] = min(self.limits.silence, _TELLING_SECONDS)
        with closing(self.attempts(position, target, streak.batch, **plan)) as attempts:
            for attempt in attempts:
                lacking = streak.add(attempt)
                if streak.broken:
                    return lacking
        # Another pair failed, or Ctrl-C: nobody waits for this one any more.
        return "" if self._stopped.is_set() else streak.lacking

    def _settle(self, cell: _Cell) -> None:
        self.converge(*cell.pair, cell.due, pinned=cell.pinned)

    def _measure(self, plan: Mapping[str, Any], cell: _Cell) -> None:
        due = cell.due
        size = max(cell.count, _fewest(due))
        position, target = cell.pair
        asked = self._asked(cell)
        promise = structs.replace(due, cover=asked.pop("cover", due.cover))
        self.recorder.expect(position, target, promise, minimum=size, **asked)
        self.probe(position, target, count=size, **{**self._pace(due), **plan})

    def _asked(self, cell: _Cell) -> dict[str, Any]:
        asked = dict(cell.asked)
        if asked.get("choice") is True:
            asked["choice"] = self.profile.choice
        return asked

    def _pace(self, due: Promise) -> dict[str, Any]:
        """Refusals one at a time where nodes limit them: of several at once, six are sent and
        then one a second, which leaves some to time out, and that they do not. Silence has no
        such limit: it is waited for at once, just above the time of a late refusal."""
        if due.outcome is Outcome.ANSWERED or due.answers is not None:
            return {}
        if due.outcome is Outcome.TIMED_OUT:
            return {"concurrency": failure_size(), "connect_timeout": self.limits.silence}
        return {"concurrency": 1 if self.app.cluster.facts.limits_refusals else failure_size()}

    def _record_changed_promises(self, cells: Sequence[_Cell]) -> None:
        """Where something looks wrong: was the promise that it was judged by still in force?"""
        if judge(self.recorder.freeze()).status is not Status.FAIL:
            return
        try:
            snapshot = self.app.snapshot()
        except (ClusterProblem, EnvironmentProblem) as error:
            # What was seen is judged all the same, by the promise that is known.
            self.recorder.event(PromiseNotSeenAgain(reason=error.what))
            return
        for cell in cells:
            position, target = cell.pair
            before, after = cell.due.summary, self._again(cell, snapshot).summary
            if before != after:
                self.recorder.event(
                    PromiseChanged(
                        position=position.name,
                        target=target.name,
                        before=before,
                        after=after,
                    )
                )

    def _again(self, cell: _Cell, snapshot: Snapshot) -> Promise:
        promised = self._failed if cell.is_failing else self._answered
        try:
            return promised(snapshot, cell.pair)
        except NotSupported:
            return cell.due

    def _record_endpoints_of(self, pairs: Sequence[Pair], snapshot: Snapshot) -> None:
        self.record_endpoints(snapshot, {target.service for _, target in pairs})

    def record_endpoints(self, snapshot: Snapshot, services: Iterable[str]) -> None:
        """Both lists of each Service with a selector: what is listed, and what is due."""
        for name in sorted(services):
            service = snapshot.service(name) if name else None
            if service is not None and service.selector:
                listed, ready = endpoint_lists(snapshot, service)
                self.recorder.event(
                    EndpointsSeen(service=name, listed=tuple(listed), ready=tuple(ready))
                )


@dataclass(frozen=True)
class _Cell:
    """A pair to be measured, what is due, and what else is asked about it."""

    pair: Pair
    due: Promise
    count: int
    asked: Mapping[str, Any]
    is_failing: bool = False  #: the case says that nobody may answer

    @property
    def must_fail(self) -> bool:
        """Whether nobody may answer: most of its time is waiting then."""
        return self.due.outcome is not Outcome.ANSWERED

    @property
    def pinned(self) -> bool:
        """Whether one backend has to answer all, fresh connections as well."""
        sticky = self.due.affinity_ms > 0
        return sticky and self.asked.get("affinity") in ("pin", "keep")


def _settling_ports(position: Position, target: Target, count: int) -> tuple[int, int]:
    """Ports that this pair has not used for long, and that no measurement will use.

    A connection that failed while things settled leaves its port pinned to a Pod
    that is gone (docs/decisions/0012): the measurement must not run into it.
    """
    low, high = _SETTLING_PORTS
    with _PORTS_LOCK:
        first = _NEXT_PORT.get((position.name, target.host, target.port), low)
        if first + count > high:
            first = low
        _NEXT_PORT[position.name, target.host, target.port] = first + count
    return first, first + count - 1


#: Instead of the refusals that the rules promise where nobody is.
_SOMEBODY: Final = Promise(outcome=Outcome.ANSWERED, rule="the case says that the app is there")


def _fewest(due: Promise) -> int:
    if due.answers is not None:
        return _QUESTIONS
    return sample_size(len(due.allowed)) if due.outcome is Outcome.ANSWERED else failure_size()


def _control(pair: Pair, answering: Sequence[Pair]) -> str:
    """The first that the same client reaches, in the same family if there is one."""
    position, target = pair
    reached = [other for client, other in answering if client == position]
    same = [other for other in reached if other.family == target.family]
    return next((other.name for other in same + reached), "")
