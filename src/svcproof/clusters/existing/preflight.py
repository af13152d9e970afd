"""What a cluster is and what one may do there, before anything is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Any, Final

from svcproof.clusters import objects
from svcproof.clusters.existing.data_plane import DataPlane, recognised
from svcproof.clusters.existing.fitting import Fitting
from svcproof.clusters.existing.rights import missing_rights
from svcproof.clusters.existing.sampling import Selection, select
from svcproof.clusters.kubernetes_api import Api
from svcproof.clusters.options import ExistingOptions
from svcproof.clusters.placing import Placing
from svcproof.components.recipe import ARCHITECTURES
from svcproof.errors import ApiRefused, EnvironmentProblem
from svcproof.history import Family
from svcproof.images import ECHO_HOSTNAME_REFERENCE
from svcproof.ports import Manifest
from svcproof.snapshot import Node

__all__ = ["Survey", "survey"]

_SYSTEM: Final = ("kube-system", "cilium", "openshift-ovn-kubernetes", "ovn-kubernetes")
_SYSTEM_MAPS: Final = "/api/v1/namespaces/kube-system/configmaps"
_PROXY_MAPS: Final = ("kube-proxy", "cilium-config")
_FAMILIES: Final[Mapping[str, Family]] = {"IPv4": "ipv4", "IPv6": "ipv6"}
_UNAUTHORISED: Final = 401
_NOT_FOUND: Final = 404


@dataclass(frozen=True, slots=True)
class Survey:
    """A cluster as it was found."""

    version: str
    selection: Selection
    architectures: tuple[str, ...]
    data_plane: DataPlane
    families: tuple[Family, ...]
    #: Why there can be no clients in the host network; "" if there can.
    no_host_network: str


def survey(api: Api, options: ExistingOptions) -> Survey:
    """Look, and make nothing.

    Raises :class:`~svcproof.errors.EnvironmentProblem` for whatever would end the run later.
    """
    version = _reached(api)
    lacking = missing_rights(api, options.namespace)
    if lacking:
        where = f"in namespace {options.namespace}" if options.namespace else "cluster-wide"
        raise EnvironmentProblem(
            f"this user may not, {where}: {'; '.join(lacking)}",
            remedy="grant it (svcproof rights prints the roles), or give a namespace that "
            "was made for this: --svc-namespace NAME",
        )
    known = [_chosen(item, options.placing) for item in _nodes(api)]
    # An image that was given may be for any architecture.
    if not options.image:
        known = [_of_known_architecture(node) for node in known]
    selection = select(known)
    if not selection.nodes:
        raise EnvironmentProblem(
            f"no node can be used: {selection.coverage}",
            remedy="look at `kubectl get nodes`: at least one must be Ready and take Pods; "
            "--svc-tolerate KEY[=VALUE][:EFFECT] takes one with that taint",
        )
    return Survey(
        version=version,
        selection=selection,
        architectures=tuple(sorted({node.architecture for node in selection.nodes})),
        data_plane=_data_plane(api, options),
        families=_families(api, options.namespace, selection),
        no_host_network=_no_host_network(api, options),
    )


def _chosen(item: Mapping[str, Any], placing: Placing) -> Node:
    """A node to Pods that are placed so; unfit if it has not the labels that are asked for."""
    node = objects.node(item, placing.tolerations)
    wanted = placing.node_labels or {}
    labels = (item.get("metadata") or {}).get("labels") or {}
    if wanted.items() <= labels.items():
        return node
    asked = ",".join(f"{key}={value}" for key, value in wanted.items())
    return replace(node, unfit=f"not chosen by --svc-node-selector {asked}")


def _of_known_architecture(node: Node) -> Node:
    if not node.unfit and node.architecture not in ARCHITECTURES.values():
        return replace(node, unfit=f"no program for {node.architecture}: give --svc-image")
    return node


def _nodes(api: Api) -> list[Any]:
    try:
        items: list[Any] = api.get("/api/v1/nodes")["items"]
    except ApiRefused as error:  # whoever may not even ask what it may
        raise EnvironmentProblem(
            f"this user may not list the nodes: {error}",
            remedy="grant it: svcproof rights --help",
        ) from error
    return items


def _reached(api: Api) -> str:
    """The version; whatever is wrong with kubeconfig, credentials or network is told here."""
    try:
        return str(api.get("/version")["gitVersion"]).removeprefix("v")
    except ApiRefused as error:
        expired = error.status == _UNAUTHORISED
        raise EnvironmentProblem(
            f"the API server {api.configuration.host} refuses this user: {error}",
            remedy="renew the credentials in the kubeconfig"
            if expired
            else "try `kubectl version` with the same kubeconfig and context",
        ) from error


def _data_plane(api: Api, options: ExistingOptions) -> DataPlane:
    if options.data_plane:
        return DataPlane(options.data_plane, "told by --svc-data-plane")
    sets: list[Any] = []
    for namespace in _SYSTEM:
        listed = _if_allowed(api, f"/apis/apps/v1/namespaces/{namespace}/daemonsets")
        sets += listed.get("items", [])
    maps = {name: _if_allowed(api, f"{_SYSTEM_MAPS}/{name}") for name in _PROXY_MAPS}
    return recognised(sets, maps)


def _if_allowed(api: Api, path: str) -> Mapping[str, Any]:
    """Reading more than nodes is a favour, not a need: nothing where it is refused."""
    try:
        found: Mapping[str, Any] = api.get(path)
    except ApiRefused:
        return {}
    return found


def _families(api: Api, namespace: str, selection: Selection) -> tuple[Family, ...]:
    """Those that Services get, the first of them first: asked for without being made.

    Where that is refused, those of the first node's addresses.
    """
    service: Manifest = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "svcproof-preflight"},
        "spec": {"ipFamilyPolicy": "PreferDualStack", "ports": [{"port": 80}]},
    }
    path = f"/api/v1/namespaces/{namespace or 'default'}/services"
    try:
        made = api.call("POST", path, service, query={"dryRun": "All"})
        told = made["spec"].get("ipFamilies") or ()
    except ApiRefused:
        told = [f"IPv{ip_address(text).version}" for text in selection.nodes[0].addresses]
    return tuple(dict.fromkeys(_FAMILIES[name] for name in told)) or ("ipv4",)


def _no_host_network(api: Api, options: ExistingOptions) -> str:
    """Whether Pod security forbids it in a pre-made namespace: asked for without being made."""
    namespace = options.namespace
    if not namespace:
        return ""
    container = {"name": "client", "image": ECHO_HOSTNAME_REFERENCE}
    pod: Manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "svcproof-preflight"},
        "spec": {"hostNetwork": True, "containers": [container]},
    }
    # As clients are made, so that nothing but the host network can be objected to.
    pod = Fitting(image="none", placing=options.placing).fit(pod)
    try:
        api.call("POST", f"/api/v1/namespaces/{namespace}/pods", pod, query={"dryRun": "All"})
    except ApiRefused as error:
        if "host namespaces" in str(error):
            return f"namespace {namespace} allows no Pods in the host network: {error}"
        if error.status == _NOT_FOUND:
            raise EnvironmentProblem(
                f"there is no namespace {namespace}",
                remedy=f"make it, or give another: kubectl create namespace {namespace}",
            ) from error
        raise EnvironmentProblem(
            f"namespace {namespace} takes no Pods: {error}",
            remedy=f"look at `kubectl get namespace {namespace} -o yaml` and its quotas; what "
            "each container asks for and is limited to: --svc-requests and --svc-limits",
        ) from error
    return ""
