"""Before a client is pinned: do the rules know all endpoints of a sticky Service?

A client that connects while they still have one endpoint stays with it, rightly, and so would
all others: by their choices nobody could tell that from a Service that keeps all at one Pod.
Nor can one look, because to look is to be pinned. So a twin without session affinity is made
once the EndpointSlices are complete: a kube-proxy that serves the twin has seen, in the same
stream of EndpointSlices, those of the Service before (client-go's informers keep the order).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from svcproof.asking import Pair
from svcproof.context import Context
from svcproof.errors import ApplyFailed, NotSupported
from svcproof.events import Other

__all__ = ["twin_pairs"]

_KEPT: Final = ("type", "selector", "ipFamilies", "ipFamilyPolicy", "externalTrafficPolicy")
_LONGEST_NAME: Final = 63


def twin_pairs(pairs: Iterable[Pair], context: Context) -> list[Pair]:
    """The same clients, at the same form of address of a twin of each sticky Service.

    A twin that the API server does not take is left out, and noted: then the rules are
    believed to be complete when the EndpointSlices are.
    """
    wanted = list(pairs)
    twins = {name: _made(name, context) for name in {target.service for _, target in wanted}}
    found: list[Pair] = []
    for position, target in wanted:
        twin = twins[target.service]
        if twin:
            alike = context.app.targets(target.form, twin, target.port_name)  # type: ignore[arg-type]
            found += [
                (position, other)
                for other in alike
                if (other.family, other.entry_node) == (target.family, target.entry_node)
            ]
    return found


def _made(name: str, context: Context) -> str:
    """The twin's name; "" where there can be none."""
    manifest = context.app.services.get(name)
    if manifest is None or not manifest["spec"].get("selector"):
        return ""
    twin = f"{name[: _LONGEST_NAME - 5]}-twin"
    if twin in context.app.services:
        return twin
    try:
        context.app.add(_without_affinity(twin, manifest["spec"]))
    except (ApplyFailed, NotSupported) as error:
        context.recorder.event(Other(kind="no-twin", facts={"service": name, "reason": error.what}))
        return ""
    return twin


def _without_affinity(name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    ports = [
        {key: value for key, value in port.items() if key != "nodePort"} for port in spec["ports"]
    ]
    kept = {key: spec[key] for key in _KEPT if key in spec}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {**kept, "ports": ports},
    }
