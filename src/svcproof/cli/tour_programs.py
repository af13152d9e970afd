"""The two programs that the notes' tour needs, for each kind of cluster."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from svcproof.errors import MissingTool, NotSupported
from svcproof.ports import Cluster

__all__ = ["Programs", "programs_for"]


@dataclass(frozen=True)
class Programs:
    """Where they are, and the kubeconfig that leads to the cluster."""

    kubectl: Path
    echo_hostname: Path
    kubeconfig: Path


def programs_for(cluster: Cluster) -> Programs:
    """An embedded cluster brings its own; for another kubectl is on PATH or among the components.

    Raises :class:`~svcproof.errors.NotSupported` for a cluster without a kubeconfig,
    :class:`~svcproof.errors.MissingTool` where there is no kubectl.
    """
    from svcproof.clusters.kubernetes import KubernetesCluster

    if not isinstance(cluster, KubernetesCluster) or cluster.kubeconfig is None:
        raise NotSupported(
            f"the tour works with kubectl, and a cluster of kind {cluster.facts.kind} has no "
            "kubeconfig for it",
            remedy="svcproof notes, on a fresh cluster",
        )
    if cluster.facts.kind == "embedded":
        return _embedded(cluster.facts.name)
    return Programs(_kubectl(cluster.facts.kubernetes_version), _built(), cluster.kubeconfig)


def _embedded(name: str) -> Programs:
    from svcproof.clusters.embedded.state import find_running

    directory = find_running(name)
    components = Path(directory.plan().components)
    return Programs(components / "kube", components / "echo-hostname", directory.kubeconfig)


def _kubectl(version: str) -> Path:
    from svcproof.components.obtain import find_kubectl

    found = find_kubectl(".".join(version.split(".")[:2]))
    if found is None:
        raise MissingTool(
            "there is no kubectl: neither on PATH nor among the components",
            remedy="install it, or have it built: svcproof components build",
        )
    return found


def _built() -> Path:
    from svcproof.components import open_progress
    from svcproof.components.program import obtain_echo_hostname
    from svcproof.components.recipe import host_architecture

    with open_progress() as progress:
        return obtain_echo_hostname(host_architecture(), allow_install=True, progress=progress)
