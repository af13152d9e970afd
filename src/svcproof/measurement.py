"""The life of one measurement, from the question to the history.

Before a pair of position and target is measured it must have settled. The measurement
itself is made once and never repeated: a result that is retried until it pleases has no
error rate. Nothing is judged here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from svcproof.asking import Ask, Asked, Pair
from svcproof.barrier import twins
from svcproof.context import Context
from svcproof.errors import ClusterProblem, EnvironmentProblem, NotSupported, WaitExpired
from svcproof.events import (
    EndpointsSeen,
    NotConverged,
    NotSoFar,
    PromiseChanged,
    PromiseNotSeenAgain,
    ServiceAdmitted,
    ServiceChanged,
    SettledLate,
)
from svcproof.expect import endpoint_lists
from svcproof.history import History, Outcome
from svcproof.pacing import concurrency_of, size_of
from svcproof.probing import attempts, plan_of
from svcproof.promising import ask_pairs, promised_again, refuse_unpromised, wanted
from svcproof.settling import Settled, has_settled, settle_all
from svcproof.snapshot import Snapshot

__all__ = ["await_app", "measure", "record_endpoints", "record_services", "settle_pairs"]


def measure(ask: Ask, context: Context) -> History:
    """Let every pair settle, measure all of them once, side by side, and look again.

    Raises :class:`~svcproof.errors.NotSupported` where the data plane promises
    nothing of what is asked.
    """
    app, recorder = context.app, context.recorder
    refuse_unpromised(ask, app)
    ready = await_app(context) if ask.ending is None else app.snapshot()
    snapshot = ready or app.snapshot()
    services = [target.service for _, target in (*ask.pairs, *ask.failing)]
    record_admission(services, snapshot, context)
    record_services(services, snapshot, context)
    record_endpoints(services, snapshot, context)
    asked = ask_pairs(ask, app, snapshot, recorder)
    if ask.affinity in ("pin", "each") and ask.settle and ready is not None:
        # Nobody asked for the twin: that its rules take a while is no news.
        limits = replace(context.limits, notice=context.limits.convergence)
        for twin, pairs in twins(ask.pairs, context):
            settle_pairs(pairs, replace(context, app=twin, limits=limits), awaits_app=False)
    settled = [Settled(each) for each in asked]
    if ask.settle:
        settled = settle_all(asked, context, is_ready=ready is not None)
    _measure_all(settled, context)
    _look_again(settled, context, unready=services if ready is None else ())
    return recorder.freeze()


def settle_pairs(pairs: Sequence[Pair], context: Context, *, awaits_app: bool = True) -> list[Pair]:
    """Wait until every pair gives what the rules promise now; record how it went.

    ``awaits_app``: wait for the manifests' Pods and EndpointSlices first. Returns the pairs
    that settled: all of them where the app never got ready, since nothing was waited for.
    """
    snapshot = await_app(context) if awaits_app else context.app.snapshot()
    if snapshot is None:
        return list(pairs)
    services = [target.service for _, target in pairs]
    record_admission(services, snapshot, context)
    record_services(services, snapshot, context)
    record_endpoints(services, snapshot, context)
    ask = Ask(pairs=tuple(pairs))
    asked = [
        Asked(
            position=position,
            target=target,
            promise=wanted(context.app, position, target, snapshot),
            ask=ask,
        )
        for position, target in pairs
    ]
    settled = settle_all(asked, context)
    return [(each.asked.position, each.asked.target) for each in settled if each.in_time]


def await_app(context: Context) -> Snapshot | None:
    """The cluster once the app is what its manifests say; None if it never is, as recorded."""
    app, recorder = context.app, context.recorder
    try:
        return app.wait_ready(limit=context.limits.notice)
    except WaitExpired as soon:
        expired = soon
    if not expired.is_known:
        recorder.event(
            NotSoFar(
                position="API server",
                target=expired.waited_for,
                seconds=expired.limit,
                last_state=expired.last_state,
            )
        )
        try:
            return app.wait_ready()
        except WaitExpired as late:
            expired = late
    recorder.event(not_converged(expired))
    return None


def not_converged(expired: WaitExpired) -> NotConverged:
    """A wait for objects that ran out, as an event."""
    return NotConverged(
        position="API server",
        target=expired.waited_for,
        limit_seconds=expired.limit,
        last_state=expired.last_state,
        remedy=expired.remedy,
    )


def record_admission(names: Iterable[str], snapshot: Snapshot, context: Context) -> None:
    """What of each Service was stored otherwise than it was asked for, once.

    Promises follow what is stored: what a manifest leaves open may be anything. But what it says
    is what the case is about.

    Raises :class:`~svcproof.errors.NotSupported` where that is not what is stored.
    """
    known = [each for each in context.recorder.freeze().events if isinstance(each, ServiceAdmitted)]
    is_known = {(each.service, each.field, each.seen) for each in known}
    for name in dict.fromkeys(names):
        for each in context.app.admitted(name, snapshot):
            if not each.is_default:
                raise NotSupported(
                    f"the API server has made something else of Service {name}: {each}",
                    remedy="see whether its version knows the field, and which admission policy "
                    "or webhook changes it",
                    is_prevented=True,
                )
            if (name, each.field, each.seen) not in is_known:
                context.recorder.event(
                    ServiceAdmitted(
                        service=name, field=each.field, wanted=each.wanted, seen=each.seen
                    )
                )


def record_services(names: Iterable[str], snapshot: Snapshot, context: Context) -> None:
    """What of each Service is not as the run left it."""
    asked = set(names)
    for name, each in context.app.drifts(snapshot):
        if name in asked:
            context.recorder.event(
                ServiceChanged(service=name, field=each.field, wanted=each.wanted, seen=each.seen)
            )


def record_endpoints(services: Iterable[str], snapshot: Snapshot, context: Context) -> None:
    """Both lists of each Service with a selector: what is listed, and which Pods are ready."""
    names = set(services)
    for service in snapshot.services:
        if service.name in names and service.selector:
            listed, ready = endpoint_lists(snapshot, service)
            context.recorder.event(
                EndpointsSeen(service=service.name, listed=tuple(listed), ready=tuple(ready))
            )


def _measure_all(settled: Sequence[Settled], context: Context) -> None:
    """Those that must fail beside their controls, and what hangs beside what answers."""
    waits = any(each.asked.waits or each.hangs or not each.in_time for each in settled)
    pool = context.workers.waiting if waits else context.workers.busy
    context.results([pool.submit(_measure_pair, each, context) for each in settled])


def _measure_pair(settled: Settled, context: Context) -> None:
    """Open the pair's cell with what is promised, and record every connection."""
    asked, limits, recorder = settled.asked, context.limits, context.recorder
    ask, promise, size = asked.ask, asked.promise, size_of(asked)
    is_datagram = asked.target.protocol == "udp" and not asked.target.query
    recorder.expect(
        asked.position,
        asked.target,
        promise,
        minimum=size,
        choice=context.app.profile.choice if ask.choice else "",
        affinity="" if asked.is_failing else ask.affinity,
        control=asked.control,
        outage_ms=None if asked.is_failing else ask.outage_ms,
        payload=ask.payload,
    )
    plan = plan_of(
        asked.target,
        size,
        limits,
        concurrency=concurrency_of(asked, context.app.cluster.facts, size, hangs=settled.hangs),
        rate=ask.rate,
        connect_timeout=limits.silence if promise.outcome is Outcome.TIMED_OUT else 0.0,
        attempt_timeout=limits.silence if asked.waits and is_datagram else 0.0,
        keep_alive=ask.keep_alive,
        payload=ask.payload,
    )
    for attempt in attempts(context, asked.position, plan):
        recorder.observe(asked.position, asked.target, attempt)


