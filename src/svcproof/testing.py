"""Names for the annotations of one's own tests: what the fixtures give."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from svcproof.app import App, Clients, client_manifests_for
from svcproof.asking import Pair
from svcproof.history import Outcome, Position, Target
from svcproof.manifest_files import packaged_manifests
from svcproof.places import PositionSpec, TargetSpec
from svcproof.ports import Cluster
from svcproof.recorder import Recorder
from svcproof.run import Run
from svcproof.steady import Load
from svcproof.verdict import Checker, Verdict
from svcproof.ways import (
    also_from_outside_to,
    everywhere_to,
    from_outside_to,
    keeping_ports,
    to_the_dns,
)

__all__ = [
    "App",
    "Clients",
    "Cluster",
    "Judge",
    "Load",
    "Outcome",
    "Pair",
    "Position",
    "PositionSpec",
    "Recorder",
    "Run",
    "Target",
    "TargetSpec",
    "also_from_outside_to",
    "client_manifests_for",
    "everywhere_to",
    "from_outside_to",
    "keeping_ports",
    "packaged_manifests",
    "to_the_dns",
]


class Judge(Protocol):
    """The fixture ``judge``."""

    def __call__(self, checks: Mapping[str, Checker] | None = ..., /) -> Verdict:
        """The verdict on the case's history; anything but a pass ends the test."""
        ...
