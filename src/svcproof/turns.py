"""Which modules of a suite may have their objects in the cluster together. Pure.

With a namespace for each that changes its Pods that is all of them. In one namespace those
take turns, and so do the others where a quota leaves no room for all Pods.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["Turn", "Wish", "next_turn", "pods_of"]

#: Pods that come while those that they replace are still there.
_SPARE: Final = 2
#: Of a DaemonSet nobody knows beforehand.
_WORKLOADS: Final = ("Deployment", "StatefulSet", "ReplicaSet", "ReplicationController", "Pod")


@dataclass(frozen=True, slots=True)
class Wish:
    """What a module needs: kind and name of each workload → how many Pods it has.

    ``alone``: nobody else's objects may be there.
    """

    module: str
    pods: Mapping[tuple[str, str], int]
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """The modules that have it, and how many Pods they need at most."""

    modules: tuple[str, ...] = ()
    pods: int = 0


def next_turn(wishes: Sequence[Wish], room: int | None) -> Turn:
    """The first module, whatever it needs, and all later ones that there is room for (Pods;
    None: no end of it) beside those before them. Workloads of the same name are the same."""
    first, *others = wishes
    turn, pods = [first.module], dict(first.pods)
    for wish in others:
        together = pods | dict(wish.pods)
        is_too_much = room is not None and sum(together.values()) + _SPARE > room
        if not (first.alone or wish.alone or is_too_much):
            turn.append(wish.module)
            pods = together
    return Turn(tuple(turn), sum(pods.values()) + _SPARE)


def pods_of(manifests: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], int]:
    """Kind and name of each workload → how many Pods it has; one where it does not say."""
    pods = {}
    for item in manifests:
        if item["kind"] in _WORKLOADS:
            replicas = (item.get("spec") or {}).get("replicas")
            pods[item["kind"], item["metadata"]["name"]] = 1 if replicas is None else replicas
    return pods
