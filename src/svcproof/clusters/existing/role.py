"""The objects that grant a user what a run needs. Pure: from the very table that is checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from svcproof.clusters.existing.rights import (
    CLUSTER_WIDE,
    HELPFUL,
    IN_NAMESPACE,
    MAKING_NAMESPACES,
    Right,
)

__all__ = ["granting"]

Manifest = Mapping[str, Any]

_NAME = "svcproof"
_API = "rbac.authorization.k8s.io/v1"


def granting(user: Mapping[str, str], namespace: str = "") -> list[Manifest]:
    """Roles and their bindings.

    ``user`` is an RBAC subject. With ``namespace`` all but the nodes is granted there
    only; else everywhere, and namespaces can be made and deleted.
    """
    if not namespace:
        return _pair("Cluster", (*CLUSTER_WIDE, *MAKING_NAMESPACES, *IN_NAMESPACE, *HELPFUL), user)
    nodes = _pair("Cluster", CLUSTER_WIDE, user)
    return [*nodes, *_pair("", (*IN_NAMESPACE, *HELPFUL), user, namespace)]


def _pair(
    scope: str, rights: Iterable[Right], user: Mapping[str, str], namespace: str = ""
) -> list[Manifest]:
    metadata = {"name": _NAME, **({"namespace": namespace} if namespace else {})}
    role = {
        "apiVersion": _API,
        "kind": f"{scope}Role",
        "metadata": metadata,
        "rules": [
            {"apiGroups": [r.group], "resources": [r.resource], "verbs": list(r.verbs)}
            for r in rights
        ],
    }
    binding = {
        "apiVersion": _API,
        "kind": f"{scope}RoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": f"{scope}Role", "name": _NAME},
        "subjects": [dict(user)],
    }
    return [role, binding]
