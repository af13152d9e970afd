"""Command lines of etcd and of the control plane. Pure."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from svcproof.clusters.embedded.plan import WORLD, ClusterPlan

__all__ = ["PKI", "PROGRAMS", "control_plane_commands", "kubeconfig_path"]

#: Links to the components by the names of their programs, inside the world.
PROGRAMS: Final = WORLD / "bin"
#: Keys and certificates, inside the world.
PKI: Final = WORLD / "pki"

_ETCD: Final = "http://127.0.0.1:2379"


def kubeconfig_path(user: str) -> Path:
    """Where a client's kubeconfig is, inside the world."""
    return WORLD / "kubeconfig" / user


def control_plane_commands(plan: ClusterPlan) -> dict[str, list[str]]:
    """Component name → argument list, in the order of their start."""
    return {
        "etcd": _etcd(),
        "kube-apiserver": _api_server(plan),
        "kube-controller-manager": _controller_manager(plan),
        "kube-scheduler": _scheduler(),
    }


def _etcd() -> list[str]:
    # No fsync: the data is on a tmpfs and dies with the cluster anyway.
    return [
        str(PROGRAMS / "etcd"),
        f"--data-dir={WORLD / 'etcd'}",
        f"--listen-client-urls={_ETCD}",
        f"--advertise-client-urls={_ETCD}",
        "--listen-peer-urls=http://127.0.0.1:2380",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def _api_server(plan: ClusterPlan) -> list[str]:
    services = ",".join(family.services for family in plan.families)
    return [
        str(PROGRAMS / "kube-apiserver"),
        f"--advertise-address={plan.primary.control_plane}",
        "--secure-port=6443",
        f"--etcd-servers={_ETCD}",
        f"--service-cluster-ip-range={services}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged",
        f"--client-ca-file={PKI / 'ca.crt'}",
        f"--tls-cert-file={PKI / 'apiserver.crt'}",
        f"--tls-private-key-file={PKI / 'apiserver.key'}",
        f"--kubelet-certificate-authority={PKI / 'ca.crt'}",
        f"--kubelet-client-certificate={PKI / 'apiserver-kubelet-client.crt'}",
        f"--kubelet-client-key={PKI / 'apiserver-kubelet-client.key'}",
        "--kubelet-preferred-address-types=InternalIP",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={PKI / 'service-accounts.pub'}",
        f"--service-account-signing-key-file={PKI / 'service-accounts.key'}",
    ]


def _controller_manager(plan: ClusterPlan) -> list[str]:
    pods = ",".join(family.pods for family in plan.families)
    return [
        str(PROGRAMS / "kube-controller-manager"),
        f"--kubeconfig={kubeconfig_path('kube-controller-manager')}",
        f"--root-ca-file={PKI / 'ca.crt'}",
        f"--service-account-private-key-file={PKI / 'service-accounts.key'}",
        "--use-service-account-credentials",
        "--leader-elect=false",
        # Node objects are made with their Pod ranges, so that networks and
        # CNI configurations can be written before anything runs.
        "--allocate-node-cidrs=false",
        f"--cluster-cidr={pods}",
        *_CLIENT_RATE,
    ]


def _scheduler() -> list[str]:
    return [
        str(PROGRAMS / "kube-scheduler"),
        f"--kubeconfig={kubeconfig_path('kube-scheduler')}",
        "--leader-elect=false",
        *_CLIENT_RATE,
    ]


#: With the default of 20 requests a second a controller manager that uses one
#: service account per controller takes 5 s to get through its own start.
_CLIENT_RATE: Final = ["--kube-api-qps=500", "--kube-api-burst=1000"]
