"""What a node's root file system has besides the distribution's packages."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["FILES", "NodeFiles", "install"]

#: Configuration files and scripts, as they are in this package.
FILES: Final = Path(__file__).resolve().parent / "files"

_PLACES: Final = {
    "containerd.service": "etc/systemd/system",
    "kubelet.service": "etc/systemd/system",
    "kubelet.slice": "etc/systemd/system",
    "journald.conf": "etc/systemd/journald.conf.d",
    "crictl.yaml": "etc",
    "default-cni.yaml": "kind/manifests",
    "default-storage.yaml": "kind/manifests",
    "entrypoint": "usr/local/bin",
    "kubelet-cgroups": "kind/bin",
}
_SCRIPTS: Final = ("entrypoint", "kubelet-cgroups")
_PROGRAMS: Final = {
    "kubeadm": "usr/bin",
    "crictl": "usr/local/bin",
    "containerd": "usr/local/bin",
    "containerd-shim-runc-v2": "usr/local/bin",
    "ctr": "usr/local/bin",
    "ptp": "opt/cni/bin",
    "host-local": "opt/cni/bin",
    "portmap": "opt/cni/bin",
    "loopback": "opt/cni/bin",
    "kube": "usr/bin",
}
#: The one program of Kubernetes, by the names it is called by.
_NAMES_OF_KUBE: Final = ("kubelet", "kubectl")
_EMPTY: Final = ("etc/cni/net.d", "etc/kubernetes/manifests", "var/lib/kubelet")
_ENABLED: Final = ("containerd.service", "kubelet.service")


@dataclass(frozen=True, slots=True)
class NodeFiles:
    """``programs`` are looked for in these directories, in this order."""

    programs: tuple[Path, ...]
    version: str
    pause_reference: str


def install(files: NodeFiles, root: Path) -> None:
    """Lay everything out below ``root``."""
    for name, place in _PLACES.items():
        _copy(FILES / name, root / place / name, 0o755 if name in _SCRIPTS else 0o644)
    for name, place in _PROGRAMS.items():
        _copy(_found(files, name), root / place / name, 0o755)
    for name in _NAMES_OF_KUBE:
        (root / "usr/bin" / name).symlink_to("kube")
    for place in _EMPTY:
        (root / place).mkdir(parents=True, exist_ok=True)
    _copy(FILES / "kubelet.default", root / "etc/default/kubelet", 0o644)
    _write(root / "kind/version", f"v{files.version}")
    containerd = (FILES / "containerd.toml").read_text(encoding="utf-8")
    _write(
        root / "etc/containerd/config.toml", containerd.replace("@PAUSE@", files.pause_reference)
    )
    _enable(root)


def _found(files: NodeFiles, name: str) -> Path:
    return next(place / name for place in files.programs if (place / name).exists())


def _copy(source: Path, target: Path, mode: int) -> None:
    """Modes are ours: how a package was installed must not matter."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(mode)


def _write(target: Path, content: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(content, encoding="utf-8")


def _enable(root: Path) -> None:
    wants = root / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir()
    for unit in _ENABLED:
        (wants / unit).symlink_to(f"/etc/systemd/system/{unit}")
