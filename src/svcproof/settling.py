"""Waiting until a pair gives what is promised, steadily: so many times in a row, by every backend.

That sample is thrown away, only how long it took is recorded.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any, Final

from svcproof.asking import Asked
from svcproof.context import Context, turn
from svcproof.errors import ClusterProblem, EnvironmentProblem
from svcproof.events import Converged, NotConverged, NotSoFar
from svcproof.history import Outcome
from svcproof.pacing import concurrency_of
from svcproof.patience import way_of
from svcproof.probing import attempts, plan_of
from svcproof.streak import Streak

__all__ = ["Settled", "has_settled", "settle", "settle_all"]

#: Source ports for settling: the kernel chooses higher ones, steady traffic takes lower.
_PORTS: Final = (20_000, 29_999)
_NEXT_PORT: Final[dict[tuple[str, str, int], int]] = {}
_PORTS_LOCK: Final = Lock()
#: How long a connection may take while things settle: a refusal arrives after 1.02 s
#: at the latest, and can be told from silence then. No evidence yet: who waits longer for
#: a Pod that is gone only learns of it later.
_CONNECT_SECONDS: Final = 1.3
#: A name, which the cluster's DNS answers in milliseconds, or the resolver asks again.
_ANSWER_SECONDS: Final = 2.0
#: Between two looks: at first, by how much more each time, and at most. What does not
#: settle soon must not take the processors from what is measured.
_INTERVAL_SECONDS: Final = 0.1
_SLOWER: Final = 1.5
_LONGEST_INTERVAL_SECONDS: Final = 1.0
#: Longest wait for one of those turns that keep the processors from being overrun.
_TURN_SECONDS: Final = 0.5
#: Enough in a row where every answer is the same, or none may come.
_SHORT_STREAK: Final = 3
#: The flows of a client that keeps its port follow the rules within 0.2 to 3 s (measured).
_FLOW_SECONDS: Final = 6.0


@dataclass(frozen=True, slots=True)
class Settled:
    """How a wait ended. ``hangs``: connections are waited for, as where packets are lost."""

    asked: Asked
    in_time: bool = True
    hangs: bool = False


def settle_all(asked: Sequence[Asked], context: Context, *, is_ready: bool = True) -> list[Settled]:
    """Wait for all of them side by side; how each wait ended. What does not even have its Pods
    and EndpointSlices (not ``is_ready``), after a wait in vain, is only looked at."""
    futures = [context.workers.waiting.submit(settle, each, context, is_ready) for each in asked]
    return context.results(futures)


def settle(asked: Asked, context: Context, is_ready: bool) -> Settled:
    """Wait until the pair gives what is promised; record how it went.

    How long it is waited for is decided anew while it lasts: the run may find out
    meanwhile that others take long as well.
    """
    way, service = way_of(asked.position, asked.target), asked.target.service
    streak = _streak_of(asked, context)
    began, is_noticed, interval = 0.0, False, _INTERVAL_SECONDS
    while True:
        # Where connections hang it costs nothing to wait for more of them.
        with turn(context.workers.settling, 0.0 if streak.hangs else _TURN_SECONDS):
            began = began or time.monotonic()
            missing = _extend(streak, asked, context)
        seconds = time.monotonic() - began
        gone = _gone(asked, context) if missing and streak.is_lost else ""
        limit = context.patience.seconds(way, service, context.limits, is_stale=streak.is_stale)
        limit = min(max(limit, asked.ask.within), _least(asked, context, is_ready=is_ready))
        if context.stopped.is_set():
            return Settled(asked)  # nobody knows whether it would have settled
        if not missing or seconds >= limit or gone:
            break
        if not is_noticed and seconds >= context.limits.notice:
            is_noticed = True
            context.recorder.event(
                NotSoFar(
                    position=asked.position.name,
                    target=asked.target.name,
                    seconds=round(seconds, 3),
                    last_state=missing,
                )
            )
        context.stopped.wait(interval)
        interval = min(interval * _SLOWER, _LONGEST_INTERVAL_SECONDS)
    how: dict[str, Any] = {
        "position": asked.position.name,
        "target": asked.target.name,
        "seconds": round(seconds, 3),
        "attempts": streak.attempts,
        "streak": streak.length,
        "limit_seconds": round(limit, 1),
    }
    if not missing:
        answered = asked.promise.outcome is Outcome.ANSWERED
        context.patience.settled(way, service, seconds, is_answered=answered)
        context.recorder.event(Converged(**how))
        return Settled(asked, hangs=streak.hangs)
    if streak.is_lost:  # of the way nothing is known
        remedy = (
            "look at the client and its node: kubectl -n "
            f"{asked.position.namespace} get pods,events; kubectl describe node "
            f"{asked.position.node}"
        )
        how |= {"remedy": remedy} if asked.position.pod else {}
        how |= {"limit_seconds": how["seconds"]} if gone else {}
        context.recorder.event(NotConverged(**how, last_state=gone or missing))
        return Settled(asked, in_time=False)
    if not context.knows(asked):
        context.patience.gave_up(way, service, seconds)
    context.recorder.event(NotConverged(**how, last_state=missing))
    # A refusal can take a second, too; where nodes limit them, more at once would be silence.
    refused = not context.app.cluster.facts.limits_refusals
    return Settled(asked, in_time=False, hangs=streak.hangs or refused)


def _least(asked: Asked, context: Context, *, is_ready: bool) -> float:
    """Seconds after which nothing is waited for any longer, whatever the run's patience is.

    A flow is forgotten with the change of the rules, or it is not (pkg/proxy/conntrack). What
    is known not to settle is measured soon.
    """
    if not is_ready or context.knows(asked):
        return context.limits.recheck
    return _FLOW_SECONDS if asked.target.source_port else math.inf


def _gone(asked: Asked, context: Context) -> str:
    """That the client is no longer there, in words; "" if it is, or if nobody knows."""
    position = asked.position
    if not position.pod:
        return ""
    try:
        snapshot = context.app.cluster.snapshot(position.namespace)
    except (ClusterProblem, EnvironmentProblem):
        return ""
    if any(pod.name == position.pod and not pod.terminating for pod in snapshot.pods):
        return ""
    node = snapshot.node(position.node)
    left = "" if node else ", and the node has left the cluster"
    unready = ", and the node is not Ready" if node and not node.ready else ""
    return f"the client is gone: Pod {position.pod} on {position.node}{left}{unready}"


def has_settled(asked: Asked, context: Context) -> bool:
    """One look, after a wait that was given up: whether the pair gives what is promised now.

    By as many in a row as anything else has to give: one lucky answer is none.
    """
    streak = replace(_streak_of(asked, context), length=context.limits.convergence_streak)
    right = not _extend(streak, asked, context) and not context.stopped.is_set()
    if right and asked.promise.outcome is Outcome.ANSWERED:
        way = way_of(asked.position, asked.target)
        context.patience.healed(way, asked.target.service)
    return right


def _streak_of(asked: Asked, context: Context) -> Streak:
    promise, length = asked.promise, context.limits.convergence_streak
    if promise.outcome is not Outcome.ANSWERED or promise.answers is not None:
        length = min(length, _SHORT_STREAK)
    return Streak(promise, length, pinned=asked.is_pinned, own_pod=asked.position.pod)


def _extend(streak: Streak, asked: Asked, context: Context) -> str:
    """Make a batch of attempts, up to the first that is wrong; what is missing then."""
    position, target, limits = asked.position, asked.target, context.limits
    plan = plan_of(
        target,
        streak.batch,
        limits,
        concurrency=concurrency_of(asked, context.app.cluster.facts, streak.batch),
        connect_timeout=min(limits.silence, _CONNECT_SECONDS),
        attempt_timeout=min(limits.attempt, _ANSWER_SECONDS),
        source_ports=None if target.query else _unused_ports(asked, streak.batch),
        payload=asked.ask.payload,
    )
    for attempt in attempts(context, position, plan):
        missing = streak.add(attempt)
        if streak.broken:
            return missing
    return streak.missing


def _unused_ports(asked: Asked, count: int) -> tuple[int, int]:
    """Ports that this pair has not used for long, and that no measurement will use.

    A connection that failed while things settled leaves its port pinned to a Pod
    that is gone (docs/decisions/0012): the measurement must not run into it.
    """
    low, high = _PORTS
    pair = (asked.position.name, asked.target.host, asked.target.port)
    with _PORTS_LOCK:
        first = _NEXT_PORT.get(pair, low)
        if first + count > high:
            first = low
        _NEXT_PORT[pair] = first + count
    return first, first + count - 1
