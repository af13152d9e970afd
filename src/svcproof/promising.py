"""What each pair of a question is promised, as the cluster is at one moment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from svcproof.app import App
from svcproof.asking import Ask, Asked, Pair
from svcproof.errors import NotSupported
from svcproof.events import NotPromised
from svcproof.expect import Promise, promise
from svcproof.history import Outcome, Position, Target
from svcproof.recorder import Recorder
from svcproof.snapshot import Snapshot

__all__ = ["ask_pairs", "promise_of", "refuse_unpromised", "wanted"]

#: With them a Service need not answer, although there are backends.
_LOCAL: Final = ("spec.internalTrafficPolicy", "spec.externalTrafficPolicy")
#: Instead of the refusals that the rules promise where no backend is.
_ANY_BACKEND: Final = Promise(outcome=Outcome.ANSWERED, rule="the case says that the app is there")


def promise_of(app: App, position: Position, target: Target, snapshot: Snapshot) -> Promise:
    """What the rules promise a pair.

    Raises :class:`~svcproof.errors.NotSupported` where they promise nothing.
    """
    facts = app.cluster.facts
    return promise(
        snapshot,
        position,
        target,
        run=app.run,
        profile=app.profile,
        cluster_domain=facts.cluster_domain,
        outside=facts.outside_names,
    )


def wanted(app: App, position: Position, target: Target, snapshot: Snapshot) -> Promise:
    """What a case means that says no connection may fail: the promise, and that a backend is
    there. Where only a policy leaves none, what is promised stands."""
    promised = promise_of(app, position, target, snapshot)
    listed = any(item.endpoints for item in snapshot.slices_of(target.service))
    return promised if listed or promised.answers is not None else _ANY_BACKEND


def ask_pairs(ask: Ask, app: App, snapshot: Snapshot, recorder: Recorder) -> list[Asked]:
    """Every pair of the question that something is promised; the others stand in the history.

    Who may answer follows from the rules. That any backend must, or that connections
    must fail, is what the case says: an app that vanished behind its back is a failure,
    not a promise of refusals.

    Raises :class:`~svcproof.errors.NotSupported` where nothing is promised to any of the
    pairs that must be answered, or to any that must fail.
    """
    asked: list[Asked] = []
    for pairs, is_failing in ((ask.pairs, False), (ask.failing, True)):
        unpromised: list[NotSupported] = []
        for position, target in pairs:
            try:
                promised = _promise(ask, app, position, target, snapshot, is_failing=is_failing)
            except NotSupported as error:
                recorder.event(
                    NotPromised(position=position.name, target=target.name, reason=error.what)
                )
                unpromised.append(error)
                continue
            asked.append(
                Asked(
                    position=position,
                    target=target,
                    promise=promised,
                    ask=ask,
                    control=_control(position, target, ask.pairs) if is_failing else "",
                    is_failing=is_failing,
                )
            )
        if unpromised and len(unpromised) == len(pairs):
            raise unpromised[0]
    return asked


def promised_again(asked: Asked, app: App, snapshot: Snapshot) -> Promise:
    """The promise of the same pair as the cluster is now."""
    try:
        return _promise(
            asked.ask, app, asked.position, asked.target, snapshot, is_failing=asked.is_failing
        )
    except NotSupported:
        return asked.promise


def refuse_unpromised(ask: Ask, app: App) -> None:
    """Raise :class:`~svcproof.errors.NotSupported` where the data plane promises nothing of
    what the question is about."""
    profile = app.profile
    for is_asked, is_promised, what in (
        (ask.choice, bool(profile.choice), "how it chooses among backends"),
        (ask.about_sources, profile.tells_sources, "which address a backend sees"),
    ):
        if is_asked and not is_promised:
            raise NotSupported(
                f"{profile.name} promises nothing about {what}",
                remedy="if it is known, say which data plane it is: --svc-data-plane NAME",
            )


def _promise(
    ask: Ask, app: App, position: Position, target: Target, snapshot: Snapshot, *, is_failing: bool
) -> Promise:
    if is_failing and ask.ending is not None:
        return ask.ending
    promised = promise_of(app, position, target, snapshot)
    is_answered = promised.outcome is Outcome.ANSWERED
    if is_failing and not is_answered:
        return promised
    if is_failing:
        _refuse_admitted(app, position, target, snapshot)
        return _refusal(app)
    if not is_answered and promised.answers is None:
        _refuse_admitted(app, position, target, snapshot, *_LOCAL)
        promised = _ANY_BACKEND
    if ask.about_sources and not (promised.sources or promised.not_sources):
        raise NotSupported(
            f"{position} to {target}: which address a backend sees is not promised there"
        )
    if ask.choice or ask.affinity:
        _refuse_lone(ask, app, target, snapshot, promised)
    return promised if ask.cover else msgspec.structs.replace(promised, cover=False)


def _refuse_lone(ask: Ask, app: App, target: Target, snapshot: Snapshot, promised: Promise) -> None:
    """Raise :class:`~svcproof.errors.NotSupported` where no backend is chosen for each fresh
    connection, nor kept: with session affinity, or where a policy leaves one."""
    admitted = [str(each) for each in app.admitted(target.service, snapshot)]
    is_sticky = ask.choice and promised.affinity_ms
    if is_sticky or (admitted and len(promised.allowed) == 1):
        why = "session affinity" if is_sticky else "one backend for each client"
        told = f" ({'; '.join(admitted)})" if admitted else ""
        raise NotSupported(
            f"Service {target.service} has {why}{told}: nothing is chosen",
            remedy="see which admission policy or webhook changes it"
            if admitted
            else "ask for shares of a Service without it",
            is_prevented=bool(admitted),
        )


def _refuse_admitted(
    app: App, position: Position, target: Target, snapshot: Snapshot, *fields: str
) -> None:
    """Raise :class:`~svcproof.errors.NotSupported` where what the case says of a pair does not
    follow from what was stored of its Service, because of ``fields`` that nobody has asked for."""
    listed = any(
        endpoint.ready for item in snapshot.slices_of(target.service) for endpoint in item.endpoints
    )
    changed = [
        str(each)
        for each in app.admitted(target.service, snapshot)
        if not fields or each.field in fields
    ]
    if listed and changed:
        raise NotSupported(
            f"{position} to {target}: when Service {target.service} was stored, something else "
            f"was made of it, and who answers follows from that: {'; '.join(changed)}",
            remedy="see which admission policy or webhook changes it",
            is_prevented=True,
        )


def _refusal(app: App) -> Promise:
    outcome, *also = app.profile.no_endpoint
    return Promise(
        outcome=outcome, also=tuple(also), rule="the case says that no backend may answer"
    )


def _control(position: Position, target: Target, answering: Sequence[Pair]) -> str:
    """The first that the same client reaches, in the same family if there is one."""
    reached = [other for client, other in answering if client == position]
    same = [other for other in reached if other.family == target.family]
    return next((other.name for other in same + reached), "")
