"""Objects as the API server's own types allow them, for hypothesis.

The types are those of the kubernetes client's models, which are made from the server's
OpenAPI document. Of the optional fields only those that svcproof reads by name are drawn:
what nobody reads can break nobody. Each may be left out, or be ``null``, as Go writes an empty
list; strings are what is usual there or something odd.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import Any, Final

from hypothesis import strategies as st
from kubernetes.client import models

import svcproof

__all__ = ["JSON", "kubernetes_object"]

Strategy = st.SearchStrategy[Any]

_READERS: Final = (
    "clusters/existing/data_plane.py",
    "clusters/objects.py",
    "drift.py",
    "manifest_files.py",
    "manifest_shapes.py",
    "workloads.py",
)
_ODD: Final = ("", "a", "b", "10", "None", "é", "\U0001f40d", "a b", "a/b", "-", "0" * 70)
_ADDRESSES: Final = ("10.0.0.1", "10.0.0.2", "fd00::1", "name.example", "None", "", "10.0.0.0/33")
#: Field, of one model or of any, → what is usual there: something odd is drawn as well.
_USUAL: Final[dict[str, tuple[str, ...]]] = {
    "address": _ADDRESSES,
    "addressType": ("IPv4", "IPv6", "FQDN"),
    "addresses": _ADDRESSES,
    "architecture": ("amd64", "arm64"),
    "clusterIP": _ADDRESSES,
    "clusterIPs": _ADDRESSES,
    "effect": ("NoSchedule", "NoExecute", "PreferNoSchedule"),
    "externalName": ("b.a.svc.cluster.local", "a.a.svc.cluster.local", "10.0.0.1", "x.example"),
    "externalTrafficPolicy": ("Cluster", "Local"),
    "internalTrafficPolicy": ("Cluster", "Local"),
    "ip": _ADDRESSES,
    "ipFamilies": ("IPv4", "IPv6"),
    "hostname": ("a", "a.b"),
    "kind": ("Pod", "Node"),
    "labels": ("a", "b"),
    "loadBalancerSourceRanges": ("10.0.0.0/8", "10.0.0.1/8", "fd00::/8", " 10.0.0.0/8 "),
    "operatingSystem": ("linux", "windows"),
    "nodeName": ("a", "b"),
    "operator": ("In", "NotIn", "Exists", "DoesNotExist", "Equal"),
    "phase": ("Running", "Pending", "Succeeded", "Failed"),
    "protocol": ("TCP", "UDP", "SCTP"),
    "reason": ("ImagePullBackOff", "ContainerCreating", "ErrImagePull"),
    "restartPolicy": ("Always", "Never", "OnFailure"),
    "sessionAffinity": ("None", "ClientIP"),
    "status": ("True", "False", "Unknown"),
    "trafficDistribution": ("PreferClose", "PreferSameNode", "PreferSameZone"),
    "type": ("Ready", "ReplicaFailure"),
    "DiscoveryV1EndpointPort.name": ("a",),
    "V1Endpoint.addresses": ("10.0.0.1", "fd00::1"),
    "V1NodeAddress.type": ("InternalIP", "ExternalIP", "Hostname"),
    "V1ServicePort.name": ("a",),
    "V1ServicePort.protocol": ("TCP", "TCP", "UDP", "SCTP"),
    "V1ServiceSpec.clusterIPs": ("10.0.0.1", "10.0.0.1", "fd00::1", "None"),
    "V1ServiceSpec.type": ("ClusterIP", "NodePort", "LoadBalancer", "ExternalName"),
}
#: Read by name to be left out of what was exported.
_ONLY_DROPPED: Final = frozenset({"generation", "managedFields", "ownerReferences", "selfLink"})
_LABELS: Final = (
    *("kubernetes.io/service-name",) * 10,
    "kubernetes.io/os",
    "kubernetes.io/hostname",
    "topology.kubernetes.io/zone",
    "svcproof.dev/never-ready",
    "svcproof.dev/run",
    "a",
    "",
)
_INTEGERS: Final = st.sampled_from((0, 1, 2, 80, 8080, 30000, 65535, -1, 2**31 - 1))
#: Nothing that JSON has is refused by a field of any type.
JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


@cache
def kubernetes_object(kind: str) -> Strategy:
    """An object of that kind, such as ``V1Pod``, with a name, as the server's lists hold it."""
    named = {
        "apiVersion": st.just(_GROUPS[kind] + "v1"),
        "kind": st.just(kind.removeprefix("V1")),
        "metadata": _model("V1ObjectMeta").flatmap(_with_identity),
    }
    return _model(kind).flatmap(lambda fields: st.fixed_dictionaries(named).map(fields.__or__))


