"""How the programs are built: packages, flags, environment, and the key that all of it makes."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, Protocol

from svcproof.components.model import BINARIES
from svcproof.components.sources import COMPONENTS, ECHO_HOSTNAME, digest
from svcproof.components.versions import KubernetesVersion, resolve
from svcproof.errors import UsageError

__all__ = [
    "ARCHITECTURES",
    "OUTPUT_NAMES",
    "PARTS",
    "Buildable",
    "Step",
    "Target",
    "checked_architecture",
    "go_environment",
    "host_architecture",
    "plain_step",
    "versioned_step",
]

#: Import paths by part of the progress display, in the order they are built.
PARTS: Final[Mapping[str, tuple[str, ...]]] = {
    "kube": ("./kube",),
    "etcd": ("go.etcd.io/etcd/server/v3",),
    "containerd": (
        "github.com/containerd/containerd/v2/cmd/containerd",
        "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
        "github.com/containerd/containerd/v2/cmd/ctr",
    ),
    "coredns": ("./coredns",),
    "cni": (
        "github.com/containernetworking/plugins/plugins/main/ptp",
        "github.com/containernetworking/plugins/plugins/main/loopback",
        "github.com/containernetworking/plugins/plugins/ipam/host-local",
        "github.com/containernetworking/plugins/plugins/meta/portmap",
    ),
    "echo-hostname": (".",),
}
_OWN: Final = "echo-hostname"

#: The go command names a program after its package; these are called otherwise here.
OUTPUT_NAMES: Final[Mapping[str, str]] = {
    "server": "etcd",
    "controller": "metallb-controller",
    "speaker": "metallb-speaker",
}

#: Go's name by the name the kernel has for it.
ARCHITECTURES: Final[Mapping[str, str]] = {"x86_64": "amd64", "aarch64": "arm64"}

_FLAGS: Final = ("-trimpath", "-buildvcs=false")
_LINKER_FLAGS: Final = "-s -w"
# A user's own settings must not change what comes out: these are part of the key
# by being constant. Proxy, checksum database and caches stay as they are set.
_ENVIRONMENT: Final[Mapping[str, str]] = {
    "CGO_ENABLED": "0",
    "GOOS": "linux",
    "GOAMD64": "v1",
    "GOARM64": "v8.0",
    "GOFLAGS": "-buildvcs=false",
    "GOWORK": "off",
    "GOTOOLCHAIN": "local",
    "GO111MODULE": "on",
}
# A stale GOROOT breaks every other toolchain than its own.
_UNWANTED: Final = frozenset({"GOROOT", "GOEXPERIMENT", "GOBIN"})


@dataclass(frozen=True, slots=True)
class Step:
    """One call of ``go build``: where, what, and a hash of all that goes in."""

    name: str
    directory: Path
    modfile: Path
    flags: tuple[str, ...]
    parts: Mapping[str, tuple[str, ...]]
    programs: tuple[str, ...]
    #: Below the directory for the outcome; "" where the go command names several.
    output: str
    digest: str

    @property
    def packages(self) -> tuple[str, ...]:
        """What to build."""
        return tuple(package for group in self.parts.values() for package in group)


class Buildable(Protocol):
    """Programs that are built together and cached under one key."""

    @property
    def label(self) -> str:
        """What they are, for people."""
        ...

    @property
    def kubernetes(self) -> str:
        """Which Kubernetes they are, or ""."""
        ...

    @property
    def platform(self) -> str:
        """As in ``linux-amd64``."""
        ...

    @property
    def go(self) -> str:
        """The oldest Go that their modules accept."""
        ...

    @property
    def key(self) -> str:
        """Equal exactly when the same sources are built in the same way."""
        ...

    @property
    def prefix(self) -> str:
        """What the keys begin with that a new build of these replaces."""
        ...

    @property
    def steps(self) -> tuple[Step, ...]:
        """The calls of ``go build``, in their order."""
        ...

    @property
    def programs(self) -> tuple[str, ...]:
        """Every program that has to be there in the end."""
        ...

    def pins(self) -> dict[str, str]:
        """Version by component."""
        ...

    def environment(self) -> dict[str, str]:
        """The caller's environment with what would change the outcome replaced."""
        ...

    def reread(self) -> Buildable:
        """The same as its sources are now."""
        ...


