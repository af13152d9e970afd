"""The images of what kubeadm starts in Pods. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from svcproof.kind_image.layers import DIRECTORY, Entry, Image, Link

__all__ = ["NODENET_REFERENCE", "PodPrograms", "pause_reference", "pod_images"]

NODENET_REFERENCE: Final = "svcproof.dev/nodenet:1"

_CONTROL_PLANE: Final = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
_XTABLES_NAMES: Final = tuple(
    f"{family}{suffix}"
    for family in ("iptables", "ip6tables")
    for suffix in ("", "-save", "-restore")
)


@dataclass(frozen=True, slots=True)
class PodPrograms:
    """Programs on this machine; ``proxy_files`` are kube-proxy's tools, by path in its image."""

    kube: Path
    etcd: Path
    coredns: Path
    nodenet: Path
    echo_hostname: Path
    proxy_files: Mapping[str, Path]


def pause_reference(references: Sequence[str]) -> str:
    """Which of kubeadm's images is the sandbox's."""
    return next(name for name in references if "/pause:" in name)


def pod_images(programs: PodPrograms, references: Sequence[str]) -> list[Image]:
    """One image for each reference that kubeadm asks for, and the Pod network's.

    Kubernetes is one program, which the name it is called by makes the right one:
    the layer that it is in is part of four images, and is stored once.
    """
    names = (*_CONTROL_PLANE, "kube-proxy")
    kube: dict[str, Entry] = {
        "/usr/local/bin/kube": programs.kube,
        **{f"/usr/local/bin/{name}": Link("kube") for name in names},
    }
    layers: dict[str, tuple[Mapping[str, Entry], ...]] = {
        **dict.fromkeys(_CONTROL_PLANE, (kube,)),
        "kube-proxy": (_proxy_tools(programs.proxy_files), kube),
        "etcd": ({"/usr/local/bin/etcd": programs.etcd},),
        "coredns": ({"/coredns": programs.coredns},),
        "pause": ({"/pause": programs.echo_hostname},),
        "nodenet": ({"/nodenet": programs.nodenet, "/tmp": DIRECTORY},),  # noqa: S108 - in an image
    }
    commands = {"coredns": ("/coredns",), "pause": ("/pause", "pause"), "nodenet": ("/nodenet",)}
    images = []
    for reference in (*references, NODENET_REFERENCE):
        name = reference.rpartition(":")[0].rpartition("/")[2]
        images.append(Image(reference, layers[name], commands.get(name, (name,))))
    return images


def _proxy_tools(files: Mapping[str, Path]) -> Mapping[str, Entry]:
    merged = {f"/{name}": Link(f"usr/{name}") for name in ("bin", "lib", "lib64", "sbin")}
    names = {f"/usr/sbin/{name}": Link("xtables-nft-multi") for name in _XTABLES_NAMES}
    room = {"/tmp": DIRECTORY, "/run": DIRECTORY}  # noqa: S108 - in an image
    return {**files, **merged, **names, **room}
