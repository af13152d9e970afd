"""What a Service was meant to be. Pure.

Elsewhere in svcproof promises follow from the Service as the API server has it:
whoever changes it changes what is promised. Here they follow from the manifest,
so that a change behind its owner's back is found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from svcproof.drift import FIELDS
from svcproof.snapshot import DEFAULT_AFFINITY_SECONDS, Service, Snapshot

__all__ = ["intended"]


def intended(snapshot: Snapshot, manifests: Sequence[Mapping[str, Any]]) -> Snapshot:
    """The snapshot with each Service's spec as its manifest wants it.

    What the API server allots (addresses, node ports) stays as it is, and so do
    Pods and EndpointSlices.
    """
    specs = {item["metadata"]["name"]: item["spec"] for item in manifests if _is_service(item)}
    services = tuple(
        _as_wanted(service, specs[service.name]) if service.name in specs else service
        for service in snapshot.services
    )
    return replace(snapshot, services=services)


def _is_service(manifest: Mapping[str, Any]) -> bool:
    return bool(manifest["kind"] == "Service")


def _as_wanted(service: Service, spec: Mapping[str, Any]) -> Service:
    wanted: dict[str, Any] = {
        field: spec.get(name, otherwise) for name, (field, otherwise) in FIELDS.items()
    }
    config = spec.get("sessionAffinityConfig", {}).get("clientIP", {})
    wanted["affinity_timeout_seconds"] = config.get("timeoutSeconds", DEFAULT_AFFINITY_SECONDS)
    if service.type in ("NodePort", "LoadBalancer"):
        wanted["external_traffic_policy"] = spec.get("externalTrafficPolicy", "Cluster")
    return replace(service, **wanted)
