"""Proof that the battery can fail: each fault planted, asked about, healed, asked about again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from svcproof.battery import Answer, Battery, Topic
from svcproof.errors import ClusterProblem, HealFailed
from svcproof.events import FaultHealed, FaultInjected
from svcproof.faults import Fault, Scene, planted, unsupported
from svcproof.ports import Cluster
from svcproof.recorder import Recorder
from svcproof.verdict import Status

__all__ = ["Answers", "Trial", "make_scene", "not_green", "prove"]

Answers = Mapping[Topic, Answer]

_DUE: Final = {"red": (Status.FAIL,), "green": (Status.PASS,), "any": tuple(Status)}
_DNS_NAMESPACE: Final = "kube-system"
_DNS_SERVICE: Final = "kube-dns"


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What became of one fault.

    ``planted`` and ``healed`` are the battery's answers meanwhile and afterwards,
    empty where it was not asked. ``unplanted`` is why this cluster cannot have
    the fault, or why nobody can look for it; ``problem`` is what went wrong with
    planting it.
    """

    fault: Fault
    planted: Answers = field(default_factory=dict)
    healed: Answers = field(default_factory=dict)
    seconds: float = 0.0
    unplanted: str = ""
    problem: str = ""

    @property
    def surprises(self) -> tuple[str, ...]:
        """Where the answers are not what the fault declares; none means that it was caught."""
        if self.unplanted:
            return ()
        healed = not_green(self.healed, "healed")
        if self.problem:
            return (self.problem, *healed)
        return (
            *_missed(self.fault, self.planted),
            *_unasked(self.fault, self.healed, "healed"),
            *healed,
        )

    @property
    def caught(self) -> bool:
        """Whether exactly what must find the fault found it, and all was green afterwards."""
        return not self.unplanted and not self.surprises


def prove(
    battery: Battery,
    scene: Scene,
    faults: Iterable[Fault],
    *,
    begun: Callable[[Fault], None] = lambda _: None,
) -> Iterator[Trial]:
    """Each fault's trial as it ends. What cannot be healed ends them all."""
    for fault in faults:
        reason = unsupported(fault, scene)
        if reason:
            yield Trial(fault=fault, unplanted=reason)
            continue
        begun(fault)
        yield _try(battery, scene, fault)


def make_scene(battery: Battery, recorder: Recorder) -> Scene:
    """Where the battery is, with a node for faults to be planted on."""
    app = battery.app
    return Scene(
        cluster=app.cluster,
        namespace=app.namespace,
        run=app.run,
        recorder=recorder,
        manifests=app.manifests,
        home=battery.home,
        node=_node_for_faults(app.cluster, battery.home),
    )


def not_green(answers: Answers, when: str) -> tuple[str, ...]:
    """The topics that are not green, in words; those that cannot be asked here do not count."""
    return tuple(
        f"{when}: {topic} is {answer.status.word}: {answer.first}"
        for topic, answer in answers.items()
        if answer.status is not Status.PASS and not answer.unsupported
    )


def _try(battery: Battery, scene: Scene, fault: Fault) -> Trial:
    started = time.monotonic()
    answers: Answers = {}
    problem = ""
    try:
        with planted(fault, scene) as injected:
            answers = battery.ask(
                f"planted {fault}", hasty=True, silent=scene.silent, events=[injected]
            )
    except HealFailed:
        raise
    except ClusterProblem as error:
        problem = str(error)
    events = scene.recorder.freeze().events
    both_ends = [event for event in events if isinstance(event, FaultInjected | FaultHealed)][-2:]
    healed = battery.ask(f"healed {fault}", events=both_ends)
    return Trial(
        fault=fault,
        planted=answers,
        healed=healed,
        seconds=time.monotonic() - started,
        unplanted="" if not_green(healed, "healed") else _not_looked_for(fault, answers),
        problem=problem,
    )


def _not_looked_for(fault: Fault, answers: Answers) -> str:
    """Why nobody could look for the fault; "" where somebody could."""
    due = [answers[topic] for topic in Topic if topic in fault.red and topic in answers]
    if not due or not all(answer.unsupported for answer in due):
        return ""
    return "no question that must find it can be asked here: " + "; ".join(
        dict.fromkeys(answer.first for answer in due)
    )


def _missed(fault: Fault, answers: Answers) -> tuple[str, ...]:
    """Questions that did not say what the fault declares; where all did, checks that did not."""
    questions = (*_unasked(fault, answers, "planted"), *_unlike(fault, answers))
    return questions or tuple(_unfound(fault, answers))


def _unasked(fault: Fault, answers: Answers, when: str) -> Iterator[str]:
    """Whoever must find the fault has to be asked: silence has not found it."""
    for topic in Topic:
        if topic in fault.red and topic not in answers:
            yield f"{when}: {topic} was not asked"
        elif topic in fault.red and answers[topic].unsupported:
            yield f"{when}: {topic} cannot be asked here: {answers[topic].first}"


def _unfound(fault: Fault, answers: Answers) -> Iterator[str]:
    due = [answers[topic] for topic in fault.red]
    failed = {check for answer in due for check in answer.checks(Status.FAIL)}
    for check in sorted(fault.found_by - failed):
        yield f"planted: the check {check} found nothing"


def _unlike(fault: Fault, answers: Answers) -> Iterator[str]:
    for topic, answer in answers.items():
        due = _DUE[fault.declares(topic)]
        if not answer.unsupported and answer.status not in due:
            said = f": {answer.first}" if answer.first else ""
            yield f"planted: {topic} is {answer.status.word} instead of {due[0].word}{said}"


def _node_for_faults(cluster: Cluster, home: str) -> str:
    """Another node than ``home``, and none that the cluster DNS runs on: it would go, too."""
    nodes = cluster.facts.node_names
    slices = cluster.snapshot(_DNS_NAMESPACE).slices_of(_DNS_SERVICE)
    with_dns = {endpoint.node for item in slices for endpoint in item.endpoints}
    others = [node for node in nodes if node != home]
    quiet = [node for node in others if node not in with_dns]
    return (quiet or others or list(nodes))[-1]
