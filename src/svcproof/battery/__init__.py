"""A compact set of questions that a right cluster answers, each a history and a verdict.

It uses the same :class:`~svcproof.run.Run` and the same checks as the
suites, asks every kind of Service once, and takes a few seconds: so little that it
can be asked again for each fault that is planted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from svcproof.app import App
from svcproof.battery.bench import Bench
from svcproof.battery.measurements import MEASUREMENTS
from svcproof.battery.objects import NAMES, Names, battery_manifests
from svcproof.battery.runs import Answer, Turn, in_turns
from svcproof.battery.topics import Topic
from svcproof.events import FaultHealed, FaultInjected
from svcproof.limits import DEFAULT_LIMITS, Limits
from svcproof.ports import Cluster
from svcproof.recorder import Recorder

__all__ = ["NAMES", "Answer", "Battery", "Names", "Topic"]

#: Nothing that is right takes so long, and what is wrong is to be seen soon.
_PATIENT: Final = replace(DEFAULT_LIMITS, connect=1.8, attempt=3.0, silence=1.5)
#: With a fault planted the right answers may never come: what is measured is the verdict.
_HASTY: Final = replace(_PATIENT, convergence=2.0, convergence_streak=15)


class Battery:
    """The battery's objects in one namespace, asked about as often as wanted.

    ``home`` is the node of the app with a single Pod. ``evidence`` is the
    directory for histories; without it they stay in memory.
    """

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        *,
        run: str,
        home: str,
        evidence: Path | None = None,
        limits: Limits = _PATIENT,
    ) -> None:
        self.home = home
        self.manifests: Sequence[Mapping[str, Any]] = battery_manifests(home)
        self.app = App(cluster, namespace, self.manifests, run=run, limits=limits)
        self._evidence = evidence
        self._limits = limits

    def apply(self) -> None:
        """Create the objects and wait until all are ready."""
        self.app.apply()
        self.app.wait_ready()

    def ask(
        self,
        label: str,
        *,
        hasty: bool = False,
        silent: Collection[str] = (),
        events: Sequence[FaultInjected | FaultHealed] = (),
        heard: Callable[[Answer], None] = lambda _: None,
    ) -> dict[Topic, Answer]:
        """Make all measurements; ``heard`` gets each answer as it comes.

        ``hasty``: a fault is planted, so nothing is waited for that may never come.
        ``silent`` nodes are not sent from. ``events`` are what was done to the cluster
        before: they stand at the begin of each history.
        """
        if not hasty:
            self.app.wait_ready()
        bench = Bench(
            self.app.cluster,
            self.app.namespace,
            self.manifests,
            run=self.app.run,
            limits=_HASTY if hasty else self._limits,
            silent=silent,
        )
        answers: dict[Topic, Answer] = {}
        runs = [
            Turn(measurement, bench, self.recorder(label, measurement.name), events)
            for measurement in MEASUREMENTS
        ]
        try:
            for answer in in_turns(runs):
                answers[answer.topic] = answer
                heard(answer)
        finally:
            bench.close()
        return {topic: answers[topic] for topic in Topic}

    def recorder(self, label: str, name: str) -> Recorder:
        """A new history of this battery, in the directory of its label."""
        described = self.app.cluster.facts.described()
        path = self._evidence and self._evidence / _slug(label) / f"{_slug(name)}.jsonl"
        return Recorder(path, run=self.app.run, case=f"{name}: {label}", cluster=described)


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-")
