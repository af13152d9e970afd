"""What is read of manifests, as types: a file that says something else is refused where it says it.

Only the fields that svcproof reads are here; all others are the API server's to judge. The
types are those of the Kubernetes API.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from svcproof.errors import UsageError

__all__ = ["checked"]


class _Shape(msgspec.Struct, rename="camel"):
    pass


class _Metadata(_Shape):
    name: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    owner_references: list[dict[str, Any]] | None = None


class _Object(_Shape):
    api_version: str
    kind: str
    metadata: _Metadata


class _Term(_Shape):
    key: str
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: list[str] | None = None


class _Selector(_Shape):
    match_labels: dict[str, str] | None = None
    match_expressions: list[_Term] | None = None


class _Container(_Shape):
    name: str
    image: str | None = None
    security_context: dict[str, Any] | None = None
    volume_mounts: list[dict[str, Any]] | None = None
    resources: dict[str, Any] | None = None


class _PodSpec(_Shape):
    containers: list[_Container]
    init_containers: list[_Container] | None = None
    host_network: bool | None = None
    security_context: dict[str, Any] | None = None
    tolerations: list[dict[str, Any]] | None = None
    volumes: list[dict[str, Any]] | None = None


class _Template(_Shape):
    spec: _PodSpec
    metadata: _Metadata | None = None


class _Workload(_Shape):
    selector: _Selector
    template: _Template
    replicas: int | None = None


class _OldWorkload(_Shape):
    template: _Template
    selector: dict[str, str] | None = None
    replicas: int | None = None


class _Job(_Shape):
    template: _Template
    parallelism: int | None = None


class _JobTemplate(_Shape):
    spec: _Job


class _CronJob(_Shape):
    job_template: _JobTemplate


class _Port(_Shape):
    port: int
    name: str | None = None
    protocol: str | None = None
    target_port: int | str | None = None
    node_port: int | None = None


class _ClientIP(_Shape):
    timeout_seconds: int | None = None


class _Affinity(_Shape):
    client_ip: _ClientIP | None = msgspec.field(name="clientIP", default=None)


class _Service(_Shape):
    type: str | None = None
    selector: dict[str, str] | None = None
    ports: list[_Port] | None = None
    session_affinity_config: _Affinity | None = None


class _Reference(_Shape):
    kind: str
    name: str


class _Autoscaler(_Shape):
    scale_target_ref: _Reference


#: Kind → the apiVersion whose objects are read, and what its spec is.
_KINDS: Final[Mapping[str, tuple[str, Any]]] = {
    "Deployment": ("apps/v1", _Workload),
    "StatefulSet": ("apps/v1", _Workload),
    "ReplicaSet": ("apps/v1", _Workload),
    "DaemonSet": ("apps/v1", _Workload),
    "ReplicationController": ("v1", _OldWorkload),
    "Job": ("batch/v1", _Job),
    "CronJob": ("batch/v1", _CronJob),
    "Pod": ("v1", _PodSpec),
    "Service": ("v1", _Service),
    "HorizontalPodAutoscaler": ("autoscaling/v2", _Autoscaler),
}


_WHOLE_CLUSTER: Final = (
    "it belongs to the whole cluster, and would stay there when this run's namespace is deleted",
    "leave it out of this file and make it beforehand",
)
#: Kind → why there can be none in a file, and what to do instead.
_REFUSED: Final[Mapping[str, tuple[str, str]]] = {
    **dict.fromkeys(
        (
            "APIService",
            "ClusterRole",
            "ClusterRoleBinding",
            "CustomResourceDefinition",
            "IngressClass",
            "MutatingAdmissionPolicy",
            "MutatingAdmissionPolicyBinding",
            "MutatingWebhookConfiguration",
            "Node",
            "PersistentVolume",
            "PriorityClass",
            "RuntimeClass",
            "ServiceCIDR",
            "StorageClass",
            "ValidatingAdmissionPolicy",
            "ValidatingAdmissionPolicyBinding",
            "ValidatingWebhookConfiguration",
        ),
        _WHOLE_CLUSTER,
    ),
    "NetworkPolicy": (
        "it bars svcproof's own clients, which are in the same namespace: which connections it "
        "lets pass is not among the rules that are known here",
        "leave it out of this file: what is measured is the Service without it",
    ),
}


def checked(manifest: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The same object without what is ``null``, which means left out.

    Raises :class:`~svcproof.errors.UsageError`, which begins with ``where``, for what is no
    object, for a field that is read and has another type, and for kinds that no run may make.
    """
    kind, version, name = _identity(manifest, where)
    if kind in _REFUSED:
        why, instead = _REFUSED[kind]
        raise UsageError(f"{where}: {kind} {name}: {why}", remedy=instead)
    read_version, shape = _KINDS.get(kind, ("", None))
    if shape is None:  # what is null there may mean something
        return {**manifest, "metadata": _without_nulls(manifest["metadata"])}
    if version.partition("/")[0] != read_version.partition("/")[0]:
        raise UsageError(
            f"{where}: {kind} {name} is of {version}, and svcproof knows those of {read_version}",
            remedy="leave it out of this file and make it beforehand",
        )
    spec = manifest.get("spec")
    try:
        msgspec.convert({} if spec is None else spec, shape)
    except msgspec.ValidationError as error:
        raise UsageError(
            f"{where}: {kind} {name}: {str(error).replace('`$', '`spec')}",
            remedy=f"compare it with `kubectl explain {kind.lower()}.spec`",
        ) from error
    return {"spec": {}, **_without_nulls(manifest)}


def _identity(manifest: Any, where: str) -> tuple[str, str, str]:
    """Its kind, apiVersion and name."""
    kind = manifest.get("kind") if isinstance(manifest, Mapping) else None
    if not isinstance(kind, str):
        raise UsageError(f"{where}: a document that is no Kubernetes object (no kind)")
    metadata = manifest.get("metadata")
    if isinstance(metadata, Mapping) and not metadata.get("name"):
        raise UsageError(
            f"{where}: {kind} without metadata.name",
            remedy="give it a name of its own: generateName makes another object each time",
        )
    try:
        found = msgspec.convert(manifest, _Object)
    except msgspec.ValidationError as error:
        raise UsageError(
            f"{where}: {kind}: {str(error).replace('`$.', '`')}",
            remedy=f"compare it with `kubectl explain {kind.lower()}`",
        ) from error
    return kind, found.api_version, found.metadata.name or ""


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_nulls(each) for name, each in value.items() if each is not None}
    if isinstance(value, list | tuple):
        return [_without_nulls(each) for each in value]
    return value
