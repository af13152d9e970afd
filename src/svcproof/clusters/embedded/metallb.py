"""The load balancer as objects: MetalLB in layer 2 mode as upstream deploys it. Pure.

Left out is what cannot matter here: webhooks, BGP, metrics' scraping, and the
secret that encrypts the speakers' gossip, for nobody else is on the fabric.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from svcproof.clusters.embedded.addressing import FamilyAddresses
from svcproof.images import METALLB_CONTROLLER_REFERENCE, METALLB_SPEAKER_REFERENCE

__all__ = [
    "CONTROLLER",
    "NAMESPACE",
    "SPEAKER",
    "VERSIONS",
    "account_objects",
    "definitions",
    "pool_objects",
    "served_kinds",
    "workloads",
]

NAMESPACE: Final = "metallb-system"
CONTROLLER: Final = "controller"
SPEAKER: Final = "speaker"

#: Of MetalLB's API.
VERSIONS: Final = ("v1beta1", "v1beta2")

_GROUP: Final = "metallb.io"
_POOL: Final = "fabric"
_METRICS_PORT: Final = 7472
_READ: Final = ["get", "list", "watch"]
#: Kind → its versions, the stored one last. MetalLB watches all of them, so all
#: have to be there, also those that only matter with BGP.
_KINDS: Final = {
    "BFDProfile": ("v1beta1",),
    "BGPAdvertisement": ("v1beta1",),
    "BGPPeer": ("v1beta1", "v1beta2"),
    "Community": ("v1beta1",),
    "IPAddressPool": ("v1beta1",),
    "L2Advertisement": ("v1beta1",),
    "ServiceBGPStatus": ("v1beta1",),
    "ServiceL2Status": ("v1beta1",),
}
_PLURALS: Final = {
    "Community": "communities",
    "ServiceBGPStatus": "servicebgpstatuses",
    "ServiceL2Status": "servicel2statuses",
}


def definitions() -> list[dict[str, Any]]:
    """The kinds, with any content: MetalLB reads what it knows, and checks that itself."""
    return [_definition(kind, versions) for kind, versions in _KINDS.items()]


def served_kinds(version: str) -> set[str]:
    """The kinds that one version of MetalLB's API has."""
    return {kind for kind, versions in _KINDS.items() if version in versions}


def account_objects() -> list[dict[str, Any]]:
    """The namespace, and both programs' accounts with their rights."""
    level = {"pod-security.kubernetes.io/enforce": "privileged"}  # speakers need NET_RAW
    return [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": NAMESPACE, "labels": level},
        },
        *_account(CONTROLLER, _CONTROLLER_RULES, _CONTROLLER_OWN_RULES),
        *_account(SPEAKER, _SPEAKER_RULES, _SPEAKER_OWN_RULES),
    ]


def workloads() -> list[dict[str, Any]]:
    """The controller, and a speaker for each node."""
    return [
        _workload("Deployment", CONTROLLER, {"replicas": 1}, _controller_pod()),
        _workload("DaemonSet", SPEAKER, {}, _speaker_pod()),
    ]


def pool_objects(families: Sequence[FamilyAddresses]) -> list[dict[str, Any]]:
    """The addresses to give out, and that they are announced on the fabric."""
    api_version = f"{_GROUP}/v1beta1"
    metadata = {"name": _POOL, "namespace": NAMESPACE}
    addresses = [family.load_balancers for family in families]
    return [
        {
            "apiVersion": api_version,
            "kind": "IPAddressPool",
            "metadata": metadata,
            "spec": {"addresses": addresses, "autoAssign": True},
        },
        {
            "apiVersion": api_version,
            "kind": "L2Advertisement",
            "metadata": metadata,
            "spec": {"ipAddressPools": [_POOL], "interfaces": ["eth0"]},
        },
    ]


def _plural(kind: str) -> str:
    return _PLURALS.get(kind, f"{kind.lower()}s")


def _definition(kind: str, versions: tuple[str, ...]) -> dict[str, Any]:
    plural = _plural(kind)
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{_GROUP}"},
        "spec": {
            "group": _GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": plural,
                "singular": kind.lower(),
            },
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": version == versions[-1],
                    "schema": {"openAPIV3Schema": anything},
                    "subresources": {"status": {}},
                }
                for version in versions
            ],
        },
    }


