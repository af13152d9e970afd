"""What a new kind cluster lacks before it can be used, and what it is, by its API server."""

from __future__ import annotations

from typing import Any, Final

import yaml

from svcproof.clusters.embedded.dns import COREFILE
from svcproof.clusters.kubernetes_api import Api
from svcproof.errors import ApiRefused, EnvironmentProblem

__all__ = ["Look"]

_SYSTEM: Final = "/api/v1/namespaces/kube-system"
_APPS: Final = "/apis/apps/v1/namespaces/kube-system"
_MERGE: Final = "application/merge-patch+json"


class Look:
    """The questions; those for a wait answer with what is lacking, "" if nothing is."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def version(self) -> str:
        """Of the API server, as in ``1.36.4``."""
        return str(self._api.get("/version")["gitVersion"]).removeprefix("v")

    def proxy_mode(self) -> str:
        """As kube-proxy is configured; on Linux, no word means iptables."""
        config = self._api.get(f"{_SYSTEM}/configmaps/kube-proxy")["data"]["config.conf"]
        return str(yaml.safe_load(config).get("mode") or "iptables")

    def containers(self) -> dict[str, str]:
        """A node's container by its name, the control plane's first."""
        nodes = sorted(self._nodes(), key=lambda node: (not _is_control_plane(node), _name(node)))
        return {_name(node): node["spec"]["providerID"].rpartition("/")[2] for node in nodes}

    def pod_ranges(self) -> list[str]:
        """All of them."""
        return [text for node in self._nodes() for text in node["spec"].get("podCIDRs", ())]

    def outside_names_are_known(self) -> bool:
        """Whether the cluster's DNS is ours."""
        return bool(self._api.get(f"{_SYSTEM}/configmaps/coredns")["data"]["Corefile"] == COREFILE)

    def answer_outside_names(self) -> None:
        """Let CoreDNS play the outside world, as on an embedded cluster; its Pods start afresh.

        It forwards nothing any more: no name is asked of anybody outside of the machine.
        """
        self._patch(f"{_SYSTEM}/configmaps/coredns", {"data": {"Corefile": COREFILE}})
        fresh = {"metadata": {"annotations": {"svcproof.dev/corefile": "outside-names"}}}
        self._patch(f"{_APPS}/deployments/coredns", {"spec": {"replicas": 1, "template": fresh}})

    def lacking(self, nodes: int) -> str:
        """Nodes that are not Ready, then kube-proxy, then CoreDNS."""
        try:
            return self._unready(nodes) or self._without_proxy() or self._without_dns()
        except (ApiRefused, EnvironmentProblem) as error:
            return error.what

    def _unready(self, wanted: int) -> str:
        nodes = self._nodes()
        if len(nodes) < wanted:
            return f"{len(nodes)} of {wanted} nodes are known"
        unready = []
        for node in nodes:
            conditions = {c["type"]: c for c in node["status"].get("conditions", ())}
            ready = conditions.get("Ready", {"status": "", "message": "has not reported yet"})
            if ready["status"] != "True":
                unready.append(f"{_name(node)}: {ready['message']}")
        return "; ".join(unready)

    def _without_proxy(self) -> str:
        status = self._api.get(f"{_APPS}/daemonsets/kube-proxy")["status"]
        ready, wanted = status.get("numberReady", 0), status["desiredNumberScheduled"]
        return "" if ready == wanted else f"kube-proxy is ready on {ready} of {wanted} nodes"

    def _without_dns(self) -> str:
        deployment = self._api.get(f"{_APPS}/deployments/coredns")
        status, wanted = deployment["status"], deployment["spec"]["replicas"]
        if status.get("observedGeneration", 0) < deployment["metadata"]["generation"]:
            return "the deployment of CoreDNS has just been changed"
        counts = {
            key: status.get(key, 0) for key in ("replicas", "updatedReplicas", "readyReplicas")
        }
        return "" if set(counts.values()) == {wanted} else f"CoreDNS: {counts}, wanted {wanted}"

    def _nodes(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self._api.get("/api/v1/nodes")["items"]
        return items

    def _patch(self, path: str, change: Any) -> None:
        self._api.call("PATCH", path, change, content_type=_MERGE)


def _name(node: dict[str, Any]) -> str:
    return str(node["metadata"]["name"])


def _is_control_plane(node: dict[str, Any]) -> bool:
    return "node-role.kubernetes.io/control-plane" in node["metadata"]["labels"]
