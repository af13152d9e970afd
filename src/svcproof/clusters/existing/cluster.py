"""A cluster that was there before: used as a guest, and left as it was found."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from svcproof.clusters.existing.fitting import Fitting
from svcproof.clusters.existing.insight import Insight, modes_in_words
from svcproof.clusters.existing.run_card import CARD_NAME, card, labels, owner_annotations
from svcproof.clusters.kubernetes import KubernetesCluster
from svcproof.clusters.kubernetes_api import Api
from svcproof.errors import ApiRefused, ApplyFailed, ClusterProblem
from svcproof.manifest_files import RUN_LABEL
from svcproof.ports import ClusterFacts, Manifest
from svcproof.probes import OutsideClient
from svcproof.snapshot import Snapshot

__all__ = ["ExistingCluster", "delete_run"]

_NOT_FOUND: Final = 404
#: In a namespace that stays, these are deleted by label; their Pods follow.
_MADE: Final = (
    "/apis/apps/v1/namespaces/{}/deployments",
    "/apis/apps/v1/namespaces/{}/daemonsets",
    "/api/v1/namespaces/{}/services",
    "/api/v1/namespaces/{}/pods",
    "/api/v1/namespaces/{}/configmaps",
)
#: The same of what a manifest of somebody's own may have beside; not everybody may list them.
_OTHERS: Final = (
    *(f"/apis/apps/v1/namespaces/{{}}/{name}" for name in ("statefulsets", "replicasets")),
    *(f"/apis/batch/v1/namespaces/{{}}/{name}" for name in ("cronjobs", "jobs")),
    "/apis/autoscaling/v2/namespaces/{}/horizontalpodautoscalers",
    "/apis/policy/v1/namespaces/{}/poddisruptionbudgets",
    "/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices",
    *(
        f"/api/v1/namespaces/{{}}/{name}"
        for name in (
            "replicationcontrollers",
            "endpoints",
            "secrets",
            "serviceaccounts",
            "persistentvolumeclaims",
        )
    ),
)


class ExistingCluster(KubernetesCluster):
    """Implements :class:`~svcproof.ports.Cluster` with a guest's rights.

    ``program`` are the ConfigMaps that bring our program along; none where the image has it.
    ``asks_proxies``: the nodes' kube-proxies know better than ``facts`` in which mode they are.
    Mode and domain are in :attr:`facts` as soon as a client is seen that is ready.
    """

    def __init__(
        self,
        kubeconfig: Path | None,
        facts: ClusterFacts,
        *,
        context: str = "",
        fitting: Fitting,
        program: Sequence[Manifest] = (),
        outside: Sequence[OutsideClient] = (),
        asks_proxies: bool = True,
    ) -> None:
        super().__init__(
            kubeconfig,
            facts,
            context=context,
            outside=outside,
            tolerations=fitting.placing.tolerations,
        )
        self._fitting = fitting
        self._program = program
        self._asks_proxies = asks_proxies
        self._insight = Insight(self.api, facts.node_names)
        self._runs: set[tuple[str, str]] = set()
        self._applied: dict[str, None] = {}  #: paths, in a namespace that stays

    def create_namespace(self, name: str) -> None:
        """Make a namespace, unless there is one for all of it, and put the program there."""
        if not self.facts.namespace:
            super().create_namespace(name)
            super().apply(self._program, namespace=name)

    def namespace_manifest(self, name: str) -> dict[str, Any]:
        """Marked with its owner, so that a sweep can tell whether anybody still needs it."""
        manifest = super().namespace_manifest(name)
        manifest["metadata"]["annotations"] = owner_annotations()
        return manifest

    def delete_namespace(self, name: str) -> None:
        """Ask for its deletion; of a namespace that stays, for that of everything we made in it."""
        if name != self.facts.namespace:
            super().delete_namespace(name)
            return
        for _, run in sorted(made for made in self._runs if made[0] == name):
            delete_run(self.api, name, run, also=list(self._applied))

    def apply(self, manifests: Sequence[Manifest], *, namespace: str) -> tuple[Manifest, ...]:
        """As the manifests say, with this cluster's image, nodes and rights."""
        fitted = [self._fitting.fit(manifest) for manifest in manifests]
        if namespace == self.facts.namespace:
            self._claim(fitted, namespace)
            for item in fitted:
                name = item["metadata"]["name"]
                path = self._path(item["kind"], name, namespace, item["apiVersion"])
                if path not in self._applied:
                    self._refuse_taken(item, path)
                self._applied[path] = None
        return super().apply(fitted, namespace=namespace)

    def snapshot(self, namespace: str) -> Snapshot:
        """The nodes that are used, and that namespace.

        Raises :class:`~svcproof.errors.EnvironmentProblem` as well where the first clients are
        ready and nothing can be run in them.
        """
        snapshot = super().snapshot(namespace)
        if self._insight.learn(snapshot):
            self._facts = self._learnt()
        used = set(self.facts.node_names)
        return replace(snapshot, nodes=tuple(node for node in snapshot.nodes if node.name in used))

    def _learnt(self) -> ClusterFacts:
        facts, modes = self.facts, self._insight.modes
        return replace(
            facts,
            cluster_domain=self._insight.domain or facts.cluster_domain,
            proxy_mode=modes_in_words(modes) if modes and self._asks_proxies else facts.proxy_mode,
        )

    def _refuse_taken(self, item: Manifest, path: str) -> None:
        """What was there before would be changed, and deleted in the end.

        Raises :class:`~svcproof.errors.ApplyFailed`.
        """
        where, _, name = path.rpartition("/")
        try:
            found = self.api.call("GET", where, query={"fieldSelector": f"metadata.name={name}"})
        except ApiRefused:
            return  # who may not list them cannot know
        run = (item["metadata"].get("labels") or {}).get(RUN_LABEL)
        for there in found["items"]:
            if (there["metadata"].get("labels") or {}).get(RUN_LABEL) != run:
                raise ApplyFailed(
                    f"{item['kind']} {name} is in namespace {self.facts.namespace} already, and "
                    "this run has not made it",
                    remedy="give the object another name, or the run another namespace; "
                    "what runs that are over have left is removed by `svcproof sweep`",
                )

    def _claim(self, manifests: Sequence[Manifest], namespace: str) -> None:
        """Before anything of a run stands in a namespace that stays: whose it will be."""
        for manifest in manifests:
            run = (manifest["metadata"].get("labels") or {}).get(RUN_LABEL, "")
            if run and (namespace, run) not in self._runs:
                self._runs.add((namespace, run))
                program = [_relabelled(part, run) for part in self._program]
                super().apply([card(run), *program], namespace=namespace)