_GROUPS: Final = {
    "V1ConfigMap": "",
    "V1CronJob": "batch/",
    "V1DaemonSet": "apps/",
    "V1Deployment": "apps/",
    "V1EndpointSlice": "discovery.k8s.io/",
    "V1Job": "batch/",
    "V1Node": "",
    "V1Pod": "",
    "V1PodDisruptionBudget": "policy/",
    "V1ReplicaSet": "apps/",
    "V1ReplicationController": "",
    "V1Service": "",
    "V1StatefulSet": "apps/",
}


def _with_identity(metadata: dict[str, Any]) -> Strategy:
    """What the server has given to everything that it lists."""
    few = st.sampled_from(("a", "b"))
    identity = st.fixed_dictionaries({"name": few, "namespace": st.just("a"), "uid": few})
    return identity.map(metadata.__or__)


@cache
def _read() -> frozenset[str]:
    """Every string in the modules that read objects, and every field of their types: what is
    read by name is among them."""
    root = Path(svcproof.__file__).parent
    nodes = [node for name in _READERS for node in ast.walk(ast.parse((root / name).read_text()))]
    words = [
        node.value
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    fields = [node.target.id for node in nodes if isinstance(node, ast.AnnAssign)]
    camel = [re.sub("_(.)", lambda letter: letter[1].upper(), name) for name in fields]
    return frozenset((*words, *camel)) - _ONLY_DROPPED


def _fields(kind: str) -> dict[str, tuple[str, bool]]:
    """JSON's name → the type, and whether the server always writes it."""
    model = getattr(models, kind)
    return {
        model.attribute_map[name]: (type_, model.model_fields[name].is_required())
        for name, type_ in model.openapi_types.items()
    }


@cache
def _model(kind: str) -> Strategy:
    """Most of them whole: else what is deep inside would be drawn too seldom."""
    return st.sampled_from((_whole, _whole, _whole, _loose)).flatmap(lambda made: made(kind))


@cache
def _whole(kind: str) -> Strategy:
    return st.fixed_dictionaries(
        {
            name: _value(f"{kind}.{name}", type_, least=1)
            for name, (type_, is_required) in _fields(kind).items()
            if is_required or name in _read()
        }
    )


@cache
def _loose(kind: str) -> Strategy:
    required: dict[str, Strategy] = {}
    optional: dict[str, Strategy] = {}
    for name, (type_, is_required) in _fields(kind).items():
        value = _value(f"{kind}.{name}", type_)
        if is_required:
            required[name] = value | st.none() if type_.startswith(("List", "Dict")) else value
        elif name in _read():
            optional[name] = value | st.none()
    return st.fixed_dictionaries(required, optional=optional)


def _value(name: str, type_: str, *, least: int = 0) -> Strategy:
    """What a field may hold; ``name`` is its model's and its own."""
    if type_ == "str" and name.partition(".")[2] not in _read():
        return st.just("a")
    if inner := re.fullmatch(r"List\[(.*)\]", type_):
        return st.lists(_value(name, inner[1]), min_size=least, max_size=2)
    if inner := re.fullmatch(r"Dict\[str, (.*)\]", type_):
        keys = st.sampled_from(_LABELS)
        return st.dictionaries(keys, _value(name, inner[1]), min_size=least, max_size=2)
    if type_ == "str":
        usual = _USUAL.get(name) or _USUAL.get(name.partition(".")[2], ())
        return st.sampled_from((*usual * (4 * len(_ODD) // max(len(usual), 1)), *_ODD))
    if type_ in _SCALARS:
        return _SCALARS[type_]
    return st.deferred(lambda: _model(type_))


_SCALARS: Final[dict[str, Strategy]] = {
    "bool": st.booleans(),
    "bytes": st.just("AAAA"),
    "datetime": st.just("2026-01-01T00:00:00Z"),
    "float": st.just(1.5),
    "int": _INTEGERS,
    # Numbers or names, as of targetPort and maxUnavailable; else whatever JSON has.
    "object": st.sampled_from((80, "a", "50%", 0)),
}
