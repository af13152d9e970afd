"""The few API calls a supervisor makes while it starts its cluster."""

from __future__ import annotations

import http
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from svcproof.clusters.embedded.dns import dns_objects
from svcproof.clusters.embedded.node_config import node_object
from svcproof.clusters.embedded.plan import ClusterPlan

__all__ = ["ControlPlaneClient"]

_CALL_LIMIT: Final = 10


class ControlPlaneClient:
    """The administrator's view of a cluster that is coming up.

    Imports the Kubernetes client when it is made: a third of a second, which
    passes while the API server starts.
    """

    def __init__(self, kubeconfig: Path) -> None:
        from kubernetes import client, config

        self._client = client
        self._api = config.new_client_from_config(str(kubeconfig))
        self._core = client.CoreV1Api(self._api)
        self._apps = client.AppsV1Api(self._api)

    def ready(self) -> str:
        """An empty text when the API server says it is ready, else what it says."""
        import urllib3

        url = f"{self._api.configuration.host}/readyz"
        try:
            response = self._api.call_api("GET", url, _request_timeout=_CALL_LIMIT)
        except urllib3.exceptions.HTTPError as error:
            return type(error).__name__
        except self._client.ApiException as error:
            return f"HTTP {error.status} {error.reason}"
        return "" if response.status == http.HTTPStatus.OK else f"HTTP {response.status}"

    def create_nodes(self, plan: ClusterPlan) -> None:
        """Create every Node, with its Pod ranges and its addresses."""
        for node in plan.nodes:
            self._core.create_node(node_object(node), _request_timeout=_CALL_LIMIT)

    def create_dns(self, plan: ClusterPlan) -> None:
        """Create CoreDNS' objects."""
        from kubernetes import utils

        for item in dns_objects(plan):
            utils.create_from_dict(self._api, item)

    def namespaces_state(self) -> str:
        """An empty text when Pods can be created in every namespace, else what is missing.

        A Pod needs its namespace's default service account and the authority's certificate.
        """
        namespaces = {item.metadata.name for item in self._list(self._core.list_namespace)}
        for what, name, call in (
            ("service account", "default", self._core.list_service_account_for_all_namespaces),
            ("certificate", "kube-root-ca.crt", self._core.list_config_map_for_all_namespaces),
        ):
            items = [item.metadata for item in self._list(call)]
            lacking = namespaces - {item.namespace for item in items if item.name == name}
            if lacking:
                return f"no {what} {name} yet in {', '.join(sorted(lacking))}"
        return ""

    def nodes_state(self) -> str:
        """An empty text when every node is Ready, else node by node what its kubelet says."""
        unready = []
        for node in self._list(self._core.list_node):
            ready = {c.type: c for c in node.status.conditions or []}.get("Ready")
            if ready is None or ready.status != "True":
                said = ready.message if ready else "has not reported yet"
                unready.append(f"{node.metadata.name}: {said}")
        return "; ".join(unready)

    def dns_state(self) -> str:
        """An empty text when the cluster DNS has a ready Pod, else what its Pods say."""
        deployment = self._apps.read_namespaced_deployment_status(
            "coredns", "kube-system", _request_timeout=_CALL_LIMIT
        )
        if deployment.status.ready_replicas:
            return ""
        pods = self._core.list_namespaced_pod(
            "kube-system", label_selector="k8s-app=kube-dns", _request_timeout=_CALL_LIMIT
        )
        return "; ".join(map(_pod_state, pods.items)) or "no Pod of CoreDNS yet"


    @staticmethod
    def _list(call: Callable[..., Any]) -> list[Any]:
        return list(call(_request_timeout=_CALL_LIMIT).items)


def _pod_state(pod: Any) -> str:
    waiting = [
        f"{status.state.waiting.reason}: {status.state.waiting.message or ''}"
        for status in pod.status.container_statuses or []
        if status.state.waiting
    ]
    return f"{pod.metadata.name} on {pod.spec.node_name or 'no node'}: {', '.join(waiting) or pod.status.phase}"
