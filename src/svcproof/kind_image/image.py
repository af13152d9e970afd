"""The node image from end to end: in the cache as Docker's own archive, laid out as a directory.

Two layers: the distribution's, which stays the same, and that of a Kubernetes version.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from svcproof.components import Components, Progress, obtain
from svcproof.components.cache import cache_root
from svcproof.components.kind_programs import NodePrograms, obtain_kind
from svcproof.components.obtain import ensure_in_cache
from svcproof.components.program import obtain_echo_hostname
from svcproof.components.recipe import Target, host_architecture
from svcproof.components.resources import require_space
from svcproof.components.system_tools import Tool, ensure_system_tools
from svcproof.errors import EnvironmentProblem
from svcproof.kind_image.base import BASE_KEY, Base, make_base
from svcproof.kind_image.layers import write_layout
from svcproof.kind_image.node import FILES, NodeFiles, install
from svcproof.kind_image.pods import PodPrograms, pause_reference, pod_images
from svcproof.kind_image.preload import preload

__all__ = ["NodeImage", "build_image", "build_users", "find_image", "load_image"]

_REPOSITORY: Final = "svcproof.dev/kind-node"
_TOOLS: Final = (Tool("debootstrap", "the node image's root file system"), Tool("tar", "the same"))
_MAKERS: Final = ("base", "image", "layers", "node", "pods", "preload")
_MANIFEST: Final = "manifest.json"
_LOAD_LIMIT: Final = 600.0


@dataclass(frozen=True, slots=True)
class NodeImage:
    """A complete image in the cache."""

    directory: Path
    reference: str


@dataclass(frozen=True, slots=True)
class _Programs:
    components: Components
    node: Path


def find_image(kubernetes: str) -> NodeImage | None:
    """The image that the cache has of that version, as it would be built now."""
    image = _planned(kubernetes)
    return image if (image.directory / _MANIFEST).exists() else None


def build_image(kubernetes: str, *, allow_install: bool, progress: Progress) -> NodeImage:
    """The image of that version, built if the cache has none.

    Raises :class:`~svcproof.errors.EnvironmentProblem` with what it lacks.
    """
    if found := find_image(kubernetes):
        return found
    image = _planned(kubernetes)
    _require_root()
    ensure_system_tools(allow_install=allow_install, report=progress.phase, tools=_TOOLS)
    components = obtain(kubernetes, allow_install=allow_install, progress=progress)
    node, _ = ensure_in_cache(
        NodePrograms.of(kubernetes), allow_install=allow_install, progress=progress
    )
    try:
        _make(image, _Programs(components, node), progress)
    finally:
        progress.finish()
    return image


def build_users(*, allow_install: bool, progress: Progress) -> None:
    """What a cluster needs besides, on this side: it may be started where there is no network."""
    obtain_kind(allow_install=allow_install, progress=progress)
    obtain_echo_hostname(host_architecture(), allow_install=allow_install, progress=progress)


def load_image(image: NodeImage) -> None:
    """Give the image to the Docker that runs, which checks every digest in it."""
    packing = ["tar", f"--directory={image.directory}", "--create", "."]
    with subprocess.Popen(packing, stdout=subprocess.PIPE) as tar:
        loaded = subprocess.run(
            ["docker", "load", "--quiet"],
            stdin=tar.stdout,
            capture_output=True,
            text=True,
            timeout=_LOAD_LIMIT,
            check=False,
        )
    if loaded.returncode or tar.returncode:
        raise EnvironmentProblem(
            f"Docker did not take the node image {image.reference}: {loaded.stderr.strip()}",
            remedy="look whether Docker runs, and has room for a gigabyte",
        )


def _planned(kubernetes: str) -> NodeImage:
    programs = NodePrograms.of(kubernetes)
    parts = [BASE_KEY, Target.of(kubernetes).key, programs.key, _own_digest()]
    key = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:10]
    tag = f"v{programs.version.patch}-{key}"
    return NodeImage(_images_root() / tag, f"{_REPOSITORY}:{tag}")


def _images_root() -> Path:
    return cache_root() / "kind-images"


def _own_digest() -> str:
    """Over what of this package makes an image: a change of it makes another one."""
    total = hashlib.sha256()
    modules = [FILES.parent / f"{name}.py" for name in _MAKERS]
    for path in sorted([*FILES.iterdir(), *modules]):
        total.update(path.read_bytes())
    return total.hexdigest()


def _require_root() -> None:
    if os.geteuid() != 0:
        raise EnvironmentProblem(
            f"making a node image needs root, and this is user {os.geteuid()}",
            remedy="run the same command with sudo",
        )


def _make(image: NodeImage, programs: _Programs, progress: Progress) -> None:
    cache = image.directory.parent
    cache.mkdir(parents=True, exist_ok=True)
    require_space(cache, 4.0, "the node image")
    base = make_base(cache, progress)
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=cache) as name:
        work = Path(name)
        root, out = work / "root", work / "out"
        root.mkdir()
        out.mkdir()
        _fill(root, work, base, programs, progress)
        progress.phase("packing the node image")
        _pack(root, out / "node.tar")
        (out / "base.tar").hardlink_to(base.tar)
        _describe(out, image.reference)
        shutil.rmtree(image.directory, ignore_errors=True)
        out.rename(image.directory)
    _remove_others(image, base)


def _fill(root: Path, work: Path, base: Base, programs: _Programs, progress: Progress) -> None:
    """Everything of a node but the base: programs, configuration, and images in the store."""
    components, node = programs.components, programs.node
    version = components.kubernetes_version
    progress.phase("making the images of the control plane")
    references = _references(node / "kubeadm", version)
    pods = PodPrograms(
        kube=components.path("kube"),
        etcd=components.path("etcd"),
        coredns=node / "coredns",
        nodenet=node / "nodenet",
        echo_hostname=components.path("echo-hostname"),
        proxy_files=dict(base.proxy_files()),
    )
    archive = work / "pods.tar"
    write_layout(pod_images(pods, references), host_architecture(), archive)
    directories = (node, components.directory)
    install(NodeFiles(directories, version, pause_reference(references)), root)
    progress.phase("putting them into the node's store")
    # A socket's path must be short, which a cache's need not be.
    with tempfile.TemporaryDirectory(prefix="svcproof-") as short:
        store = root / "var/lib/containerd"
        preload(archive, programs=components.directory, root=store, work=Path(short))


def _references(kubeadm: Path, version: str) -> list[str]:
    """What kubeadm will ask for."""
    command = [str(kubeadm), "config", "images", "list", f"--kubernetes-version=v{version}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise EnvironmentProblem(f"kubeadm does not list its images: {done.stderr.strip()}")
    return done.stdout.split()


def _pack(root: Path, tar: Path) -> None:
    command = ["tar", f"--directory={root}", "--owner=0", "--group=0", "--numeric-owner"]
    subprocess.run(
        [*command, "--sort=name", "--create", f"--file={tar}", "."], check=True, timeout=300
    )


def _describe(out: Path, reference: str) -> None:
    """Docker's archive: a manifest, a configuration, and the layers that they name."""
    layers = ["base.tar", "node.tar"]
    config: dict[str, Any] = {
        "architecture": host_architecture(),
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": {
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", "container=docker"],
            "Entrypoint": ["/usr/local/bin/entrypoint", "/sbin/init"],
            "StopSignal": "SIGRTMIN+3",
        },
        "rootfs": {"type": "layers", "diff_ids": [_digest(out / layer) for layer in layers]},
    }
    (out / "config.json").write_text(json.dumps(config), encoding="utf-8")
    manifest = [{"Config": "config.json", "RepoTags": [reference], "Layers": layers}]
    (out / _MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def _remove_others(image: NodeImage, base: Base) -> None:
    """Older images of the same Kubernetes, and older bases: a gigabyte each."""
    version = image.directory.name.rpartition("-")[0]
    for other in image.directory.parent.glob(f"{version}-*"):
        if other != image.directory:
            shutil.rmtree(other, ignore_errors=True)
    for other in image.directory.parent.glob("base-*"):
        if other != base.directory:
            shutil.rmtree(other, ignore_errors=True)
