"""Each of the notes' experiments as a case: all of its steps happen.

Takes minutes, so it is not part of a plain run: `tox -e notes`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from svcproof.cli.notes import prepared
from svcproof.notes.catalogue import EXPERIMENTS, Experiment
from svcproof.notes.ground import Ground
from svcproof.notes.guide import take
from svcproof.notes.kubectl import Kubectl
from svcproof.notes.markdown import markdown
from svcproof.notes.model import Tour
from svcproof.ports import Cluster


@pytest.fixture(scope="module")
def places(cluster: Cluster) -> Iterator[tuple[Ground, Kubectl]]:
    """The notes' namespaces and images, and a kubectl that works there."""
    with prepared(cluster) as (ground, kubectl):
        yield ground, kubectl


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda each: each.slug)
def test_experiment(experiment: Experiment, places: tuple[Ground, Kubectl]) -> None:
    """The experiment happens, step by step, and can be read afterwards."""
    told = take(experiment, *places, lambda _: None)
    document = markdown(Tour(cluster=places[0].described, experiments=[told]))
    assert told.passed, document
    assert all(step.command in document for step in told.steps)