def _look_again(settled: Sequence[Settled], context: Context, *, unready: Sequence[str]) -> None:
    """Was the promise still in force when the last connection ended, and does a pair that was
    not waited for to the end give what is promised now? ``unready`` are
    Services whose EndpointSlices may not have been right."""
    try:
        snapshot = context.app.snapshot()
    except (ClusterProblem, EnvironmentProblem) as error:
        # What was seen is judged all the same, by the promise that is known.
        context.recorder.event(PromiseNotSeenAgain(reason=error.what))
        return
    record_services([each.asked.target.service for each in settled], snapshot, context)
    record_endpoints(unready, snapshot, context)
    for each in settled:
        asked = each.asked
        before = asked.promise.summary
        after = promised_again(asked, context.app, snapshot).summary
        if before != after:
            context.recorder.event(
                PromiseChanged(
                    position=asked.position.name,
                    target=asked.target.name,
                    before=before,
                    after=after,
                )
            )
    given_up = [
        each.asked for each in settled if not each.in_time and not context.knows(each.asked)
    ]
    late = [context.workers.waiting.submit(has_settled, asked, context) for asked in given_up]
    for asked, is_right in zip(given_up, context.results(late), strict=True):
        if is_right:
            context.recorder.event(
                SettledLate(position=asked.position.name, target=asked.target.name)
            )
