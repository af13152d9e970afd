"""Before a client is pinned: do the rules know all endpoints of a sticky Service?

A client that connects while they still have one endpoint stays with it, rightly, and so would
all others: by their choices nobody could tell that from a Service that keeps all at one Pod.
Nor can one look, because to look is to be pinned. So a twin without session affinity is made
once the EndpointSlices are complete: a kube-proxy that serves the twin has seen, in the same
stream of EndpointSlices, those of the Service before (client-go's informers keep the order).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from svcproof.app import App
from svcproof.asking import Pair
from svcproof.context import Context
from svcproof.errors import ApplyFailed, WaitExpired
from svcproof.events import Other

__all__ = ["twins"]

_KEPT: Final = ("type", "selector", "ipFamilies", "ipFamilyPolicy", "externalTrafficPolicy")
_SUFFIX: Final = "-twin"
_LONGEST_NAME: Final = 63


def twins(pairs: Iterable[Pair], context: Context) -> Iterator[tuple[App, list[Pair]]]:
    """Of each Service a twin, as an app of its own, and clients at the same form of address of
    it, one for each node.

    A twin that the API server does not take, or that gets no EndpointSlices, is left out, and
    noted: then the rules are believed to be complete when the EndpointSlices are.
    """
    wanted = list(pairs)
    for name in dict.fromkeys(target.service for _, target in wanted):
        manifest = context.app.services.get(name)
        if manifest is None or not manifest["spec"].get("selector"):
            continue
        twin: Mapping[str, Any] = _without_affinity(manifest)
        old = context.app
        app = App(old.cluster, old.namespace, (twin,), run=old.run, limits=context.limits)
        try:
            app.apply()
            app.wait_ready(limit=context.limits.endpoints)
        except (ApplyFailed, WaitExpired) as error:
            why = Other(kind="no-twin", facts={"service": name, "reason": error.what})
            context.recorder.event(why)
            continue
        yield app, list(_alike((pair for pair in wanted if pair[1].service == name), app))


def _alike(pairs: Iterable[Pair], app: App) -> Iterator[Pair]:
    """One pair for each node whose rules choose: any client of it, any port."""
    first: dict[tuple[str, str], Pair] = {}
    for position, target in pairs:
        first.setdefault((target.entry_node or position.node, target.family), (position, target))
    for position, target in first.values():
        for other in app.targets(target.form, port_name=target.port_name):  # type: ignore[arg-type]
            if (other.family, other.entry_node) == (target.family, target.entry_node):
                yield position, other


def _without_affinity(manifest: Mapping[str, Any]) -> dict[str, Any]:
    spec = manifest["spec"]
    ports = [
        {key: value for key, value in port.items() if key != "nodePort"} for port in spec["ports"]
    ]
    name = manifest["metadata"]["name"][: _LONGEST_NAME - len(_SUFFIX)]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": f"{name}{_SUFFIX}"},
        "spec": {**{key: spec[key] for key in _KEPT if key in spec}, "ports": ports},
    }
