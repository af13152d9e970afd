"""What a run needs to be allowed, and whether it is (SelfSubjectAccessReview)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from svcproof.clusters.kubernetes_api import Api
from svcproof.errors import ApiRefused

__all__ = [
    "CLUSTER_WIDE",
    "HELPFUL",
    "IN_NAMESPACE",
    "MAKING_NAMESPACES",
    "Right",
    "missing_rights",
]

_REVIEWS: Final = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_WRITE: Final = ("create", "patch", "delete")


@dataclass(frozen=True, slots=True)
class Right:
    """Verbs on one resource, as a Role has them."""

    group: str
    resource: str
    verbs: tuple[str, ...]

    def __str__(self) -> str:
        group = f".{self.group}" if self.group else ""
        return f"{', '.join(self.verbs)} {self.resource}{group}"


#: For the nodes' names, addresses and zones.
CLUSTER_WIDE: Final = (Right("", "nodes", ("list",)),)
#: Only where a run makes its own namespaces.
MAKING_NAMESPACES: Final = (
    Right("", "namespaces", ("create", "delete")),
    Right("", "serviceaccounts", ("get",)),
)
#: In the namespaces of the run.
IN_NAMESPACE: Final = (
    Right("", "pods", ("list", *_WRITE)),
    # A websocket is opened with GET, which asked for create as well until 1.35.
    Right("", "pods/exec", ("create", "get")),
    Right("", "services", ("list", *_WRITE)),
    Right("", "configmaps", ("list", *_WRITE)),
    Right("apps", "deployments", ("list", *_WRITE)),
    Right("apps", "daemonsets", ("list", *_WRITE)),
    Right("discovery.k8s.io", "endpointslices", ("list",)),
)
#: Done without where it is not granted: for how many Pods there is room, and why none come.
HELPFUL: Final = (Right("", "resourcequotas", ("list",)), Right("", "events", ("list",)))


def missing_rights(api: Api, namespace: str) -> list[str]:
    """What is not allowed, in words. ``namespace``: the pre-made one, or "" to make some."""
    lacking = list(_refused(api, CLUSTER_WIDE, ""))
    if not namespace:
        lacking += _refused(api, MAKING_NAMESPACES, "")
    lacking += _refused(api, IN_NAMESPACE, namespace)
    return lacking


def _refused(api: Api, rights: tuple[Right, ...], namespace: str) -> Iterator[str]:
    for right in rights:
        refused = [verb for verb in right.verbs if not _allowed(api, right, verb, namespace)]
        if refused:
            yield str(Right(right.group, right.resource, tuple(refused)))


def _allowed(api: Api, right: Right, verb: str, namespace: str) -> bool:
    resource, _, subresource = right.resource.partition("/")
    asked = {
        "group": right.group,
        "resource": resource,
        "subresource": subresource,
        "verb": verb,
        "namespace": namespace,
    }
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": asked},
    }
    try:
        return bool(api.call("POST", _REVIEWS, review)["status"]["allowed"])
    except ApiRefused:
        return True  # who may not even ask is told by the request itself
