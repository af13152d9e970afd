"""Is a Service still as its run left it? Pure.

Promises follow from the Service that the API server has. One that somebody else has
changed may be consistent and route perfectly, to what nobody asked for: only who
made it can know.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from svcproof.snapshot import DEFAULT_AFFINITY_SECONDS, Service

__all__ = ["FIELDS", "Drift", "drift"]

#: Field of a Service's spec → what a snapshot calls it, and what it is where it is left out.
FIELDS: Final[Mapping[str, tuple[str, Any]]] = {
    "selector": ("selector", {}),
    "externalName": ("external_name", ""),
    "sessionAffinity": ("session_affinity", "None"),
    "internalTrafficPolicy": ("internal_traffic_policy", "Cluster"),
    "publishNotReadyAddresses": ("publish_not_ready_addresses", False),
    "trafficDistribution": ("traffic_distribution", ""),
}
_PORT_FIELDS: Final = {
    "name": "name",
    "protocol": "protocol",
    "targetPort": "target_port",
    "nodePort": "node_port",
}


@dataclass(frozen=True, slots=True)
class Drift:
    """A field, what it was left as, and what it is; "" for nothing."""

    field: str
    wanted: str
    seen: str


def drift(manifest: Mapping[str, Any], service: Service) -> Iterator[Drift]:
    """Where a Service is not what ``manifest``, a whole one, says of it.

    What the API server allots (addresses, node ports) may be anything.
    """
    spec = manifest.get("spec", {})
    yield from _compared("type", spec.get("type", "ClusterIP"), service.type)
    for name, (attribute, otherwise) in FIELDS.items():
        yield from _compared(name, spec.get(name, otherwise), getattr(service, attribute))
    if service.type in ("NodePort", "LoadBalancer"):
        policy = spec.get("externalTrafficPolicy", "Cluster")
        yield from _compared("externalTrafficPolicy", policy, service.external_traffic_policy)
    if spec.get("sessionAffinity") == service.session_affinity == "ClientIP":
        config = spec.get("sessionAffinityConfig", {}).get("clientIP", {})
        yield from _compared(
            "sessionAffinityConfig.clientIP.timeoutSeconds",
            config.get("timeoutSeconds", DEFAULT_AFFINITY_SECONDS),
            service.affinity_timeout_seconds,
        )
    yield from _ports(spec.get("ports", ()), service)


def _compared(field: str, wanted: Any, seen: Any) -> Iterator[Drift]:
    if wanted != seen:
        yield Drift(f"spec.{field}", _text(wanted), _text(seen))


def _ports(wanted: Sequence[Mapping[str, Any]], service: Service) -> Iterator[Drift]:
    there = {(port.port, port.protocol): port for port in service.ports}
    for port in wanted:
        found = there.pop((port["port"], port.get("protocol", "TCP")), None)
        if found is None:
            yield Drift("spec.ports", f"{port['port']}/{port.get('protocol', 'TCP')}", "")
            continue
        for name, attribute in _PORT_FIELDS.items():
            if name in port:
                where = f"ports[port={port['port']}].{name}"
                yield from _compared(where, port[name], getattr(found, attribute))
    for stranger in there.values():
        yield Drift("spec.ports", "", f"{stranger.port}/{stranger.protocol}")


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={value[name]}" for name in sorted(value))
    return str(value).lower() if isinstance(value, bool) else str(value)
