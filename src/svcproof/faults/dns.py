"""Faults in names."""

from __future__ import annotations

from typing import Final

from svcproof.battery.topics import Topic
from svcproof.faults.model import Fault, Undo
from svcproof.faults.scene import Scene

__all__ = ["FAULTS"]


def _external_name_wrong(scene: Scene, undo: Undo) -> None:
    right = scene.manifest("Service", scene.names.alias)["spec"]["externalName"]
    scene.patch(
        undo,
        "Service",
        scene.names.alias,
        {"spec": {"externalName": f"old.{right}"}},
        back={"spec": {"externalName": right}},
    )


FAULTS: Final = (
    Fault(
        number=65,
        slug="external-name-wrong",
        title="an ExternalName Service points to a name that is gone",
        symptom="the alias does not resolve, or leads to the wrong host",
        red=frozenset({Topic.EXTERNAL_NAME}),
        found_by=frozenset({"answers"}),
        inject=_external_name_wrong,
        nodes=1,
    ),
)
