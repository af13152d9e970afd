"""The fake cluster's objects: Deployments, DaemonSets and Services become Pods and endpoints.

Everything happens at once: what is applied is ready when ``apply`` returns. Only
what a manifest asks for takes time: ``--ready-after`` and ``--linger``.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from svcproof.clusters import objects
from svcproof.errors import ApplyFailed
from svcproof.history import Family
from svcproof.manifest_files import RUN_LABEL, patched
from svcproof.snapshot import Endpoint, EndpointSlice, Node, Pod, Service, ServicePort

__all__ = ["FakeModel"]

_WORKLOADS: Final = ("Deployment", "DaemonSet")
_NODE_PORTS: Final = range(30000, 32768)
#: Ports are drawn from here on; those below are free to be chosen (KEP-3668).
_FIRST_DRAWN: Final = 30086
_POD_PREFIX: Final = {"ipv4": "10.244", "ipv6": "fd00:244"}
_FAMILY_WORDS: Final = {"ipv4": "IPv4", "ipv6": "IPv6"}
_SERVICE_PREFIX: Final = {"ipv4": "10.96.0.", "ipv6": "fd00:96::"}
_UNITS: Final = {"ms": 1_000_000, "s": 1_000_000_000, "m": 60_000_000_000, "h": 3_600_000_000_000}
_HOSTNAME: Final = "kubernetes.io/hostname"
_NEVER: Final = 1 << 63

Json = dict[str, Any]
_Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class _Life:
    """A Pod, what it was made from, and when its states change."""

    pod: Pod
    template: Json
    ready_ns: int
    gone_ns: int = _NEVER


@dataclass
class FakeModel:
    """What the fake API server holds, and what its controllers make of it.

    ``clock`` tells nanoseconds. ``revision`` grows with every change.
    """

    nodes: tuple[Node, ...]
    families: tuple[Family, ...]
    clock: Callable[[], int]
    namespaces: set[str] = field(default_factory=set)
    revision: int = 0
    _objects: dict[_Key, Json] = field(default_factory=dict)
    _next_drawn: int = _FIRST_DRAWN
    _lives: dict[_Key, list[_Life]] = field(default_factory=dict)
    _numbers: dict[str, int] = field(default_factory=dict)
    _next_ns: int = _NEVER

    def tick(self) -> int:
        """Let time pass; the revision now."""
        if self.clock() >= self._next_ns:
            self._age()
        return self.revision

    def apply(self, manifest: Mapping[str, Any], namespace: str, *, lax: bool = False) -> Json:
        """Create or change one object; ``lax`` takes any node port. The object as it is then."""
        self._require_namespace(namespace)
        name, kind = manifest["metadata"]["name"], manifest["kind"]
        if name != name.lower() or not name.replace("-", "").isalnum():
            raise ApplyFailed(f'{kind} "{name}" is invalid: a lowercase RFC 1123 name is due')
        key = (namespace, kind, name)
        return self._store(key, patched(self._objects.get(key, {}), manifest), lax=lax)

    def patch(self, kind: str, name: str, changes: Mapping[str, Any], namespace: str) -> Json:
        """Change one object that is there; the object as it is then (of a Pod nothing)."""
        if kind == "Pod":
            self._patch_pod(name, changes, namespace)
            return {}
        key = (namespace, kind, name)
        if key not in self._objects:
            raise ApplyFailed(f'{kind} "{name}" not found')
        return self._store(key, patched(self._objects[key], changes))

    def delete(self, kind: str, name: str, namespace: str) -> None:
        """Forget one object and its Pods; a Pod is replaced."""
        self.revision += 1
        self._objects.pop((namespace, kind, name), None)
        self._lives.pop((namespace, kind, name), None)
        if kind == "Pod":
            for key in [key for key in self._lives if key[0] == namespace]:
                self._lives[key] = [life for life in self._lives[key] if life.pod.name != name]
                self._reconcile(key)

    def delete_namespace(self, namespace: str) -> None:
        """Forget a namespace and all that is in it."""
        self.revision += 1
        self.namespaces.discard(namespace)
        for held in (self._objects, self._lives):
            for key in [key for key in held if key[0] == namespace]:
                del held[key]

    def pods(self, namespace: str) -> tuple[Pod, ...]:
        """The Pods of a namespace."""
        return tuple(
            life.pod for key in self._lives if key[0] == namespace for life in self._lives[key]
        )

    def services(self, namespace: str | None = None) -> Iterator[Service]:
        """The Services of one namespace, or of all."""
        for key, item in self._objects.items():
            if key[1] == "Service" and namespace in (None, key[0]):
                yield objects.service(item)

    def endpoints(self, service: Service) -> list[Endpoint]:
        """All endpoints that a Service has, one for each address."""
        if not service.selector:
            return []
        zones = {node.name: node.zone for node in self.nodes}
        return [
            Endpoint(
                addresses=(address,),
                ready=(pod.ready or service.publish_not_ready_addresses) and not pod.terminating,
                serving=pod.ready or service.publish_not_ready_addresses,
                terminating=pod.terminating,
                node=pod.node,
                zone=zones[pod.node],
                pod=pod.name,
                pod_uid=pod.uid,
            )
            for pod in self.pods(service.namespace)
            if service.selector.items() <= pod.labels.items()
            for address in pod.addresses
        ]

    def slices(self, service: Service, endpoints: list[Endpoint]) -> Iterator[EndpointSlice]:
        """The endpoints as EndpointSlices: one for each family and each set of port numbers."""
        item = self._objects[service.namespace, "Service", service.name]
        for family in self._wanted_families(item["spec"]):
            grouped: dict[tuple[tuple[str, int], ...], list[Endpoint]] = {}
            for endpoint in endpoints:
                if (":" in endpoint.addresses[0]) == (family == "ipv6"):
                    grouped.setdefault(self._ports(service, endpoint), []).append(endpoint)
            for number, (ports, group) in enumerate((grouped or {(): []}).items()):
                yield EndpointSlice(
                    name=f"{service.name}-{family}-{number}",
                    service=service.name,
                    family="IPv6" if family == "ipv6" else "IPv4",
                    ports=dict(ports),
                    endpoints=tuple(group),
                )

    def pod_of(self, uid: str) -> Pod | None:
        """The Pod of that UID, if it is there."""
        lives = (life for lives in self._lives.values() for life in lives)
        return next((life.pod for life in lives if life.pod.uid == uid), None)

    def pod_at(self, address: str) -> Pod | None:
        """The Pod with an address of its own that is this one."""
        lives = (life for lives in self._lives.values() for life in lives)
        return next(
            (p.pod for p in lives if address in p.pod.addresses and not p.pod.host_network), None
        )

    def run_of(self, uid: str) -> str:
        """The run id that a Pod answers with: the value of its run label."""
        pod = self.pod_of(uid)
        return pod.labels.get(RUN_LABEL, "") if pod is not None else ""

    def _store(self, key: _Key, item: Json, *, lax: bool = False) -> Json:
        if key[1] == "Service":
            self._complete_service(item, key, lax=lax)
        self._objects[key] = item
        self._reconcile(key)
        self.revision += 1
        return copy.deepcopy(item)

    def _ports(self, service: Service, endpoint: Endpoint) -> tuple[tuple[str, int], ...]:
        resolved = ((port.name, self._number(port, endpoint)) for port in service.ports)
        return tuple((name, number) for name, number in resolved if number is not None)

    def _number(self, port: ServicePort, endpoint: Endpoint) -> int | None:
        if not isinstance(port.target_port, str):
            return port.target_port
        lives = (life for lives in self._lives.values() for life in lives)
        for life in lives:
            if life.pod.uid == endpoint.pod_uid:
                for container in _running(life.template["spec"]):
                    for offered in container.get("ports", ()):
                        if offered.get("name") == port.target_port:
                            return int(offered["containerPort"])
        return None

    def _require_namespace(self, namespace: str) -> None:
        if namespace not in self.namespaces:
            raise ApplyFailed(f'namespaces "{namespace}" not found')

    def _complete_service(self, item: Json, key: _Key, *, lax: bool) -> None:
        spec = item["spec"]
        item["metadata"]["namespace"] = key[0]
        kind = spec.setdefault("type", "ClusterIP")
        if kind == "ExternalName":
            return
        spec["ipFamilies"] = [_FAMILY_WORDS[family] for family in self._wanted_families(spec)]
        if spec.get("clusterIP") == "None":
            spec["clusterIPs"] = ["None"]
        if "clusterIPs" not in spec:
            number = self._next("service") + 10
            spec["clusterIPs"] = [
                f"{_SERVICE_PREFIX[family]}{number}" for family in self._wanted_families(spec)
            ]
        if kind in ("NodePort", "LoadBalancer"):
            spec.setdefault("externalTrafficPolicy", "Cluster")
            for port in spec["ports"]:
                self._complete_node_port(port, spec, key, lax=lax)
        if kind == "LoadBalancer" and spec["externalTrafficPolicy"] == "Local":
            if "healthCheckNodePort" not in spec:
                spec["healthCheckNodePort"] = self._free_node_port(spec)
        else:
            spec.pop("healthCheckNodePort", None)

    def _wanted_families(self, spec: Json) -> tuple[Family, ...]:
        single = spec.get("ipFamilyPolicy", "SingleStack") == "SingleStack"
        return self.families[:1] if single else self.families

    def _complete_node_port(self, port: Json, spec: Json, key: _Key, *, lax: bool) -> None:
        if "nodePort" not in port:
            port["nodePort"] = self._kept_node_port(port, key) or self._free_node_port(spec)
        number = port["nodePort"]
        wrong = f'Service "{key[2]}" is invalid: spec.ports[0].nodePort: Invalid value: {number}: '
        if number not in _NODE_PORTS and not lax:
            raise ApplyFailed(
                f"{wrong}provided port is not in the valid range. The range of valid ports is "
                f"{_NODE_PORTS.start}-{_NODE_PORTS.stop - 1}"
            )
        if number in self._node_ports(but=key) and not lax:
            raise ApplyFailed(f"{wrong}provided port is already allocated")

    def _kept_node_port(self, port: Json, key: _Key) -> int:
        """The node port that this port of the Service has had so far, or 0."""
        before = self._objects.get(key, {}).get("spec", {}).get("ports", ())
        identity = (port.get("name"), port["port"], port.get("protocol", "TCP"))
        for old in before:
            if (old.get("name"), old["port"], old.get("protocol", "TCP")) == identity:
                return int(old.get("nodePort", 0))
        return 0

    def _free_node_port(self, spec: Json) -> int:
        """The next that is free: one that was freed a moment ago is not given away at once."""
        taken = self._node_ports() | {port.get("nodePort", 0) for port in spec["ports"]}
        drawn = (*range(self._next_drawn, _NODE_PORTS.stop), *range(_FIRST_DRAWN, self._next_drawn))
        found: int = next(n for n in drawn if n not in taken)
        self._next_drawn = found + 1
        return found

    def _node_ports(self, *, but: _Key | None = None) -> set[int]:
        return {
            number
            for key, item in self._objects.items()
            if key[1] == "Service" and key != but
            for number in (
                *(port.get("nodePort", 0) for port in item["spec"].get("ports", ())),
                item["spec"].get("healthCheckNodePort", 0),
            )
        }

    def _patch_pod(self, name: str, changes: Mapping[str, Any], namespace: str) -> None:
        labels = changes.get("metadata", {}).get("labels", {})
        for key, lives in self._lives.items():
            for number, life in enumerate(lives):
                if key[0] == namespace and life.pod.name == name:
                    changed = {k: v for k, v in (life.pod.labels | labels).items() if v is not None}
                    lives[number] = replace(life, pod=replace(life.pod, labels=changed))
                    self.revision += 1
                    self._reconcile(key)
                    return
        raise ApplyFailed(f'Pod "{name}" not found')

    def _reconcile(self, key: _Key) -> None:
        if key[1] not in _WORKLOADS or key not in self._objects:
            return
        item = self._objects[key]
        lives = self._lives.setdefault(key, [])
        selector = item["spec"]["selector"]["matchLabels"]
        mine = [
            life
            for life in lives
            if selector.items() <= life.pod.labels.items() and not life.pod.terminating
        ]
        current = [life for life in mine if life.template == item["spec"]["template"]]
        if key[1] == "DaemonSet":
            there = {life.pod.node for life in current}
            made = [self._born(key, item, node) for node in self.nodes if node.name not in there]
            kept = current
        else:
            kept = current[: item["spec"].get("replicas", 1)]
            made = []
            while len(kept) + len(made) < item["spec"].get("replicas", 1):
                made.append(self._born(key, item, self._emptiest(item, [*kept, *made])))
        ended = [self._dying(life) for life in mine if not any(life is other for other in kept)]
        others = [life for life in lives if not any(life is other for other in mine)]
        self._lives[key] = [*kept, *made, *others, *(life for life in ended if life is not None)]
        self._plan()

    def _emptiest(self, item: Json, lives: list[_Life]) -> Node:
        wanted = item["spec"]["template"]["spec"].get("nodeSelector", {}).get(_HOSTNAME)
        nodes = [node for node in self.nodes if wanted in (None, node.name)] or list(self.nodes)
        return min(nodes, key=lambda node: sum(life.pod.node == node.name for life in lives))

    def _born(self, key: _Key, item: Json, node: Node) -> _Life:
        number = self._next("pod")
        template = copy.deepcopy(item["spec"]["template"])
        host_network = template["spec"].get("hostNetwork", False)
        ready_after = _told(template, "--ready-after")
        pod = Pod(
            name=f"{key[2]}-{number:05x}",
            namespace=key[0],
            uid=f"00000000-0000-4000-8000-{number:012x}",
            node=node.name,
            addresses=node.addresses if host_network else self._pod_addresses(node, number),
            labels=dict(template["metadata"].get("labels", {})),
            phase="Running",
            ready=not ready_after,
            host_network=host_network,
        )
        return _Life(pod, template, self.clock() + ready_after if ready_after else 0)

    def _dying(self, life: _Life) -> _Life | None:
        """What is left of a deleted Pod; one that does not linger is gone at once."""
        linger = _told(life.template, "--linger")
        if not linger:
            return None
        # A Pod whose readiness is probed says at once that it leaves.
        probed = any("readinessProbe" in c for c in life.template["spec"].get("containers", ()))
        pod = replace(life.pod, terminating=True, ready=life.pod.ready and not probed)
        return replace(life, pod=pod, gone_ns=self.clock() + linger)

    def _age(self) -> None:
        now = self.clock()
        for key, lives in self._lives.items():
            self._lives[key] = [
                replace(life, pod=replace(life.pod, ready=True), ready_ns=0)
                if 0 < life.ready_ns <= now and not life.pod.terminating
                else life
                for life in lives
                if life.gone_ns > now
            ]
        self.revision += 1
        self._plan()

    def _plan(self) -> None:
        now = self.clock()
        times = [
            t for lives in self._lives.values() for e in lives for t in (e.ready_ns, e.gone_ns)
        ]
        self._next_ns = min((time for time in times if time > now), default=_NEVER)

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


def _running(spec: Json) -> list[Json]:
    """The containers that run together: a sidecar is an init container that goes on (KEP-753)."""
    sidecars = (each for each in spec.get("initContainers", ()) if "restartPolicy" in each)
    return [*spec.get("containers", ()), *sidecars]


def _told(template: Json, flag: str) -> int:
    """A duration that a container's command line says, in nanoseconds."""
    for container in template["spec"].get("containers", ()):
        for word in container.get("command", ()):
            found = re.fullmatch(rf"{flag}=(\d+)(ms|s|m|h)", str(word))
            if found:
                return int(found[1]) * _UNITS[found[2]]
    return 0
