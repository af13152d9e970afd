"""What a fault is, and planting one so that it is always taken away again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Literal

from svcproof.battery.topics import Topic
from svcproof.errors import HealFailed, NotSupported
from svcproof.events import FaultHealed, FaultInjected
from svcproof.faults.scene import Scene
from svcproof.ports import CanFreezeComponents, CanRunInNodes, CanStopNodes

__all__ = ["Fault", "Undo", "planted", "unsupported"]

_POWER_WORDS: Final[Mapping[type, str]] = {
    CanRunInNodes: "run commands in its nodes",
    CanFreezeComponents: "freeze components",
    CanStopNodes: "stop nodes",
}


@dataclass(frozen=True)
class _Step:
    """One undoing: what is broken until it is done, and what a person would type instead."""

    what: str
    by_hand: str
    action: Callable[[], object]


class Undo:
    """What heals a fault: each step is registered *before* what it undoes is done.

    So healing is complete after a half-done injection, too; in return every
    action must do no harm where there is nothing to undo. Steps are taken in
    reverse order, each whatever became of the others.
    """

    def __init__(self) -> None:
        self._steps: list[_Step] = []
        self.interrupted = False

    def register(
        self, what: str, action: Callable[..., object], *arguments: Any, by_hand: str
    ) -> None:
        """Add a step: it will be ``action(*arguments)``."""
        self._steps.append(_Step(what, by_hand, partial(action, *arguments)))

    def heal(self) -> list[tuple[str, str]]:
        """Take all steps; what could not be undone, and how to do it by hand.

        A Ctrl-C only sets ``interrupted``: the step that it broke off is taken again.
        """
        leftovers: list[tuple[str, str]] = []
        while self._steps:
            step = self._steps[-1]
            try:
                step.action()
            except KeyboardInterrupt:
                if not self.interrupted:
                    self.interrupted = True
                    continue
                leftovers.append((f"{step.what}: interrupted twice", step.by_hand))
            except Exception as error:  # whatever stops this step, the others must be taken
                leftovers.append((f"{step.what}: {error}", step.by_hand))
            self._steps.pop()
        return leftovers


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One row of the catalogue.

    ``number`` is the row's; ``symptom`` is what a user would see. Of the
    battery's topics those in ``red`` must find it; those in ``also`` suffer from it
    in a way that chance decides, or can tell nothing while it lasts; all others
    must stay green. ``found_by`` are the checks that must fail, by name, each in one of
    the topics in ``red``. ``needs`` are the powers (protocols of :mod:`svcproof.ports`)
    that it takes, ``nodes`` the fewest nodes. ``impossible`` says for a proxy
    mode why it cannot be had there.
    """

    number: int
    slug: str
    title: str
    symptom: str
    red: frozenset[Topic]
    found_by: frozenset[str]
    inject: Callable[[Scene, Undo], None]
    also: frozenset[Topic] = frozenset()
    needs: tuple[type, ...] = ()
    nodes: int = 2
    impossible: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.number} {self.slug}"

    def declares(self, topic: Topic) -> Literal["red", "green", "any"]:
        """What must come of a question while the fault is there."""
        if topic in self.red:
            return "red"
        return "any" if topic in self.also else "green"


def unsupported(fault: Fault, scene: Scene) -> str:
    """Why the fault cannot be planted in this cluster; "" if it can."""
    facts = scene.cluster.facts
    for power in fault.needs:
        if not isinstance(scene.cluster, power):
            words = _POWER_WORDS.get(power, power.__name__)
            return f"it takes a cluster that can {words}; this kind ({facts.kind}) cannot"
    if len(facts.node_names) < fault.nodes:
        return f"it takes {fault.nodes} nodes; there are {len(facts.node_names)}"
    return fault.impossible.get(facts.proxy_mode, "")


@contextmanager
def planted(fault: Fault, scene: Scene) -> Iterator[FaultInjected]:
    """The fault is there inside the ``with`` block, and gone after it however that ends.

    Both are events in the scene's history; the block gets the first. Raises
    :class:`~svcproof.errors.NotSupported` where the fault cannot be had, and
    :class:`~svcproof.errors.HealFailed` when something of it may be left.
    """
    reason = unsupported(fault, scene)
    if reason:
        raise NotSupported(f"fault {fault}: {reason}")
    undo = Undo()
    try:
        yield _inject(fault, scene, undo)
    finally:
        _heal(fault, scene, undo)


def _inject(fault: Fault, scene: Scene, undo: Undo) -> FaultInjected:
    started = time.monotonic()
    half_done = ""
    try:
        fault.inject(scene, undo)
    except BaseException as error:
        half_done = f"{type(error).__name__}: {error}"
        raise
    finally:
        injected = scene.recorder.event(
            FaultInjected(
                number=fault.number, slug=fault.slug, seconds=_since(started), half_done=half_done
            )
        )
    return injected


def _heal(fault: Fault, scene: Scene, undo: Undo) -> None:
    started = time.monotonic()
    leftovers = undo.heal()
    scene.recorder.event(
        FaultHealed(
            number=fault.number,
            slug=fault.slug,
            seconds=_since(started),
            leftovers=tuple(what for what, _ in leftovers),
        )
    )
    if leftovers:
        raise HealFailed(str(fault), leftovers)
    if undo.interrupted:
        raise KeyboardInterrupt
    scene.forget_half_open()


def _since(started: float) -> float:
    return round(time.monotonic() - started, 3)
