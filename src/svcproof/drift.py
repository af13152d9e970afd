"""Is a Service still as its run left it, and was it stored as it was asked for? Pure.

Promises follow from the Service that the API server has. One that somebody else has
changed may be consistent and route perfectly, to what nobody asked for: only who
made it can know. What an admission policy made of it when it was stored is known: it is in
the API server's answer.
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
    """A field, what it was left as, and what it is; "" for nothing.

    ``is_default``: the manifest says nothing of the field, and means its default.
    """

    field: str
    wanted: str
    seen: str
    is_default: bool = False

    def __str__(self) -> str:
        return f"{self.field} is {self.seen or 'nothing'}, not {self.wanted or 'nothing'}"


def drift(manifest: Mapping[str, Any], service: Service) -> Iterator[Drift]:
    """Where a Service is not what ``manifest``, a whole one, says of it.

    What the API server allots (addresses, node ports) may be anything.
    """
    spec = manifest.get("spec", {})
    fields = {"type": ("type", "ClusterIP"), **FIELDS}
    if service.type in ("NodePort", "LoadBalancer"):
        fields["externalTrafficPolicy"] = ("external_traffic_policy", "Cluster")
    for name, (attribute, otherwise) in fields.items():
        seen = getattr(service, attribute)
        yield from _compared(name, spec.get(name, otherwise), seen, is_default=name not in spec)
    if spec.get("sessionAffinity") == service.session_affinity == "ClientIP":
        config = spec.get("sessionAffinityConfig", {}).get("clientIP", {})
        yield from _compared(
            "sessionAffinityConfig.clientIP.timeoutSeconds",
            config.get("timeoutSeconds", DEFAULT_AFFINITY_SECONDS),
            service.affinity_timeout_seconds,
            is_default="timeoutSeconds" not in config,
        )
    yield from _ports(spec.get("ports", ()), service)


def _compared(field: str, wanted: Any, seen: Any, *, is_default: bool = False) -> Iterator[Drift]:
    if wanted != seen:
        yield Drift(f"spec.{field}", _text(wanted), _text(seen), is_default)


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
        there_is = f"{stranger.port}/{stranger.protocol}"
        yield Drift("spec.ports", "", there_is, is_default=True)


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={value[name]}" for name in sorted(value))
    return str(value).lower() if isinstance(value, bool) else str(value)
