"""kind, and the programs of its nodes that no other cluster needs, in Go modules of their own.

kind itself is one program whichever Kubernetes it starts, built in seconds. The nodes'
programs are only for a node image that is made here (``svcproof kind-image``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from svcproof.components.obtain import ensure_in_cache
from svcproof.components.own_module import OwnModule, pinned
from svcproof.components.progress import Progress
from svcproof.components.recipe import (
    Step,
    go_environment,
    host_architecture,
    plain_step,
    versioned_step,
)
from svcproof.components.sources import KIND, KUBEADM
from svcproof.components.versions import KubernetesVersion, resolve
from svcproof.errors import UsageError

__all__ = ["Kind", "NodePrograms", "obtain_kind"]

_KIND: Final = "sigs.k8s.io/kind"
_CRICTL: Final = "sigs.k8s.io/cri-tools"
_FOR_NODES: Final = {
    "crictl": f"{_CRICTL}/cmd/crictl",
    "coredns": "./coredns",
    "nodenet": "./nodenet",
}
_KUBEADM: Final = {"kubeadm": "k8s.io/kubernetes/cmd/kubeadm"}


@dataclass(frozen=True)
class Kind(OwnModule):
    """kind for an architecture."""

    name = "kind"
    directory = KIND
    packages = {"kind": _KIND}  # noqa: RUF012

    @property
    def label(self) -> str:
        """What it is, for people."""
        return f"kind {self.pins()['kind']}"

    def pins(self) -> dict[str, str]:
        """Its version."""
        return {"kind": pinned(self.directory, rf"^\s+{re.escape(_KIND)} v(\S+)$")}


@dataclass(frozen=True)  # no slots: what is computed once is kept in it
class NodePrograms:
    """kubeadm, crictl, CoreDNS with kubeadm's plugins, and a Pod network.

    A :class:`~svcproof.components.recipe.Buildable`.
    """

    version: KubernetesVersion
    architecture: str

    @classmethod
    def of(cls, kubernetes: str) -> NodePrograms:
        """For a version as a user writes it, and this machine; a usage error if there are none."""
        version = resolve(kubernetes)
        known = sorted(path.parent.name for path in KUBEADM.glob("versions/*/go.mod"))
        if version.minor not in known:
            raise UsageError(
                f"there is no kubeadm here for Kubernetes {version.minor};"
                f" valid ones: {', '.join(known)}"
            )
        return cls(version, host_architecture())

    @property
    def label(self) -> str:
        """What it is, for people."""
        return f"kubeadm {self.version.patch} and other programs of kind nodes"

    @property
    def kubernetes(self) -> str:
        """The version with its patch."""
        return self.version.patch

    @property
    def platform(self) -> str:
        """As in ``linux-amd64``."""
        return f"linux-{self.architecture}"

    @property
    def go(self) -> str:
        """The oldest Go that its modules accept."""
        return max(self.version.go, pinned(KIND, r"^go (\S+)$"), key=_numbers)

    @property
    def programs(self) -> tuple[str, ...]:
        """All of them."""
        return (*_FOR_NODES, *_KUBEADM)

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """Two: kubeadm follows the Kubernetes version."""
        return (
            plain_step("kind-node", KIND, self.architecture, _FOR_NODES),
            versioned_step("kubeadm", KUBEADM, self.architecture, _KUBEADM, self.version),
        )

    @cached_property
    def key(self) -> str:
        """Equal exactly when the same sources are built in the same way."""
        return self.prefix + "-".join(step.digest[:8] for step in self.steps)

    @property
    def prefix(self) -> str:
        """What the keys of this minor on this platform begin with, without its patch."""
        return f"kind-node-{self.version.minor}-{self.platform}-"

    def pins(self) -> dict[str, str]:
        """Version by component."""
        return {
            "kubernetes": self.version.patch,
            "crictl": pinned(KIND, rf"^\s+{re.escape(_CRICTL)} v(\S+)$"),
            "coredns": pinned(KIND, r"^\s+github\.com/coredns/coredns v(\S+)$"),
        }

    def environment(self) -> dict[str, str]:
        """The caller's environment with what would change the outcome replaced."""
        return go_environment(self.architecture)

    def reread(self) -> NodePrograms:
        """The same as its sources are now."""
        return NodePrograms(self.version, self.architecture)


def obtain_kind(*, allow_install: bool, progress: Progress) -> Path:
    """The program, built if the cache has none."""
    target = Kind(host_architecture())
    directory, _ = ensure_in_cache(target, allow_install=allow_install, progress=progress)
    return directory / "kind"


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]
