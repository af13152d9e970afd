"""kind's configuration of a cluster. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from svcproof.errors import UsageError

__all__ = ["Wanted", "cluster_config", "node_name"]

#: Not kind's own ranges only where those say nothing: shown by what `kubectl` prints.
_PODS: Final = {"ipv4": "10.244.0.0/16", "ipv6": "fd00:10:244::/56"}
_SERVICES: Final = {"ipv4": "10.96.0.0/16", "ipv6": "fd00:10:96::/112"}
_CONTROL_PLANE: Final = "control-plane"
_ZONES: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a configuration is made from.

    ``cgroup_version`` is that of Docker's machine; ``restricted`` says that
    processes there cannot be given a better out-of-memory score.
    """

    nodes: int
    proxy_mode: str
    ip_families: Literal["ipv4", "ipv6", "dual"]
    cgroup_version: str = "2"
    restricted: bool = False


def node_name(index: int) -> str:
    """The name of the node with that index: as in an embedded cluster, so that cases match."""
    return f"node-{index + 1}"


def cluster_config(wanted: Wanted, base: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The configuration; what a user's own (``base``) says stays, and lacks nothing afterwards.

    Nodes get the names, zones and taints of an embedded cluster's: every node runs Pods.
    """
    base = base or {}
    nodes = [dict(node) for node in base.get("nodes") or _nodes(wanted.nodes)]
    _check(base, nodes)
    # The first control plane starts the cluster, and is the first node.
    nodes.sort(key=lambda node: node.get("role", _CONTROL_PLANE) != _CONTROL_PLANE)
    return {
        **base,
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "networking": {**_networking(wanted), **(base.get("networking") or {})},
        "kubeadmConfigPatches": [
            *(base.get("kubeadmConfigPatches") or ()),
            *_machine_patches(wanted),
        ],
        "containerdConfigPatches": [
            *(base.get("containerdConfigPatches") or ()),
            *_runtime_patches(wanted),
        ],
        "nodes": [_node(index, node, alone=len(nodes) == 1) for index, node in enumerate(nodes)],
    }


def _nodes(count: int) -> list[dict[str, Any]]:
    return [{"role": _CONTROL_PLANE}, *({"role": "worker"} for _ in range(count - 1))]


def _check(base: Mapping[str, Any], nodes: Sequence[Mapping[str, Any]]) -> None:
    kind = base.get("kind", "Cluster")
    if kind != "Cluster":
        raise UsageError(f"the kind configuration is of kind {kind!r}; valid: Cluster")
    roles = [node.get("role", _CONTROL_PLANE) for node in nodes]
    for role in roles:
        if role not in (_CONTROL_PLANE, "worker"):
            raise UsageError(f"kind configuration: role {role!r}; valid: {_CONTROL_PLANE}, worker")
    if _CONTROL_PLANE not in roles:
        raise UsageError(f"the kind configuration has no node with role {_CONTROL_PLANE}")


def _networking(wanted: Wanted) -> dict[str, str]:
    families = ("ipv4", "ipv6") if wanted.ip_families == "dual" else (wanted.ip_families,)
    return {
        "ipFamily": wanted.ip_families,
        "kubeProxyMode": wanted.proxy_mode,
        "podSubnet": ",".join(_PODS[family] for family in families),
        "serviceSubnet": ",".join(_SERVICES[family] for family in families),
    }


def _node(index: int, node: Mapping[str, Any], *, alone: bool) -> dict[str, Any]:
    labels = {"topology.kubernetes.io/zone": f"zone-{index % _ZONES + 1}"}
    own = [
        json.dumps({"kind": kind, "nodeRegistration": registration})
        for kind, registration in _registrations(index, node, alone=alone).items()
    ]
    return {
        **node,
        "labels": {**labels, **(node.get("labels") or {})},
        "kubeadmConfigPatches": [*own, *(node.get("kubeadmConfigPatches") or ())],
    }


def _registrations(
    index: int, node: Mapping[str, Any], *, alone: bool
) -> dict[str, dict[str, Any]]:
    """The node's registration by the kind of the kubeadm document that has it."""
    registration: dict[str, Any] = {"name": node_name(index)}
    if node.get("role", _CONTROL_PLANE) != _CONTROL_PLANE:
        return {"JoinConfiguration": registration}
    # Pods run on the control plane's node, too. From a node that is alone kind takes the taint
    # itself, and fails if it finds none.
    if not alone:
        registration["taints"] = []
    return {"InitConfiguration": registration, "JoinConfiguration": registration}


def _machine_patches(wanted: Wanted) -> list[str]:
    """A kubelet refuses control groups of version 1 unless it is told not to."""
    if wanted.cgroup_version != "1":
        return []
    return [json.dumps({"kind": "KubeletConfiguration", "failCgroupV1": False})]


def _runtime_patches(wanted: Wanted) -> list[str]:
    if not wanted.restricted:
        return []
    return ["[plugins.'io.containerd.cri.v1.runtime']\n  restrict_oom_score_adj = true\n"]
