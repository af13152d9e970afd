"""An embedded cluster that svcproof is told about by nothing but a kubeconfig."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from svcproof.clusters.existing.role import granting
from svcproof.clusters.kubernetes import KubernetesCluster
from svcproof.images import ImageRecipe, write_image
from svcproof.ports import Cluster

NAMESPACE = "guests"
ACCOUNT = "svcproof"
CARRIER = "svcproof.dev/carrier:1"


@pytest.fixture(scope="session")
def host(cluster: Cluster) -> KubernetesCluster:
    """The cluster's own administrator."""
    if not isinstance(cluster, KubernetesCluster):
        pytest.skip("no real cluster was selected: give --svc-cluster KIND")
    return cluster


@pytest.fixture(scope="session")
def restricted_namespace(host: KubernetesCluster) -> Iterator[str]:
    """A namespace that was made beforehand, of the Pod security profile "restricted"."""
    host.create_namespace(NAMESPACE)
    profile = {"pod-security.kubernetes.io/enforce": "restricted"}
    host.patch("Namespace", NAMESPACE, {"metadata": {"labels": profile}}, namespace="")
    yield NAMESPACE
    host.delete_namespace(NAMESPACE)


@pytest.fixture(scope="session")
def guest(
    host: KubernetesCluster, restricted_namespace: str, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The kubeconfig of a user with the documented rights and no other."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT}}
    subject = {"kind": "ServiceAccount", "namespace": restricted_namespace, "name": ACCOUNT}
    host.apply([account, *granting(subject, restricted_namespace)], namespace=restricted_namespace)
    path = f"/api/v1/namespaces/{restricted_namespace}/serviceaccounts/{ACCOUNT}/token"
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    token = host.api.call("POST", path, request)["status"]["token"]
    return kubeconfig(host, {"token": token}, tmp_path_factory.mktemp("guest"))


def kubeconfig(host: KubernetesCluster, user: dict[str, str], directory: Path) -> Path:
    """A kubeconfig of that cluster for another user."""
    assert host.kubeconfig is not None
    config = yaml.safe_load(host.kubeconfig.read_text())
    config["users"] = [{"name": config["users"][0]["name"], "user": user}]
    path = directory / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.fixture(scope="session")
def carrier(host: KubernetesCluster, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image with nothing but a shell in it, on every node."""
    from svcproof.components.packages import install_with_apt

    if shutil.which("busybox") is None or not _is_static("busybox"):
        install_with_apt(["busybox-static"])
    busybox = shutil.which("busybox")
    assert busybox is not None
    archive = tmp_path_factory.mktemp("carrier") / "image.tar"
    recipe = ImageRecipe(
        reference=CARRIER, binary=Path(busybox), install_as="/bin/sh", entrypoint=("/bin/sh",)
    )
    write_image(recipe, archive)
    host.load_image(archive)
    return CARRIER


def _is_static(program: str) -> bool:
    told = subprocess.run(["ldd", shutil.which(program) or ""], capture_output=True, check=False)
    return told.returncode != 0