def _rule(group: str, resources: Sequence[str], verbs: Sequence[str]) -> dict[str, Any]:
    return {"apiGroups": [group], "resources": list(resources), "verbs": list(verbs)}


_EVENTS: Final = _rule("", ["events"], ["create", "patch"])
_STATUSES: Final = [
    f"service{kind}statuses{part}" for kind in ("l2", "bgp") for part in ("", "/status")
]
_CONFIGURATION: Final = [_plural(kind) for kind in _KINDS if not kind.endswith("Status")]

_CONTROLLER_RULES: Final = [
    _rule("", ["services", "namespaces", "nodes"], _READ),
    _rule("", ["services/status"], ["update"]),
    _EVENTS,
]
_CONTROLLER_OWN_RULES: Final = [
    _rule("", ["secrets"], _READ),
    _rule(_GROUP, _CONFIGURATION, _READ),
    _rule(_GROUP, ["ipaddresspools/status"], ["update"]),
]
_SPEAKER_RULES: Final = [
    _rule("", ["services", "namespaces", "nodes"], _READ),
    _rule("discovery.k8s.io", ["endpointslices"], _READ),
    _rule(_GROUP, _STATUSES, ["*"]),
    _EVENTS,
]
_SPEAKER_OWN_RULES: Final = [
    _rule("", ["pods", "secrets", "configmaps"], _READ),
    _rule(_GROUP, _CONFIGURATION, _READ),
]


def _account(
    name: str, everywhere: list[dict[str, Any]], own: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """A service account, its rights in the whole cluster and those in its own namespace."""
    return [
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": name, "namespace": NAMESPACE},
        },
        *_rights(name, "ClusterRole", {"name": f"{NAMESPACE}:{name}"}, everywhere),
        *_rights(name, "Role", {"name": name, "namespace": NAMESPACE}, own),
    ]


def _rights(
    account: str, kind: str, metadata: dict[str, str], rules: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    group = "rbac.authorization.k8s.io"
    return [
        {"apiVersion": f"{group}/v1", "kind": kind, "metadata": metadata, "rules": rules},
        {
            "apiVersion": f"{group}/v1",
            "kind": f"{kind}Binding",
            "metadata": metadata,
            "roleRef": {"apiGroup": group, "kind": kind, "name": metadata["name"]},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": NAMESPACE}],
        },
    ]


def _workload(kind: str, name: str, spec: dict[str, Any], pod: dict[str, Any]) -> dict[str, Any]:
    labels = {"app": "metallb", "component": name}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
        "spec": {
            **spec,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def _controller_pod() -> dict[str, Any]:
    return {
        "serviceAccountName": CONTROLLER,
        "terminationGracePeriodSeconds": 0,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65534},
        "containers": [
            _container(
                CONTROLLER,
                METALLB_CONTROLLER_REFERENCE,
                [f"--port={_METRICS_PORT}", "--webhook-mode=disabled"],
            )
        ],
    }


def _speaker_pod() -> dict[str, Any]:
    fields = {
        "METALLB_NODE_NAME": "spec.nodeName",
        "METALLB_POD_NAME": "metadata.name",
        "METALLB_HOST": "status.hostIP",
        "METALLB_ML_BIND_ADDR": "status.podIP",
    }
    environment = [
        {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}
        for name, path in fields.items()
    ]
    environment.append({"name": "METALLB_ML_LABELS", "value": f"app=metallb,component={SPEAKER}"})
    container = _container(SPEAKER, METALLB_SPEAKER_REFERENCE, [f"--port={_METRICS_PORT}"])
    container["env"] = environment
    container["securityContext"]["capabilities"]["add"] = ["NET_RAW"]
    return {
        "serviceAccountName": SPEAKER,
        "hostNetwork": True,
        "terminationGracePeriodSeconds": 2,
        "tolerations": [{"operator": "Exists", "effect": "NoSchedule"}],
        "containers": [container],
    }


def _container(name: str, image: str, arguments: list[str]) -> dict[str, Any]:
    return {
        "name": name,
        "image": image,
        "args": arguments,
        "readinessProbe": {
            "httpGet": {"path": "/metrics", "port": _METRICS_PORT},
            "periodSeconds": 1,
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
