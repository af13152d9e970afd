"""The battery's objects: ``manifests/battery.yaml``, in one namespace of a cluster."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from svcproof.manifest_files import packaged_manifests

__all__ = ["NAMES", "Names", "battery_manifests"]

_HOSTNAME: Final = "kubernetes.io/hostname"


@dataclass(frozen=True, slots=True)
class Names:
    """The names: Services, and the apps, which are the Deployments and their label ``app``.

    ``web`` is both here; where it is not, ``web_app`` and ``web_deployment`` are the app's.
    """

    web: str = "web"
    web_app: str = "web"
    web_deployment: str = "web"
    web_port: str = "web-port"
    web_local: str = "web-local"
    web_sticky: str = "web-sticky"
    web_headless: str = "web-headless"
    nobody: str = "nobody"
    turning: str = "turning"
    alias: str = "alias"
    lonely: str = "lonely"
    other: str = "other"
    #: Is made and deleted again by a question; it is in no manifest.
    fresh: str = "fresh"


NAMES: Final = Names()


def battery_manifests(home: str) -> Sequence[Mapping[str, Any]]:
    """The clients and the objects, with the app of a single Pod on the node ``home``."""
    manifests = [copy.deepcopy(dict(item)) for item in packaged_manifests("battery")]
    for item in manifests:
        if item["kind"] == "Deployment":
            template = item["spec"]["template"]["spec"]
            if _HOSTNAME in template.get("nodeSelector", {}):
                template["nodeSelector"][_HOSTNAME] = home
    return [*packaged_manifests("clients"), *manifests]
