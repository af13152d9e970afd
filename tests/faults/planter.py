"""Plants a fault under a run that is held meanwhile, and sees to it that it stays."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

from svcproof.clusters.kubernetes import KubernetesCluster
from svcproof.errors import ApiRefused, ApplyFailed, ClusterProblem, SvcproofError
from svcproof.faults import Fault, Scene, Undo, planted
from svcproof.recorder import Recorder
from svcproof.snapshot import Pod
from svcproof.waits import wait_for
from tests.faults.plantings import Planting

__all__ = ["Planter", "SuiteScene", "contains", "namespaces"]

_NOT_FOUND: Final = 404
_NEVER_READY: Final = "svcproof.dev/never-ready"
_READY_SECONDS: Final = 120.0
#: A test that changes the object back measures not before kube-proxy has synced: a second.
_LOOK_SECONDS: Final = 0.1
_LOOKS_FOR_DRIFT: Final = 5


def namespaces(cluster: KubernetesCluster) -> list[str]:
    """Those that runs have made and nobody has deleted yet."""
    items = cluster.api.get("/api/v1/namespaces")["items"]
    names = [item["metadata"]["name"] for item in items]
    return [name for name in names if name.startswith("svcproof-")]


@dataclass(frozen=True)
class SuiteScene(Scene):
    """Remembers what a fault rests on: the objects that it changed, the Pods that it chose."""

    changed: list[tuple[str, str, Mapping[str, Any]]] = field(default_factory=list)
    chosen: set[str] = field(default_factory=set)

    def patch(self, undo: Undo, kind: str, name: str, changes: Any, *, back: Any) -> None:
        self.changed.append((kind, name, changes))
        super().patch(undo, kind, name, changes, back=back)

    def pod(self, app: str, node: str = "") -> Pod:
        pod = super().pod(app, node)
        self.chosen.add(pod.name)
        return pod

    def settled(self) -> None:
        """What the injection itself has replaced is not rested on."""
        self.chosen.intersection_update(self._living())

    def drift(self) -> str:
        """What is not any more as the fault left it; "" where all is."""
        gone = self.chosen - self._living()
        if gone:
            return f"gone: {', '.join(sorted(gone))}"
        for kind, name, changes in self.changed:
            if not contains(_read(self.cluster, kind, name, self.namespace), changes):
                return f"changed back: {kind} {name}"
        return ""

    def _living(self) -> set[str]:
        return {pod.name for pod in self.snapshot().pods if not pod.terminating}

    def _patch(self, kind: str, name: str, changes: Any) -> None:
        """A Pod that a test has deleted needs no patch back."""
        try:
            super()._patch(kind, name, changes)
        except ApplyFailed:
            if kind != "Pod" or _read(self.cluster, kind, name, self.namespace) is not None:
                raise


class Planter:
    """One planting. ``close`` heals, whatever state it is in.

    The fault is planted by :meth:`plant`. From then on it is planted again whenever a
    run has undone it. Between :meth:`suspend` and :meth:`resume` a run applies objects,
    and waits for what it applied: a fault in them is healed meanwhile.
    """

    def __init__(
        self, planting: Planting, cluster: KubernetesCluster, *, home: str, node: str
    ) -> None:
        self._planting = planting
        self._cluster = cluster
        self._home, self._node = home, node
        self._scene: SuiteScene | None = None
        self._healing = ExitStack()
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._suspended = False
        self._keeper: threading.Thread | None = None
        self.replanted = 0
        self.problem = ""

    def plant(self) -> None:
        """Plant it now; what prevents that is in ``problem``."""
        with self._lock, self._noting("not planted"):
            if self._planting.when == "ready":
                _await_workloads(self._cluster)
            self._scene = self._make_scene()
            self._inject()
        if self._planting.when == "ready" and not self.problem:
            self._keeper = threading.Thread(target=self._keep, daemon=True)
            self._keeper.start()

    def suspend(self) -> None:
        """A run applies its objects."""
        with self._lock:
            self._suspended = True
            if self._planting.steps_aside:
                self._healing.close()

    def resume(self) -> None:
        """It has, and they are ready."""
        with self._lock, self._noting("not planted again"):
            self._suspended = False
            if self._planting.steps_aside and self._scene is not None and not self.problem:
                self._inject()
                self.replanted += 1

    def close(self) -> None:
        """Heal; raises :class:`~svcproof.errors.HealFailed`."""
        self._ended.set()
        if self._keeper is not None:
            self._keeper.join()
        self._healing.close()

    def _inject(self) -> None:
        assert self._scene is not None
        self._scene.changed.clear()
        self._scene.chosen.clear()
        self._healing.enter_context(planted(_prepared(self._planting), self._scene))
        self._scene.settled()

    def _keep(self) -> None:
        looks = 0
        while not self._ended.wait(_LOOK_SECONDS):
            looks += 1
            with self._lock:
                if self._suspended:
                    continue
                self._keep_changed()
                if looks % _LOOKS_FOR_DRIFT == 0:
                    self._mend()

    def _mend(self) -> None:
        """Plant it again where somebody has undone it."""
        if self._scene is None or self.problem:
            return
        with self._noting("not planted again"):
            if not self._planting.keep and self._scene.drift():
                self._healing.close()
                self.replanted += 1
                self._inject()

    def _keep_changed(self) -> None:
        if self._planting.keep is None or self._scene is None:
            return
        name, change = self._planting.keep
        with self._noting("not kept"):
            service = _read(self._cluster, "Service", name, self._scene.namespace)
            wrong = change(service["spec"]) if service else None
            if wrong is not None:
                self._cluster.patch("Service", name, wrong, namespace=self._scene.namespace)
                self.replanted += 1

    @contextmanager
    def _noting(self, what: str) -> Iterator[None]:
        """Errors of svcproof end the block; the first is kept as the problem."""
        try:
            yield
        except SvcproofError as error:
            self.problem = self.problem or f"{what}: {error}"

    def _make_scene(self) -> SuiteScene:
        recorder = Recorder(None, run="faults", case=self._planting.slug)
        found = "default"
        if self._planting.when == "ready":
            found = _namespace_with(self._cluster, self._planting.anchor)
        return SuiteScene(
            cluster=self._cluster,
            namespace=found,
            run="faults",
            recorder=recorder,
            manifests=[
                {**item, "kind": kind}
                for kind, path in (("Service", "api/v1"), ("Deployment", "apis/apps/v1"))
                for item in _items(self._cluster, f"/{path}/namespaces/{found}/{kind.lower()}s")
            ],
            home=self._home,
            node=self._node,
            names=self._planting.names,
        )


def _prepared(planting: Planting) -> Fault:
    """The fault, with what the suites do not have made first."""
    prepare, fault = planting.prepare, planting.fault
    if prepare is None:
        return fault

    def inject(scene: Scene, undo: Undo) -> None:
        prepare(scene, undo)
        fault.inject(scene, undo)

    return replace(fault, inject=inject)


def _namespace_with(cluster: KubernetesCluster, service: str) -> str:
    for item in _items(cluster, "/api/v1/services"):
        metadata = item["metadata"]
        if metadata["name"] == service and metadata["namespace"].startswith("svcproof-"):
            return str(metadata["namespace"])
    raise ClusterProblem(f"no namespace has a Service {service}: is its module selected?")


def _await_workloads(cluster: KubernetesCluster) -> None:
    """All that the run has applied so far is ready."""

    def missing() -> str:
        items = [
            item
            for plural in ("deployments", "daemonsets")
            for item in _items(cluster, f"/apis/apps/v1/{plural}")
            if item["metadata"]["namespace"].startswith("svcproof-")
        ]
        return ", ".join(item["metadata"]["name"] for item in items if not _is_ready(item))

    wait_for("the run's Pods", missing, limit=_READY_SECONDS)


def _is_ready(item: Mapping[str, Any]) -> bool:
    """Whether a Deployment or a DaemonSet has all its Pods, and all are ready."""
    metadata, status = item["metadata"], item["status"]
    if _NEVER_READY in metadata.get("annotations", {}):
        return True
    wanted = status.get("desiredNumberScheduled", item["spec"].get("replicas"))
    ready = status.get("numberReady", status.get("readyReplicas", 0))
    return status.get("observedGeneration") == metadata["generation"] and ready == wanted


def _items(cluster: KubernetesCluster, path: str) -> list[Mapping[str, Any]]:
    items: list[Mapping[str, Any]] = cluster.api.get(path)["items"]
    return items


def _read(cluster: Any, kind: str, name: str, namespace: str) -> Mapping[str, Any] | None:
    """One object; None where there is none."""
    try:
        found: Mapping[str, Any] = cluster.api.get(cluster.api.path(kind, name, namespace))
    except ApiRefused as error:
        if error.status == _NOT_FOUND:
            return None
        raise
    return found


def contains(item: Any, changes: Any) -> bool:
    """Whether a JSON merge patch (RFC 7386) would change nothing."""
    if not isinstance(changes, Mapping):
        return bool(item == changes)
    if not isinstance(item, Mapping):
        return all(value is None for value in changes.values())
    return all(
        key not in item if value is None else contains(item.get(key), value)
        for key, value in changes.items()
    )
