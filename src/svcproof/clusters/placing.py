"""Where Pods of ours may run in somebody else's cluster, and what they ask of it. Pure.

The values of ``--svc-tolerate``, ``--svc-node-selector``, ``--svc-requests`` and
``--svc-limits``, checked where they come in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from svcproof.errors import UsageError

__all__ = ["Placing", "Toleration", "node_labels", "quantities", "tolerations"]

_EFFECTS: Final = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_RESOURCES: Final = ("cpu", "memory", "ephemeral-storage")
#: As the API server takes them: a name, perhaps below a domain.
_KEY: Final = re.compile(r"(?:[a-z0-9.-]{1,253}/)?[A-Za-z0-9](?:[\w.-]{0,61}[A-Za-z0-9])?")
_VALUE: Final = re.compile(r"(?:[A-Za-z0-9](?:[\w.-]{0,61}[A-Za-z0-9])?)?")
_QUANTITY: Final = re.compile(r"(?=.*[1-9])\d+(?:\.\d+)?(?:m|k|M|G|T|Ki|Mi|Gi|Ti)?")


@dataclass(frozen=True, slots=True)
class Toleration:
    """As in a Pod's spec: without a ``value`` any will do, without an ``effect`` all of them."""

    key: str
    value: str | None = None
    effect: str = ""

    def tolerates(self, taint: Mapping[str, Any]) -> bool:
        """Whether a Pod with it is not repelled by a taint of a node."""
        return (
            taint.get("key") == self.key
            and self.effect in ("", taint.get("effect"))
            and self.value in (None, taint.get("value") or "")
        )

    @property
    def manifest(self) -> dict[str, str]:
        """It, for a Pod's spec."""
        operator = {"operator": "Exists"} if self.value is None else {"value": self.value}
        return {"key": self.key, **operator, **({"effect": self.effect} if self.effect else {})}


@dataclass(frozen=True, slots=True, kw_only=True)
class Placing:
    """What Pods of ours tolerate, the labels of the only nodes for them, and what each of their
    containers asks for and is limited to."""

    tolerations: Sequence[Toleration] = ()
    node_labels: Mapping[str, str] | None = None
    requests: Mapping[str, str] | None = None
    limits: Mapping[str, str] | None = None

    def place(self, pod: dict[str, Any]) -> None:
        """Change a Pod's spec so that it is placed so."""
        if self.tolerations:
            pod.setdefault("tolerations", []).extend(each.manifest for each in self.tolerations)
        if not self.requests and not self.limits:
            return
        requests, limits = dict(self.requests or {}), dict(self.limits or {})
        for container in (*pod.get("initContainers", ()), *pod["containers"]):
            resources = container.setdefault("resources", {})
            resources["limits"] = {**resources.get("limits", {}), **limits}
            resources["requests"] = {
                # Nobody may ask for more than the limit: what is limited asks for that.
                **{n: v for n, v in resources.get("requests", {}).items() if n not in limits},
                **requests,
            }


def tolerations(text: str) -> tuple[Toleration, ...]:
    """``KEY[=VALUE][:EFFECT]``, several after commas. Raises ``UsageError``."""
    return tuple(_toleration(each) for each in _listed(text))


def _toleration(text: str) -> Toleration:
    rest, colon, effect = text.partition(":")
    key, equals, value = rest.partition("=")
    if colon and effect not in _EFFECTS:
        raise UsageError(
            f"toleration {text!r}: effect {effect!r} is unknown; valid: {', '.join(_EFFECTS)}"
        )
    if not _KEY.fullmatch(key) or not _VALUE.fullmatch(value):
        raise UsageError(
            f"toleration {text!r} will not do: KEY[=VALUE][:EFFECT], as in dedicated=db:NoSchedule",
            remedy="`kubectl get nodes -o custom-columns=N:.metadata.name,T:.spec.taints` has them",
        )
    return Toleration(key, value if equals else None, effect)


def node_labels(text: str) -> dict[str, str]:
    """``KEY=VALUE[,…]``. Raises ``UsageError``."""
    found = dict(_pairs("node selector", text, "pool=workers,disk=ssd"))
    for key, value in found.items():
        if not _KEY.fullmatch(key) or not _VALUE.fullmatch(value):
            raise UsageError(
                f"node selector: {key}={value} is no label of a node",
                remedy="`kubectl get nodes --show-labels` has them",
            )
    return found


def quantities(what: str, text: str) -> dict[str, str]:
    """``cpu=…,memory=…``. Raises ``UsageError``."""
    found = dict(_pairs(what, text, "cpu=100m,memory=64Mi"))
    for name, value in found.items():
        if name not in _RESOURCES:
            raise UsageError(
                f"{what}: resource {name!r} is unknown; valid: {', '.join(_RESOURCES)}"
            )
        if not _QUANTITY.fullmatch(value):
            raise UsageError(
                f"{what}: {name}={value} is no quantity above zero; valid: numbers, with m, k, M, "
                "G, T, Ki, Mi, Gi or Ti after them, as in 100m or 64Mi"
            )
    return found


def _pairs(what: str, text: str, example: str) -> list[tuple[str, str]]:
    pairs = [each.partition("=") for each in _listed(text)]
    for key, equals, value in pairs:
        if not equals:
            raise UsageError(f"{what}: {key + value!r} is no KEY=VALUE, as in {example}")
    return [(key.strip(), value.strip()) for key, _, value in pairs]


def _listed(text: str) -> list[str]:
    return [each.strip() for each in text.split(",") if each.strip()]
