"""A cluster behind an API server: what embedded, kind and existing clusters have in common."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from svcproof.clusters import objects
from svcproof.clusters.kubernetes_api import Api
from svcproof.clusters.looks import SharedLooks
from svcproof.clusters.placing import Toleration
from svcproof.clusters.pod_command import run_in_pod
from svcproof.errors import ApiRefused, ApplyFailed
from svcproof.history import Attempt, Position
from svcproof.limits import DEFAULT_LIMITS, Limits
from svcproof.ports import ClusterFacts, Manifest, ProbePlan
from svcproof.probes import OutsideClient
from svcproof.probes.pod_exec import PodProber
from svcproof.snapshot import Service, Snapshot
from svcproof.waits import wait_for

__all__ = ["KubernetesCluster"]

_FIELD_MANAGER: Final = "svcproof"
_APPLY: Final = "application/apply-patch+yaml"
_MERGE: Final = "application/merge-patch+json"
_CONFLICT: Final = 409
_FORBIDDEN: Final = 403
_NOT_FOUND: Final = 404
#: Lists that are asked for at the same time: four of a look, of two namespaces.
_LISTS: Final = 8


class KubernetesCluster:
    """Implements :class:`~svcproof.ports.Cluster` for a kubeconfig.

    ``outside`` are the clients that are neither node nor Pod. ``on_close`` is
    what ends the cluster, if this run started it. ``tolerations`` are what its Pods tolerate
    beside what their manifests say. ``temporary_directory`` is
    where the kubernetes client may write the kubeconfig's certificates.
    """

    def __init__(
        self,
        kubeconfig: Path | None,
        facts: ClusterFacts,
        *,
        context: str = "",
        outside: Sequence[OutsideClient] = (),
        on_close: Callable[[], None] | None = None,
        tolerations: Sequence[Toleration] = (),
        limits: Limits = DEFAULT_LIMITS,
        temporary_directory: Path | None = None,
    ) -> None:
        self._facts = facts
        self._limits = limits
        self._outside = {client.position.name: client for client in outside}
        self._on_close = on_close
        self._tolerations = tolerations
        self._probers: dict[tuple[str, str], PodProber] = {}
        self._probers_lock = threading.Lock()
        self._looks = SharedLooks(self._look)
        self._lists = ThreadPoolExecutor(_LISTS, thread_name_prefix="svcproof-lists")
        self.kubeconfig = kubeconfig
        self.api = Api(
            kubeconfig,
            context=context,
            timeout=limits.api_call,
            temporary_directory=temporary_directory,
        )

    @property
    def facts(self) -> ClusterFacts:
        """What this cluster is."""
        return self._facts

    def create_namespace(self, name: str) -> None:
        """Make a namespace and wait for its default service account: Pods need it."""
        self._change("POST", "/api/v1/namespaces", self.namespace_manifest(name))
        wait_for(
            f"the default service account of namespace {name}",
            lambda: self._lacking(f"/api/v1/namespaces/{name}/serviceaccounts/default"),
            limit=self._limits.workload_ready,
            interval=0.03,
            remedy="look whether the kube-controller-manager is alive",
        )

    def namespace_manifest(self, name: str) -> dict[str, Any]:
        """A namespace as this cluster makes it."""
        labels = {
            "app.kubernetes.io/managed-by": "svcproof",
            # Clients in the host network are not allowed below this level.
            "pod-security.kubernetes.io/enforce": "privileged",
        }
        return {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": labels},
        }

    def delete_namespace(self, name: str) -> None:
        """Ask for a namespace's deletion; one that is not there is no error."""
        self._delete(f"/api/v1/namespaces/{name}")

    def apply(self, manifests: Sequence[Manifest], *, namespace: str) -> tuple[Manifest, ...]:
        """Server-side apply, so that applying again changes things back."""
        stored = []
        for manifest in manifests:
            name = manifest["metadata"]["name"]
            path = self._path(manifest["kind"], name, namespace, manifest["apiVersion"])
            stored.append(
                self._change(
                    "PATCH",
                    path,
                    manifest,
                    content_type=_APPLY,
                    query={"fieldManager": _FIELD_MANAGER, "force": "true"},
                )
            )
        return tuple(stored)

    def patch(self, kind: str, name: str, changes: Manifest, *, namespace: str) -> Manifest:
        """Change fields of one object (RFC 7386)."""
        path = self._path(kind, name, namespace)
        return self._change(
            "PATCH", path, changes, content_type=_MERGE, query={"fieldManager": _FIELD_MANAGER}
        )

    def delete(self, kind: str, name: str, *, namespace: str) -> None:
        """Delete one object; its Pods follow."""
        self._delete(self._path(kind, name, namespace))

    def snapshot(self, namespace: str) -> Snapshot:
        """The nodes and that namespace, as they are after this was called."""
        return self._looks.snapshot(namespace)

    def _look(self, namespace: str) -> Snapshot:
        """Four lists, one call each, side by side."""
        scoped = f"/namespaces/{namespace}"
        nodes, listed, pods, slices = (
            self._lists.submit(self._items, path)
            for path in (
                "/api/v1/nodes",
                f"/api/v1{scoped}/services",
                f"/api/v1{scoped}/pods",
                f"/apis/discovery.k8s.io/v1{scoped}/endpointslices",
            )
        )
        shown = tuple(objects.node(item, self._tolerations) for item in nodes.result())
        services = tuple(map(objects.service, listed.result()))
        others, absent = self._aliased(services, namespace)
        return Snapshot(
            nodes=shown,
            pods=tuple(map(objects.pod, pods.result())),
            services=services,
            others=others,
            absent=absent,
            slices=tuple(map(objects.endpoint_slice, slices.result())),
        )

    def _aliased(
        self, services: Iterable[Service], namespace: str
    ) -> tuple[tuple[Service, ...], frozenset[str]]:
        """The Services of other namespaces to which aliases lead, those on the way included, and
        the names that nobody has; of one that may not be read neither."""
        found: dict[str, Service] = {}
        absent: set[str] = set()
        names = [each.external_name for each in services if each.type == "ExternalName"]
        for text in names:  # grows meanwhile
            name = text.rstrip(".").lower()
            labels = name.removesuffix(f".svc.{self.facts.cluster_domain}").split(".")
            inside = name.endswith(f".svc.{self.facts.cluster_domain}") and len(labels) == 2
            if not inside or labels[1] == namespace or name in found or name in absent:
                continue
            try:
                other = self.api.get(f"/api/v1/namespaces/{labels[1]}/services/{labels[0]}")
            except ApiRefused as error:
                if error.status == _NOT_FOUND:
                    absent.add(name)
                continue
            found[name] = objects.service(other)
            names.append(found[name].external_name)
        return tuple(found.values()), frozenset(absent)

    def why_no_pods(self, namespace: str, kind: str, name: str) -> str:
        """The condition ReplicaFailure, or else the last event FailedCreate if it may be read."""
        try:
            # Listing is what a run may do.
            listed = self._items(self.api.path(kind, name, namespace).rpartition("/")[0])
            for item in listed:
                for condition in item.get("status", {}).get("conditions") or ():
                    failed = (condition["type"], condition["status"]) == ("ReplicaFailure", "True")
                    if item["metadata"]["name"] == name and failed:
                        return str(condition.get("message", ""))
                if item["metadata"]["name"] == name and _has_pods(item.get("status") or {}):
                    return ""  # some were made: an event may be of long ago
            selector = urlencode({"fieldSelector": "reason=FailedCreate"})
            events = self._items(f"/api/v1/namespaces/{namespace}/events?{selector}")
        except ApiRefused:
            return ""
        # A Deployment's are its ReplicaSets', which have a hash behind their names.
        mine = [each for each in events if name in _own_names(each["involvedObject"])]
        return str(mine[-1].get("message", "")) if mine else ""

    def pods_left(self, namespace: str) -> int | None:
        """How many more Pods its quotas (``pods``, ``count/pods``, of all Pods) let a namespace
        have."""
        try:
            quotas = self._items(f"/api/v1/namespaces/{namespace}/resourcequotas")
        except ApiRefused:
            return None
        if not quotas:
            return None
        from kubernetes.utils.quantity import parse_quantity

        left = []
        for quota in quotas:
            spec, status = quota.get("spec") or {}, quota.get("status") or {}
            if spec.get("scopes") or spec.get("scopeSelector"):
                continue  # of some kinds of Pods only
            hard, used = status.get("hard") or {}, status.get("used") or {}
            left += [
                int(parse_quantity(hard[name]) - parse_quantity(used[name]))
                for name in ("pods", "count/pods")
                if name in hard and name in used
            ]
        return max(0, min(left)) if left else None

    def outside_positions(self) -> tuple[Position, ...]:
        """The clients outside the cluster."""
        return tuple(client.position for client in self._outside.values())

    def probe(self, position: Position, plan: ProbePlan) -> Generator[Attempt, None, None]:
        """Probe from outside, or in the position's Pod."""
        if position.kind == "outside":
            return self._outside[position.name].prober.probe(plan)
        return self._prober(position.namespace, position.pod).probe(plan)

    def run_in_pod(self, namespace: str, pod: str, command: Sequence[str]) -> tuple[int, str, str]:
        """Run a command in a Pod's first container."""
        return run_in_pod(self.api, namespace, pod, command, limit=self._limits.api_call)

    def close(self) -> None:
        """Close the connections, and end the cluster if it is this run's."""
        with self._probers_lock:
            probers = list(self._probers.values())
            self._probers.clear()
        for prober in probers:
            prober.close()
        self._lists.shutdown(wait=False)
        self.api.close()
        if self._on_close is not None:
            on_close, self._on_close = self._on_close, None
            on_close()

    def _prober(self, namespace: str, pod: str) -> PodProber:
        """A Pod's prober: one, for it keeps its connection."""
        with self._probers_lock:
            prober = self._probers.get((namespace, pod))
            if prober is None:
                prober = PodProber(self.api, namespace=namespace, pod=pod)
                self._probers[namespace, pod] = prober
            return prober

    def _items(self, path: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.api.get(path)["items"]
        return items

    def _path(self, kind: str, name: str, namespace: str, api_version: str = "") -> str:
        try:
            return self.api.path(kind, name, namespace, api_version)
        except ApiRefused as error:
            raise ApplyFailed(f"{kind} {name}: {error}") from error

    def _change(self, method: str, path: str, body: Manifest, **options: Any) -> Manifest:
        try:
            changed: Manifest = self.api.call(method, path, body, **options)
        except ApiRefused as error:
            forbidden = error.status == _FORBIDDEN
            raise ApplyFailed(f"{method} {path}: {error}", is_forbidden=forbidden) from error
        return changed

    def _delete(self, path: str) -> None:
        try:
            self.api.call("DELETE", path, {"propagationPolicy": "Background"})
        except ApiRefused as error:
            # A namespace that is being deleted answers 409 to a second request.
            if error.status not in (_NOT_FOUND, _CONFLICT):
                raise ApplyFailed(f"DELETE {path}: {error}") from error

    def _lacking(self, path: str) -> str:
        try:
            self.api.get(path)
        except ApiRefused as error:
            if error.status == _NOT_FOUND:
                return "not there yet"
            raise
        return ""


def _own_names(subject: Manifest) -> tuple[str, str]:
    name = str(subject.get("name", ""))
    return name, name.rpartition("-")[0]


def _has_pods(status: Manifest) -> bool:
    return any(status.get(name) for name in ("replicas", "currentNumberScheduled"))
