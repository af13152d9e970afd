"""The Kubernetes versions that can be built: one go.mod each, the patch is pinned in it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from svcproof.components.sources import COMPONENTS
from svcproof.errors import UsageError

__all__ = ["DEFAULT_KUBERNETES", "KubernetesVersion", "minors", "resolve"]

#: The minor that is used when nobody asks for another.
DEFAULT_KUBERNETES: Final = "1.36"


@dataclass(frozen=True, slots=True)
class KubernetesVersion:
    """One minor, at the patch that its go.mod pins."""

    minor: str
    patch: str

    @property
    def modfile(self) -> Path:
        """The go.mod that pins everything; its go.sum is beside it."""
        return COMPONENTS / "versions" / self.minor / "go.mod"

    @property
    def go(self) -> str:
        """The oldest Go that its modules accept."""
        return _directive(self.modfile, r"^go (\S+)$")

    def pins(self) -> dict[str, str]:
        """Version by component, as the go.mod says."""
        text = self.modfile.read_text(encoding="utf-8")
        return {
            name: found[1]
            for name, module in _PINNED_MODULES.items()
            if (found := re.search(rf"^\s+{re.escape(module)} v(\S+)$", text, re.MULTILINE))
        }


_PINNED_MODULES: Final = {
    "kubernetes": "k8s.io/kubernetes",
    "etcd": "go.etcd.io/etcd/server/v3",
    "containerd": "github.com/containerd/containerd/v2",
    "cni-plugins": "github.com/containernetworking/plugins",
    "coredns": "github.com/coredns/coredns",
}


def minors() -> tuple[str, ...]:
    """Every minor there is a go.mod for, oldest first."""
    found = (path.parent.name for path in (COMPONENTS / "versions").glob("*/go.mod"))
    return tuple(sorted(found, key=lambda minor: [int(part) for part in minor.split(".")]))


def resolve(wanted: str) -> KubernetesVersion:
    """``1.36``, ``v1.36`` or the full pinned version; anything else lists the valid ones."""
    plain = wanted.strip().removeprefix("v")
    known = [_load(minor) for minor in minors()]
    for version in known:
        if plain in (version.minor, version.patch):
            return version
    valid = ", ".join(f"{version.minor} (= {version.patch})" for version in known)
    raise UsageError(
        f"unknown Kubernetes version {wanted!r}; valid ones: {valid}",
        remedy="name one of these; a checkout gets another minor by components/add-version",
    )


def _load(minor: str) -> KubernetesVersion:
    modfile = COMPONENTS / "versions" / minor / "go.mod"
    return KubernetesVersion(minor, _directive(modfile, r"^\s+k8s\.io/kubernetes v(\S+)$"))


def _directive(modfile: Path, pattern: str) -> str:
    found = re.search(pattern, modfile.read_text(encoding="utf-8"), re.MULTILINE)
    if not found:
        raise UsageError(
            f"{modfile}: no line matches {pattern!r}", remedy="run components/add-version"
        )
    return found[1]
