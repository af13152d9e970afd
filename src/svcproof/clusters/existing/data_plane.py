"""Which data plane a cluster has, by what runs in its system namespaces. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

__all__ = ["KUBE_PROXY_MODES", "DataPlane", "recognised"]

Json = Mapping[str, Any]

#: As ``--proxy-mode`` of kube-proxy, on Linux.
KUBE_PROXY_MODES: Final = ("iptables", "ipvs", "nftables")


@dataclass(frozen=True, slots=True)
class DataPlane:
    """The name of a profile or ``unknown``, and how it was recognised."""

    name: str
    evidence: str


def recognised(daemon_sets: Sequence[Json], config_maps: Mapping[str, Json]) -> DataPlane:
    """What the DaemonSets say.

    ``config_maps``: those named ``kube-proxy`` and ``cilium-config``, as far as they
    can be read. Whoever replaces kube-proxy comes before it, for both may be there
    while one is being replaced.
    """
    by_name = {str(item["metadata"]["name"]): item for item in daemon_sets}
    if "cilium" in by_name:
        data = config_maps.get("cilium-config", {}).get("data") or {}
        if data.get("kube-proxy-replacement", "false") in ("true", "strict"):
            hosts_only = data.get("bpf-lb-sock-hostns-only", "false") == "true"
            name = "cilium" if hosts_only else "cilium-socket-lb"
            return DataPlane(name, "DaemonSet cilium, which replaces kube-proxy")
    if "ovnkube-node" in by_name:
        return DataPlane("ovn-kubernetes", "DaemonSet ovnkube-node")
    if "kube-router" in by_name and _argument(by_name["kube-router"], "run-service-proxy") in (
        "true",
        None,
    ):
        return DataPlane("kube-router", "DaemonSet kube-router")
    if "kube-proxy" in by_name:
        return _kube_proxy(by_name["kube-proxy"], config_maps.get("kube-proxy", {}))
    return DataPlane("unknown", "no DaemonSet of a known data plane can be seen")


def _kube_proxy(daemon_set: Json, config_map: Json) -> DataPlane:
    told = _argument(daemon_set, "proxy-mode")
    if told:
        return DataPlane(told, "the arguments of DaemonSet kube-proxy")
    text = str((config_map.get("data") or {}).get("config.conf", ""))
    found = re.search(r"^mode:[ \t]*[\"']?([a-z]*)", text, re.MULTILINE)
    if found is None:
        return DataPlane("unknown", "DaemonSet kube-proxy, whose configuration cannot be read")
    # Nothing said means iptables on Linux (KubeProxyConfiguration).
    return DataPlane(found[1] or "iptables", "ConfigMap kube-proxy")


def _argument(daemon_set: Json, name: str) -> str | None:
    """The value of ``--name=value`` or ``--name value``; None if it is not given."""
    template = (daemon_set.get("spec") or {}).get("template") or {}
    for container in (template.get("spec") or {}).get("containers") or ():
        words = [*(container.get("command") or ()), *(container.get("args") or ()), ""]
        for word, following in pairwise(words):
            if word == f"--{name}":
                return str(following)
            if word.startswith(f"--{name}="):
                return str(word.partition("=")[2])
    return None
