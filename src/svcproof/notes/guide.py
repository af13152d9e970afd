"""Takes experiments one after the other, and notes how each went."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

from svcproof.errors import ClusterProblem, NotSupported
from svcproof.notes.catalogue import Experiment
from svcproof.notes.ground import Ground
from svcproof.notes.kubectl import Kubectl
from svcproof.notes.model import Step, StepFailed, Told
from svcproof.notes.stage import Stage

__all__ = ["take", "tour"]


def tour(
    experiments: Iterable[Experiment],
    ground: Ground,
    kubectl: Kubectl,
    *,
    begun: Callable[[Experiment], None],
    tell: Callable[[Step], None],
) -> Iterator[Told]:
    """Each experiment as it went; one that failed does not keep the others from being taken."""
    for experiment in experiments:
        begun(experiment)
        yield take(experiment, ground, kubectl, tell)


def take(
    experiment: Experiment, ground: Ground, kubectl: Kubectl, tell: Callable[[Step], None]
) -> Told:
    """Take one experiment's steps, and tell each when it is done."""
    steps: list[Step] = []

    def hear(step: Step) -> None:
        steps.append(step)
        tell(step)

    began, trouble, lacking = time.monotonic(), "", ""
    try:
        experiment.script(Stage(ground, kubectl, hear))
    except StepFailed:
        pass  # the step itself says so
    except NotSupported as error:
        lacking = str(error)
    except ClusterProblem as error:
        trouble = str(error)
    return Told(
        number=experiment.number,
        slug=experiment.slug,
        title=experiment.title,
        says=experiment.says,
        steps=tuple(steps),
        seconds=time.monotonic() - began,
        trouble=trouble,
        lacking=lacking,
    )
