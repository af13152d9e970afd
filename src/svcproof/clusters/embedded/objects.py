"""The few API calls a supervisor makes while it starts its cluster."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from svcproof.clusters.embedded.dns import dns_objects
from svcproof.clusters.embedded.node_config import node_object
from svcproof.clusters.embedded.plan import ClusterPlan
from svcproof.clusters.kubernetes_api import Api
from svcproof.errors import ApiRefused, EnvironmentProblem

__all__ = ["ControlPlaneClient", "pod_state"]

_CALL_LIMIT: Final = 10.0
_DNS_DEPLOYMENT: Final = "/apis/apps/v1/namespaces/kube-system/deployments/coredns"
_DNS_PODS: Final = "/api/v1/namespaces/kube-system/pods?labelSelector=k8s-app%3Dkube-dns"

Json = Mapping[str, Any]


class ControlPlaneClient:
    """The administrator's view of a cluster that is coming up.

    The ``…state`` methods return an empty text when all is well, and else
    what is lacking: states for :meth:`.starting.Starting.wait`.
    """

    def __init__(self, kubeconfig: Path) -> None:
        self._api = Api(kubeconfig, timeout=_CALL_LIMIT, temporary_directory=kubeconfig.parent)

    def readiness(self) -> str:
        """Whether the API server says that it is ready."""
        try:
            self._api.text("/readyz?verbose=false")
        except (ApiRefused, EnvironmentProblem) as error:
            return error.what
        return ""

    def create_nodes(self, plan: ClusterPlan) -> None:
        """Create every Node, with its Pod ranges and its addresses."""
        for node in plan.nodes:
            self._api.call("POST", "/api/v1/nodes", node_object(node))

    def create_dns(self, plan: ClusterPlan) -> None:
        """Create CoreDNS' objects."""
        for item in dns_objects(plan):
            metadata = item["metadata"]
            path = self._api.path(
                item["kind"], metadata["name"], metadata.get("namespace", ""), item["apiVersion"]
            )
            self._api.call("POST", path.rpartition("/")[0], item)

    def namespaces_state(self) -> str:
        """Whether Pods can be created in every namespace.

        A Pod needs its namespace's default service account and the authority's certificate.
        """
        namespaces = {item["metadata"]["name"] for item in self._items("/api/v1/namespaces")}
        for what, name, path in (
            ("service account", "default", "/api/v1/serviceaccounts"),
            ("certificate", "kube-root-ca.crt", "/api/v1/configmaps"),
        ):
            found = [item["metadata"] for item in self._items(path)]
            lacking = namespaces - {item["namespace"] for item in found if item["name"] == name}
            if lacking:
                return f"no {what} {name} yet in {', '.join(sorted(lacking))}"
        return ""

    def nodes_state(self) -> str:
        """Whether every node is Ready; node by node what its kubelet says."""
        unready = []
        for node in self._items("/api/v1/nodes"):
            conditions = {c["type"]: c for c in node["status"].get("conditions", ())}
            ready = conditions.get("Ready", {"status": "", "message": "has not reported yet"})
            if ready["status"] != "True":
                unready.append(f"{node['metadata']['name']}: {ready['message']}")
        return "; ".join(unready)

    def proxies_state(self, plan: ClusterPlan) -> str:
        """Whether every node's kube-proxy has written its rules once."""
        lacking = []
        for node in plan.nodes:
            try:
                health = self._api.get(f"/api/v1/nodes/http:{node.name}:10256/proxy/healthz")
            except (ApiRefused, EnvironmentProblem) as error:
                lacking.append(f"{node.name}: {error.what}")
                continue
            if str(health.get("lastUpdated", "0001")).startswith("0001"):
                lacking.append(f"{node.name}: no rules yet")
        return "; ".join(lacking)

    def label_zones(self, plan: ClusterPlan) -> None:
        """Tell every node's zone, once the kube-proxies listen to that.

        One that learns of its zone while it starts may never use it: its Node's first event can
        come before anybody is there to hear it, and the same labels are not told again
        (findings/zone-before-the-handler.sh).
        """
        for node in plan.nodes:
            labels = {"metadata": {"labels": {"topology.kubernetes.io/zone": node.zone}}}
            path = f"/api/v1/nodes/{node.name}"
            self._api.call("PATCH", path, labels, content_type="application/merge-patch+json")

    def dns_state(self) -> str:
        """Whether the cluster DNS has a ready Pod; what its Pods say."""
        if self._api.get(_DNS_DEPLOYMENT)["status"].get("readyReplicas"):
            return ""
        return "; ".join(map(pod_state, self._items(_DNS_PODS))) or "no Pod of CoreDNS yet"

    def _items(self, path: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self._api.get(path)["items"]
        return items


def pod_state(pod: Json) -> str:
    """A Pod, where it is, and what it waits for."""
    waiting = [
        f"{status['state']['waiting']['reason']}: {status['state']['waiting'].get('message', '')}"
        for status in pod["status"].get("containerStatuses", ())
        if "waiting" in status["state"]
    ]
    where = pod["spec"].get("nodeName", "no node")
    return f"{pod['metadata']['name']} on {where}: {', '.join(waiting) or pod['status']['phase']}"