def delete_run(api: Api, namespace: str, run: str, *, also: Sequence[str] = ()) -> None:
    """Delete everything that one run made in a namespace, its card last. ``also`` are paths of
    objects that it is known to have made.

    Raises :class:`~svcproof.errors.ClusterProblem` with what may be left.
    """
    left = []
    for path in also:
        left += _delete(api, *path.rsplit("/", 1))
    for path in _OTHERS:
        with contextlib.suppress(ApiRefused):  # who may not list any has made none, or ``also``
            # A Service's labels are on its EndpointSlices, too: those go with it.
            left += _delete_labelled(api, path.format(namespace), run, with_owned=False)
    for path in _MADE:
        try:
            left += _delete_labelled(api, path.format(namespace), run)
        except ApiRefused as error:
            left.append(f"{path.format(namespace)}: {error}")
    if not left:
        # Until nothing else is there, a later sweep needs it.
        maps = _MADE[-1].format(namespace)
        left = _delete(api, maps, f"{CARD_NAME}-{run}")
    if left:
        raise ClusterProblem(
            f"not everything of run {run} could be deleted in namespace {namespace}: "
            + "; ".join(left),
            remedy=f"kubectl -n {namespace} delete all,configmaps,secrets,serviceaccounts,hpa,pdb,"
            f"endpointslices,pvc -l {RUN_LABEL}={run}",
        )


def _delete_labelled(api: Api, path: str, run: str, *, with_owned: bool = True) -> list[str]:
    """What could not be deleted. One by one: a Role need not have deletecollection.
    ``with_owned``: those as well that go with another object.

    Raises :class:`~svcproof.errors.ApiRefused` where they may not be listed.
    """
    left = []
    items = api.call("GET", path, query={"labelSelector": f"{RUN_LABEL}={run}"})["items"]
    wanted = (item["metadata"] for item in items)
    names = [str(m["name"]) for m in wanted if with_owned or not m.get("ownerReferences")]
    for name in names:
        if name != f"{CARD_NAME}-{run}":
            left += _delete(api, path, name)
    return left


def _delete(api: Api, path: str, name: str) -> list[str]:
    """Why it could not be deleted; nothing if it is gone, whoever did that."""
    try:
        api.call("DELETE", f"{path}/{name}", {"propagationPolicy": "Background"})
    except ApiRefused as error:
        return [] if error.status == _NOT_FOUND else [f"{name}: {error}"]
    return []


def _relabelled(manifest: Manifest, run: str) -> Manifest:
    return {**manifest, "metadata": {**manifest["metadata"], "labels": labels(run)}}
