"""The fake cluster's objects: Deployments, DaemonSets and Services become Pods and endpoints.

Everything happens at once: what is applied is ready when ``apply`` returns.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from svcproof.clusters import objects
from svcproof.errors import ApplyFailed
from svcproof.history import Family
from svcproof.manifest_files import RUN_LABEL
from svcproof.snapshot import Endpoint, Node, Pod, Service

__all__ = ["FakeModel"]

_WORKLOADS: Final = ("Deployment", "DaemonSet")
_NODE_PORTS: Final = range(30000, 32768)
_POD_PREFIX: Final = {"ipv4": "10.244", "ipv6": "fd00:244:"}
_SERVICE_PREFIX: Final = {"ipv4": "10.96.0.", "ipv6": "fd00:96::"}

Json = dict[str, Any]
_Key = tuple[str, str, str]


@dataclass
class FakeModel:
    """What the fake API server holds, and what its controllers make of it."""

    nodes: tuple[Node, ...]
    families: tuple[Family, ...]
    namespaces: set[str] = field(default_factory=set)
    _objects: dict[_Key, Json] = field(default_factory=dict)
    _pods: dict[_Key, list[Pod]] = field(default_factory=dict)
    _numbers: dict[str, int] = field(default_factory=dict)

    def apply(self, manifest: Mapping[str, Any], namespace: str) -> None:
        """Create or change one object."""
        self._require_namespace(namespace)
        name, kind = manifest["metadata"]["name"], manifest["kind"]
        if name != name.lower() or not name.replace("-", "").isalnum():
            raise ApplyFailed(f'{kind} "{name}" is invalid: a lowercase RFC 1123 name is due')
        key = (namespace, kind, name)
        merged = _merge(self._objects.get(key, {}), manifest)
        if kind == "Service":
            self._complete_service(merged, key)
        self._objects[key] = merged
        self._reconcile(key)

    def patch(self, kind: str, name: str, changes: Mapping[str, Any], namespace: str) -> None:
        """Change one object that is there."""
        key = (namespace, kind, name)
        if key not in self._objects:
            raise ApplyFailed(f'{kind} "{name}" not found')
        self.apply(_merge(self._objects[key], changes), namespace)

    def delete(self, kind: str, name: str, namespace: str) -> None:
        """Forget one object and its Pods."""
        self._objects.pop((namespace, kind, name), None)
        self._pods.pop((namespace, kind, name), None)

    def delete_namespace(self, namespace: str) -> None:
        """Forget a namespace and all that is in it."""
        self.namespaces.discard(namespace)
        for key in [key for key in self._objects if key[0] == namespace]:
            self.delete(key[1], key[2], namespace)

    def pods(self, namespace: str) -> tuple[Pod, ...]:
        """The Pods of a namespace."""
        return tuple(pod for key, pods in self._pods.items() if key[0] == namespace for pod in pods)

    def services(self, namespace: str | None = None) -> Iterator[Service]:
        """The Services of one namespace, or of all."""
        for key, item in self._objects.items():
            if key[1] == "Service" and namespace in (None, key[0]):
                yield objects.service(item)

    def endpoints(self, service: Service, family: Family) -> list[Endpoint]:
        """The endpoints that a Service has in one family."""
        if not service.selector:
            return []
        return [
            Endpoint(
                addresses=(address,),
                ready=pod.ready,
                serving=pod.ready,
                terminating=pod.terminating,
                node=pod.node,
                pod=pod.name,
                pod_uid=pod.uid,
            )
            for pod in self.pods(service.namespace)
            if service.selector.items() <= pod.labels.items()
            for address in pod.addresses
            if (":" in address) == (family == "ipv6")
        ]

    def has_pod(self, name: str) -> bool:
        """Whether a Pod of that name is there."""
        return any(pod.name == name for pods in self._pods.values() for pod in pods)

    def run_of(self, pod_name: str) -> str:
        """The run id that a Pod answers with: the value of its run label."""
        for pods in self._pods.values():
            for pod in pods:
                if pod.name == pod_name:
                    return pod.labels.get(RUN_LABEL, "")
        return ""

    def _require_namespace(self, namespace: str) -> None:
        if namespace not in self.namespaces:
            raise ApplyFailed(f'namespaces "{namespace}" not found')

    def _complete_service(self, item: Json, key: _Key) -> None:
        spec = item["spec"]
        item["metadata"]["namespace"] = key[0]
        spec.setdefault("type", "ClusterIP")
        if "clusterIPs" not in spec:
            number = self._next("service") + 10
            spec["clusterIPs"] = [
                f"{_SERVICE_PREFIX[family]}{number}" for family in self._wanted_families(spec)
            ]
        if spec["type"] in ("NodePort", "LoadBalancer"):
            spec.setdefault("externalTrafficPolicy", "Cluster")
            for port in spec["ports"]:
                self._complete_node_port(port, key)

    def _wanted_families(self, spec: Json) -> tuple[Family, ...]:
        single = spec.get("ipFamilyPolicy", "SingleStack") == "SingleStack"
        return self.families[:1] if single else self.families

    def _complete_node_port(self, port: Json, key: _Key) -> None:
        port.setdefault("nodePort", _NODE_PORTS.start + 86 + self._next("node port"))
        number = port["nodePort"]
        if number not in _NODE_PORTS:
            raise ApplyFailed(
                f"provided port {number} is not in the valid range. The range of valid ports is "
                f"{_NODE_PORTS.start}-{_NODE_PORTS.stop - 1}"
            )
        for service in self.services():
            same = (service.namespace, "Service", service.name) == key
            if not same and any(other.node_port == number for other in service.ports):
                raise ApplyFailed(f"provided port {number} is already allocated")

    def _reconcile(self, key: _Key) -> None:
        if key[1] not in _WORKLOADS:
            return
        item = self._objects[key]
        pods = self._pods.setdefault(key, [])
        if key[1] == "DaemonSet":
            there = {pod.node for pod in pods}
            pods += [self._pod(key, item, node) for node in self.nodes if node.name not in there]
            return
        wanted = item["spec"].get("replicas", 1)
        del pods[wanted:]
        while len(pods) < wanted:
            pods.append(self._pod(key, item, self._emptiest(pods)))

    def _emptiest(self, pods: list[Pod]) -> Node:
        return min(self.nodes, key=lambda node: sum(pod.node == node.name for pod in pods))

    def _pod(self, key: _Key, item: Json, node: Node) -> Pod:
        number = self._next("pod")
        template = item["spec"]["template"]
        host_network = template["spec"].get("hostNetwork", False)
        return Pod(
            name=f"{key[2]}-{number:05x}",
            namespace=key[0],
            uid=f"00000000-0000-4000-8000-{number:012x}",
            node=node.name,
            addresses=node.addresses if host_network else self._pod_addresses(node, number),
            labels=dict(template["metadata"].get("labels", {})),
            phase="Running",
            ready=True,
            host_network=host_network,
        )

    def _pod_addresses(self, node: Node, number: int) -> tuple[str, ...]:
        place = self.nodes.index(node)
        return tuple(
            f"{_POD_PREFIX[family]}:{place:x}::{number:x}"
            if family == "ipv6"
            else f"{_POD_PREFIX[family]}.{place}.{number % 254 + 1}"
            for family in self.families
        )

    def _next(self, what: str) -> int:
        self._numbers[what] = self._numbers.get(what, 0) + 1
        return self._numbers[what]


def _merge(old: Mapping[str, Any], new: Mapping[str, Any]) -> Json:
    """RFC 7386: JSON merge patch."""
    merged = copy.deepcopy(dict(old))
    for name, value in new.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, Mapping):
            inner = merged.get(name)
            merged[name] = _merge(inner if isinstance(inner, Mapping) else {}, value)
        else:
            merged[name] = copy.deepcopy(value)
    return merged
