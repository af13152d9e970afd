"""Changing the cluster as a step of a case: what was done, and how long it took, is recorded."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from svcproof.context import Context
from svcproof.errors import ApplyFailed, WaitExpired
from svcproof.events import ApiAnswer, ChangeBegan, ChangeEnded, Deleted, Fact, Idle, Patched
from svcproof.measurement import not_converged

__all__ = ["change", "delete", "idle", "patch", "request", "roll_out", "scale"]


@contextmanager
def change(context: Context, what: str, facts: Mapping[str, Fact]) -> Iterator[None]:
    """The block changes the cluster and waits until objects have followed.

    A wait that runs out is recorded, and left to the checks: what is measured then is
    what the cluster made of the change.
    """
    context.recorder.event(ChangeBegan(change=what, facts=dict(facts)))
    began = time.monotonic()
    try:
        yield
    except WaitExpired as expired:
        context.recorder.event(not_converged(expired))
    else:
        seconds = round(time.monotonic() - began, 3)
        context.recorder.event(ChangeEnded(change=what, seconds=seconds, facts=dict(facts)))


def scale(context: Context, replicas: int, deployment: str) -> None:
    """Change the number of replicas and wait for Pods and EndpointSlices to follow."""
    with change(context, "scaled", {"replicas": replicas}):
        context.app.scale(replicas, deployment=deployment)


def roll_out(context: Context, deployment: str) -> None:
    """Replace all Pods by new ones and wait for Pods and EndpointSlices to follow."""
    with change(context, "rolled-out", {}):
        context.app.roll_out(deployment=deployment)


def patch(context: Context, kind: str, name: str, changes: Mapping[str, Any]) -> None:
    """Change fields of an object (JSON merge patch)."""
    context.recorder.event(Patched(object=f"{kind} {name}", changes=str(changes)))
    context.app.patch(kind, name, changes)


def delete(context: Context, kind: str, name: str) -> None:
    """Delete an object; one that is not there is no error."""
    context.app.delete(kind, name)
    context.recorder.event(Deleted(object=f"{kind} {name}"))


def request(context: Context, what: str, manifest: Mapping[str, Any], refused: str) -> bool:
    """Apply one object that the API server must accept, or refuse in these words.

    Returns whether it was accepted.
    """
    answer = ""
    try:
        context.app.add(manifest)
    except ApplyFailed as error:
        answer = str(error)
    context.recorder.event(ApiAnswer(request=what, expected=refused, answer=answer))
    return not answer


def idle(context: Context, seconds: float, why: str) -> None:
    """Do nothing for a while, because that is the experiment."""
    context.recorder.event(Idle(seconds=seconds, why=why))
    context.stopped.wait(seconds)