@dataclass(frozen=True)  # no slots: what is computed once is kept in it
class Target:
    """What is to be built: a Kubernetes version for an architecture.

    The sources are read once, when the key is first asked for.
    """

    version: KubernetesVersion
    architecture: str

    @classmethod
    def of(cls, kubernetes: str, architecture: str | None = None) -> Target:
        """The target for a version as a user writes it; this machine's architecture by default."""
        return cls(resolve(kubernetes), architecture or host_architecture())

    @property
    def label(self) -> str:
        """What it is, for people."""
        return f"Kubernetes {self.version.patch}"

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
        return self.version.go

    @property
    def programs(self) -> tuple[str, ...]:
        """Every program a cluster needs."""
        return BINARIES

    def pins(self) -> dict[str, str]:
        """Version by component."""
        return self.version.pins()

    def reread(self) -> Target:
        """The same as its sources are now."""
        return Target(self.version, self.architecture)

    @cached_property
    def key(self) -> str:
        """Equal exactly when the same sources are built in the same way."""
        total = hashlib.sha256("".join(step.digest for step in self.steps).encode())
        return f"{self.prefix}{total.hexdigest()[:12]}"

    @property
    def prefix(self) -> str:
        """What the keys of this minor on this platform begin with, without its patch."""
        return f"{self.version.minor}-{self.platform}-"

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """Everything from the pinned module in one call, so that shared packages compile once."""
        pinned = {part: group for part, group in PARTS.items() if part != _OWN}
        own = {_OWN: PARTS[_OWN]}
        modfile = f"versions/{self.version.minor}/go.mod"
        flags = (*_FLAGS, f"-modfile={modfile}", f"-ldflags={self._linker_flags()}")
        own_flags = (*_FLAGS, f"-ldflags={_LINKER_FLAGS}")
        return (
            self._step("components", COMPONENTS / modfile, flags, pinned),
            self._step(_OWN, ECHO_HOSTNAME / "go.mod", own_flags, own),
        )

    def _step(
        self, name: str, modfile: Path, flags: tuple[str, ...], parts: Mapping[str, tuple[str, ...]]
    ) -> Step:
        own = name == _OWN
        directory = ECHO_HOSTNAME if own else COMPONENTS
        settings = _settings(self.architecture, flags, parts)
        return Step(
            name=name,
            directory=directory,
            modfile=modfile,
            flags=flags,
            parts=parts,
            programs=tuple(binary for binary in BINARIES if (binary == _OWN) == own),
            output=_OWN if own else "",
            digest=digest(directory, self.version.minor, settings),
        )

    def environment(self) -> dict[str, str]:
        """The caller's environment with what would change the outcome replaced."""
        return go_environment(self.architecture)

    def _linker_flags(self) -> str:
        return " ".join([_LINKER_FLAGS, *(f"-X {k}={v}" for k, v in self._stamps().items())])

    def _stamps(self) -> dict[str, str]:
        """What the programs say about themselves: without it they are v0.0.0 or unknown."""
        plugins = "github.com/containernetworking/plugins/pkg/utils/buildversion"
        pins = self.version.pins()
        return {
            **_kubernetes_stamps(self.version),
            "github.com/containerd/containerd/v2/version.Version": f"v{pins['containerd']}",
            f"{plugins}.BuildVersion": f"v{pins['cni-plugins']}",
        }


def plain_step(name: str, directory: Path, architecture: str, packages: Mapping[str, str]) -> Step:
    """One call of ``go build`` for a module that pins itself: program → its package."""
    flags = (*_FLAGS, f"-ldflags={_LINKER_FLAGS}")
    parts = {name: tuple(packages.values())}
    return Step(
        name=name,
        directory=directory,
        modfile=directory / "go.mod",
        flags=flags,
        parts=parts,
        programs=tuple(packages),
        output="",
        digest=digest(directory, "", _settings(architecture, flags, parts)),
    )


def versioned_step(
    name: str,
    directory: Path,
    architecture: str,
    packages: Mapping[str, str],
    version: KubernetesVersion,
) -> Step:
    """The same for a module with a go.mod for each minor, whose programs say their version."""
    modfile = f"versions/{version.minor}/go.mod"
    stamps = " ".join(f"-X {key}={value}" for key, value in _kubernetes_stamps(version).items())
    flags = (*_FLAGS, f"-modfile={modfile}", f"-ldflags={_LINKER_FLAGS} {stamps}")
    parts = {name: tuple(packages.values())}
    return Step(
        name=name,
        directory=directory,
        modfile=directory / modfile,
        flags=flags,
        parts=parts,
        programs=tuple(packages),
        output="",
        digest=digest(directory, version.minor, _settings(architecture, flags, parts)),
    )


def _kubernetes_stamps(version: KubernetesVersion) -> dict[str, str]:
    major, minor = version.minor.split(".")
    base = "k8s.io/component-base/version"
    return {
        f"{base}.gitVersion": f"v{version.patch}",
        f"{base}.gitMajor": major,
        f"{base}.gitMinor": minor,
        f"{base}.gitTreeState": "clean",
        "k8s.io/client-go/pkg/version.gitVersion": f"v{version.patch}",
    }


def go_environment(architecture: str) -> dict[str, str]:
    """The caller's environment with what would change the outcome replaced."""
    kept = {name: value for name, value in os.environ.items() if name not in _UNWANTED}
    return {**kept, **_ENVIRONMENT, "GOARCH": architecture}


def _settings(
    architecture: str, flags: tuple[str, ...], parts: Mapping[str, tuple[str, ...]]
) -> list[str]:
    """All that goes into a digest besides the sources."""
    environment = [f"{key}={value}" for key, value in sorted(_ENVIRONMENT.items())]
    packages = [package for group in parts.values() for package in group]
    return [architecture, *flags, *environment, *packages]


def checked_architecture(name: str) -> str:
    """Go's name of an architecture that components can be built for."""
    if name not in ARCHITECTURES.values():
        valid = ", ".join(ARCHITECTURES.values())
        raise UsageError(f"unknown architecture {name!r}; valid ones: {valid}")
    return name


def host_architecture() -> str:
    """Go's name of this machine's architecture."""
    machine = platform.machine()
    try:
        return ARCHITECTURES[machine]
    except KeyError:
        known = ", ".join(ARCHITECTURES)
        raise UsageError(f"no components can be built for {machine}; known are {known}") from None
