"""The cluster's DNS as objects: CoreDNS as upstream deploys it. Pure.

``hosts`` plays the outside world, since there is none: the notes' external
name resolves to an address of the documentation range (RFC 5737, RFC 3849).
"""

from __future__ import annotations

from typing import Any, Final

from svcproof.clusters.embedded.node_config import CLUSTER_DOMAIN
from svcproof.clusters.embedded.plan import ClusterPlan
from svcproof.images import COREDNS_REFERENCE

__all__ = ["COREFILE", "OUTSIDE_NAMES", "dns_objects"]

_NAME: Final = "coredns"
_NAMESPACE: Final = "kube-system"
#: As kubeadm has them: a question of one node goes to either, on its own node or another.
_REPLICAS: Final = 2
_LABELS: Final = {"k8s-app": "kube-dns"}

#: The outside world: names that are not the cluster's, and their addresses.
OUTSIDE_NAMES: Final = {"my.database.com": ("192.0.2.53", "2001:db8::53")}

_HOSTS: Final = "\n".join(
    f"        {address} {name}"
    for name, addresses in OUTSIDE_NAMES.items()
    for address in addresses
)

#: CoreDNS' configuration on every cluster that is made here.
# A cache of one second: an edited Service is to be seen by its name at once.
# hosts without fallthrough would answer SERVFAIL for every other name.
COREFILE: Final = f"""\
.:53 {{
    errors
    health {{
        lameduck 5s
    }}
    ready
    kubernetes {CLUSTER_DOMAIN} in-addr.arpa ip6.arpa {{
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 1
    }}
    hosts {{
{_HOSTS}
        fallthrough
    }}
    cache 1
    loop
    reload
    loadbalance
}}
"""


def dns_objects(plan: ClusterPlan) -> list[dict[str, Any]]:
    """ServiceAccount, RBAC, ConfigMap, Deployment and Service, in the order to create them."""
    metadata = {"name": _NAME, "namespace": _NAMESPACE, "labels": _LABELS}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": "system:coredns"},
            "rules": [
                {
                    "apiGroups": [""],
                    "resources": ["endpoints", "services", "pods", "namespaces"],
                    "verbs": ["list", "watch"],
                },
                {
                    "apiGroups": ["discovery.k8s.io"],
                    "resources": ["endpointslices"],
                    "verbs": ["list", "watch"],
                },
            ],
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "system:coredns"},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": "system:coredns",
            },
            "subjects": [{"kind": "ServiceAccount", "name": _NAME, "namespace": _NAMESPACE}],
        },
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata,
            "data": {"Corefile": COREFILE},
        },
        _service(plan),
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata,
            "spec": {
                "replicas": min(_REPLICAS, len(plan.nodes)),
                "selector": {"matchLabels": _LABELS},
                "template": {"metadata": {"labels": _LABELS}, "spec": _pod()},
            },
        },
    ]


def _service(plan: ClusterPlan) -> dict[str, Any]:
    families = ["IPv4" if family.family == "ipv4" else "IPv6" for family in plan.families]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "kube-dns",
            "namespace": _NAMESPACE,
            "labels": {**_LABELS, "kubernetes.io/name": "CoreDNS"},
        },
        "spec": {
            "selector": _LABELS,
            "clusterIP": plan.primary.dns_service,
            "clusterIPs": [family.dns_service for family in plan.families],
            "ipFamilies": families,
            "ipFamilyPolicy": "RequireDualStack" if len(families) > 1 else "SingleStack",
            "ports": [
                {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 53},
                {"name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": 53},
                {"name": "metrics", "port": 9153, "protocol": "TCP", "targetPort": 9153},
            ],
        },
    }


def _pod() -> dict[str, Any]:
    return {
        "serviceAccountName": _NAME,
        "priorityClassName": "system-cluster-critical",
        "dnsPolicy": "Default",
        "tolerations": [{"key": "CriticalAddonsOnly", "operator": "Exists"}],
        "volumes": [{"name": "config", "configMap": {"name": _NAME}}],
        "containers": [
            {
                "name": _NAME,
                "image": COREDNS_REFERENCE,
                "args": ["-conf", "/etc/coredns/Corefile"],
                "volumeMounts": [{"name": "config", "mountPath": "/etc/coredns", "readOnly": True}],
                "ports": [
                    {"name": "dns", "containerPort": 53, "protocol": "UDP"},
                    {"name": "dns-tcp", "containerPort": 53, "protocol": "TCP"},
                ],
                "readinessProbe": {
                    "httpGet": {"path": "/ready", "port": 8181},
                    "periodSeconds": 1,
                },
                "livenessProbe": {
                    "httpGet": {"path": "/health", "port": 8080},
                    "initialDelaySeconds": 60,
                },
            }
        ],
    }
