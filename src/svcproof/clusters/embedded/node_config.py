"""Configuration files and command lines of what runs on a node. Pure."""

from __future__ import annotations

import json
import shutil
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final

from svcproof.clusters.embedded.control_plane import PKI, PROGRAMS, kubeconfig_path
from svcproof.clusters.embedded.plan import ClusterPlan, NodePlan
from svcproof.images import PAUSE_REFERENCE

__all__ = [
    "CLUSTER_DOMAIN",
    "containerd_socket",
    "node_commands",
    "node_files",
    "node_object",
]

CLUSTER_DOMAIN: Final = "cluster.local"

#: The default, where also the kubelet's built-in cAdvisor looks.
_SOCKET: Final = Path("/run/containerd/containerd.sock")


def containerd_socket(node: NodePlan) -> Path:
    """containerd's socket as the supervisor sees it."""
    return node.directory / _SOCKET.relative_to("/")


def node_files(plan: ClusterPlan, node: NodePlan) -> dict[Path, str]:
    """Configuration files of a node: path inside the world → content."""
    return {
        node.directory / "containerd.toml": _containerd(node),
        node.directory / "cni" / "10-svcproof.conflist": json.dumps(_cni(node)),
        node.directory / "kubelet.json": json.dumps(_kubelet(plan, node)),
        # Pods without cluster DNS resolve nothing: there is no outside.
        node.directory / "resolv.conf": f"nameserver {plan.primary.router}\n",
    }


def node_commands(plan: ClusterPlan, node: NodePlan) -> dict[str, list[str]]:
    """Component name → argument list, to be run in the node's namespaces."""
    pods = ",".join(family.pods for family in plan.families)
    return {
        "containerd": [
            str(PROGRAMS / "containerd"),
            f"--config={node.directory / 'containerd.toml'}",
        ],
        "kubelet": [
            str(PROGRAMS / "kubelet"),
            f"--config={node.directory / 'kubelet.json'}",
            f"--kubeconfig={kubeconfig_path(f'node-{node.name}')}",
            f"--hostname-override={node.name}",
            f"--node-ip={','.join(node.addresses)}",
        ],
        "kube-proxy": [
            str(PROGRAMS / "kube-proxy"),
            f"--kubeconfig={kubeconfig_path('kube-proxy')}",
            f"--hostname-override={node.name}",
            f"--proxy-mode={plan.proxy_mode}",
            f"--cluster-cidr={pods}",
            # nf_conntrack_max belongs to the host and is read-only here.
            "--conntrack-max-per-core=0",
        ],
    }


def node_object(node: NodePlan) -> dict[str, Any]:
    """The Node as it is created before its kubelet starts.

    kube-proxy waits for an InternalIP in the status, and with the Pod ranges
    and labels in place the kubelet has nothing to register but its readiness. Its zone comes
    later: :meth:`~svcproof.clusters.embedded.objects.ControlPlaneClient.label_zones`.
    """
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": node.name,
            "labels": {
                "kubernetes.io/hostname": node.name,
                "kubernetes.io/os": "linux",
            },
        },
        "spec": {"podCIDR": node.pod_ranges[0], "podCIDRs": list(node.pod_ranges)},
        "status": {
            "addresses": [
                *({"type": "InternalIP", "address": address} for address in node.addresses),
                {"type": "Hostname", "address": node.name},
            ]
        },
    }


def _containerd(node: NodePlan) -> str:
    runtime = "io.containerd.cri.v1.runtime"
    return f"""version = 3
root = "/var/lib/containerd"
state = "/run/containerd"
# The first needs a kernel log and the others file systems that are not used here.
disabled_plugins = [
  "io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.snapshotter.v1.erofs", "io.containerd.snapshotter.v1.blockfile",
  "io.containerd.nri.v1.nri", "io.containerd.tracing.processor.v1.otlp",
]
[grpc]
  address = "{_SOCKET}"
[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "{PAUSE_REFERENCE}"
[plugins."{runtime}"]
  # Without CAP_SYS_RESOURCE (containers, sandboxes) a lower score is refused.
  restrict_oom_score_adj = true
  [plugins."{runtime}".cni]
    bin_dirs = ["{PROGRAMS}"]
    conf_dir = "{node.directory / "cni"}"
  [plugins."{runtime}".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    runtime_path = "{PROGRAMS / "containerd-shim-runc-v2"}"
    [plugins."{runtime}".containerd.runtimes.runc.options]
      BinaryName = "{shutil.which("runc") or "runc"}"
      SystemdCgroup = false
"""


def _cni(node: NodePlan) -> dict[str, Any]:
    # ptp has no bridge inside the node: no hairpin mode, no br_netfilter.
    return {
        "cniVersion": "1.0.0",
        "name": "svcproof",
        "plugins": [
            {
                "type": "ptp",
                "ipMasq": False,
                "ipam": {
                    "type": "host-local",
                    "dataDir": "/run/cni-ipam",
                    "ranges": [[{"subnet": pod_range}] for pod_range in node.pod_ranges],
                    "routes": [{"dst": _everywhere(pod_range)} for pod_range in node.pod_ranges],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }


def _everywhere(network: str) -> str:
    return "0.0.0.0/0" if ip_network(network).version == 4 else "::/0"


def _kubelet(plan: ClusterPlan, node: NodePlan) -> dict[str, Any]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(PKI / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(PKI / f"kubelet-{node.name}.crt"),
        "tlsPrivateKeyFile": str(PKI / f"kubelet-{node.name}.key"),
        "containerRuntimeEndpoint": f"unix://{_SOCKET}",
        "clusterDNS": [plan.primary.dns_service],
        "clusterDomain": CLUSTER_DOMAIN,
        "resolvConf": str(node.directory / "resolv.conf"),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": plan.node_cgroup(node),
        # With this off the kubelet would ignore its root, and every container
        # would be in /k8s.io, where no two clusters can be told apart.
        "cgroupsPerQOS": True,
        "enforceNodeAllocatable": [],
        "failCgroupV1": False,
        "failSwapOn": False,
        # The disk, memory and process numbers are the host's: no eviction by them.
        "evictionHard": {
            "imagefs.available": "0%",
            "memory.available": "0%",
            "nodefs.available": "0%",
            "nodefs.inodesFree": "0%",
        },
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "serializeImagePulls": False,
        "nodeStatusUpdateFrequency": "10s",
        "registerWithTaints": [],
    }
