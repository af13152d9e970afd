"""Names for the annotations of one's own tests: what the fixtures give."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from svcproof.app import App, Clients, client_manifests_for
from svcproof.history import History, Observation, Outcome, Position, Target
from svcproof.load import Load
from svcproof.manifest_files import packaged_manifests
from svcproof.places import PositionSpec, TargetSpec
from svcproof.ports import Cluster
from svcproof.recorder import Recorder
from svcproof.routing import Pair, Routing
from svcproof.verdict import Checker, Verdict
from svcproof.ways import everywhere_to, from_outside_to

__all__ = [
    "App",
    "Clients",
    "Cluster",
    "Judge",
    "Load",
    "Measure",
    "Outcome",
    "Pair",
    "Patch",
    "Place",
    "Position",
    "PositionSpec",
    "Probe",
    "Recorder",
    "Routing",
    "Scale",
    "Target",
    "TargetSpec",
    "Way",
    "client_manifests_for",
    "everywhere_to",
    "from_outside_to",
    "packaged_manifests",
]


class Measure(Protocol):
    """The fixture ``measure``."""

    def __call__(
        self,
        pairs: Iterable[Pair],
        /,
        *,
        failing: Iterable[Pair] = ...,
        count: int = ...,
        settle: bool = ...,
        plan: Mapping[str, Any] | None = ...,
        about_sources: bool = ...,
        **asked: Any,
    ) -> History:
        """Let each pair settle, then measure all of them, once."""
        ...


class Judge(Protocol):
    """The fixture ``judge``."""

    def __call__(self, checks: Mapping[str, Checker] | None = ..., /) -> Verdict:
        """The verdict on the case's history; anything but a pass ends the test."""
        ...


class Probe(Protocol):
    """The fixture ``probe``."""

    def __call__(
        self, position: Position, target: Target, *, count: int, **plan: Any
    ) -> list[Observation]:
        """Make connections that are recorded and not judged."""
        ...


class Scale(Protocol):
    """The fixture ``scale``."""

    def __call__(self, replicas: int, /, *, deployment: str = ...) -> None:
        """Change the number of replicas, wait for Pods and EndpointSlices, record both."""
        ...


class Patch(Protocol):
    """The fixture ``patch``."""

    def __call__(self, kind: str, name: str, changes: Mapping[str, Any], /) -> None:
        """Change fields of one object (JSON merge patch)."""
        ...


class Place(Protocol):
    """The fixture ``place``."""

    def __call__(self, spec: PositionSpec, /) -> Position:
        """The client at a place."""
        ...


class Way(Protocol):
    """The fixture ``way``."""

    def __call__(self, spec: TargetSpec, service: str = ..., port_name: str = ..., /) -> Target:
        """The address that a spec means."""
        ...
