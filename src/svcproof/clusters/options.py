"""What cluster is wanted: one validated object for the command line and for pytest."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, cast

from svcproof.clusters.placing import Placing, node_labels, quantities, tolerations
from svcproof.errors import UsageError
from svcproof.history import Family

__all__ = [
    "DEFAULT_CARRIER",
    "IP_FAMILIES",
    "MAX_NODES",
    "PROXY_MODES",
    "ClusterOptions",
    "ExistingOptions",
    "choices",
    "cluster_options",
]

PROXY_MODES: Final = ("iptables", "nftables")
IP_FAMILIES: Final = ("ipv4", "ipv6", "dual")
MAX_NODES: Final = 8
#: Has a shell, is public, and is what Kubernetes' own end-to-end tests run.
DEFAULT_CARRIER: Final = "registry.k8s.io/e2e-test-images/agnhost:2.53"

_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,11}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExistingOptions:
    """How a cluster that is there already is used.

    ``kubeconfig`` is a file, or None for the usual places; ``context`` one of its
    contexts. ``namespace`` is one that was made beforehand: then nothing outside of
    it is touched. ``image`` has ``/echo-hostname`` in it. Without one the program is
    brought along into ``carrier``, any image with a shell, whose registry
    ``registry`` replaces. ``data_plane`` overrules what is detected. ``outside``:
    this machine is a client outside of the cluster. ``placing``: where Pods may run.
    """

    kubeconfig: Path | None = None
    context: str = ""
    namespace: str = ""
    image: str = ""
    carrier: str = DEFAULT_CARRIER
    registry: str = ""
    data_plane: str = ""
    outside: bool = False
    placing: Placing = field(default_factory=Placing)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterOptions:
    """A wanted cluster; make one with :func:`cluster_options`, which checks it.

    ``name`` is empty for a fresh cluster of this run; any other is the name of
    a cluster that ``svcproof up`` keeps. ``components_directory`` holds ready
    binaries; ``allow_install`` permits installing missing system tools;
    ``keep`` leaves the cluster running afterwards; ``seed`` repeats the draws of a
    fake one. ``node_image`` and ``kind_config`` are for kind; ``existing`` is how a
    cluster that is there already is used.
    """

    kind: str = "embedded"
    name: str = ""
    kubernetes_version: str = "1.36"
    nodes: int = 3
    proxy_mode: Literal["iptables", "nftables"] = "iptables"
    ip_families: Literal["ipv4", "ipv6", "dual"] = "ipv4"
    components_directory: Path | None = None
    allow_install: bool = True
    keep: bool = False
    seed: int = 0
    node_image: str = ""
    kind_config: Path | None = None
    existing: ExistingOptions = field(default_factory=ExistingOptions)

    @property
    def families(self) -> tuple[Family, ...]:
        """The IP families, the primary one first."""
        return ("ipv4", "ipv6") if self.ip_families == "dual" else (self.ip_families,)


def choices() -> dict[str, tuple[str, ...]]:
    """What :func:`cluster_options` takes where only some values will do, by its argument's name."""
    from svcproof.clusters.registry import kinds
    from svcproof.components.versions import minors
    from svcproof.profiles import PROFILES

    return {
        "kind": kinds(),
        "kubernetes_version": tuple(minors()),
        "nodes": tuple(str(number) for number in range(1, MAX_NODES + 1)),
        "proxy_mode": PROXY_MODES,
        "ip_families": IP_FAMILIES,
        "data_plane": tuple(PROFILES),
    }


def cluster_options(
    *,
    kind: str = "embedded",
    name: str = "",
    kubernetes_version: str = "1.36",
    nodes: int | str = 3,
    proxy_mode: str = "iptables",
    ip_families: str = "ipv4",
    components_directory: str | Path = "",
    allow_install: bool = True,
    keep: bool = False,
    seed: int | str = 0,
    node_image: str = "",
    kind_config: str | Path = "",
    kubeconfig: str | Path = "",
    context: str = "",
    namespace: str = "",
    image: str = "",
    carrier: str = DEFAULT_CARRIER,
    registry: str = "",
    data_plane: str = "",
    outside: bool = False,
    tolerate: str = "",
    node_selector: str = "",
    requests: str = "",
    limits: str = "",
) -> ClusterOptions:
    """Check every value; the first wrong one is a :class:`~svcproof.errors.UsageError`."""
    valid = choices()
    return ClusterOptions(
        kind=_one_of("cluster kind", kind, valid["kind"]),
        name=_checked_name(name),
        kubernetes_version=_one_of(
            "Kubernetes version", kubernetes_version, valid["kubernetes_version"]
        ),
        nodes=_node_count(nodes),
        proxy_mode=cast(
            Literal["iptables", "nftables"], _one_of("proxy mode", proxy_mode, valid["proxy_mode"])
        ),
        ip_families=cast(
            Literal["ipv4", "ipv6", "dual"],
            _one_of("IP families", ip_families, valid["ip_families"]),
        ),
        components_directory=_directory(components_directory),
        allow_install=allow_install,
        keep=keep,
        seed=_number(seed, "seed"),
        node_image=node_image,
        kind_config=_file("kind configuration", kind_config),
        existing=ExistingOptions(
            kubeconfig=_file("kubeconfig", kubeconfig),
            context=context,
            namespace=namespace,
            image=image,
            carrier=carrier,
            registry=registry,
            data_plane=data_plane and _one_of("data plane", data_plane, valid["data_plane"]),
            outside=outside,
            placing=Placing(
                tolerations=tolerations(tolerate),
                node_labels=node_labels(node_selector),
                requests=quantities("requests", requests),
                limits=quantities("limits", limits),
            ),
        ),
    )


def _one_of(what: str, value: str, valid: Sequence[str]) -> str:
    if value not in valid:
        raise UsageError(f"{what} {value!r} is unknown; valid: {', '.join(valid)}")
    return value


def _checked_name(name: str) -> str:
    if name and not _NAME.fullmatch(name):
        raise UsageError(
            f"cluster name {name!r} will not do; it has 1 to 12 characters, lower-case letters, "
            "digits and dashes, and starts with a letter"
        )
    return name


def _node_count(value: int | str) -> int:
    nodes = _number(value, f"number of nodes (1 to {MAX_NODES})")
    if not 1 <= nodes <= MAX_NODES:
        raise UsageError(f"{nodes} nodes cannot be had; valid: 1 to {MAX_NODES}")
    return nodes


def _number(value: int | str, what: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise UsageError(f"{what} {value!r} is no whole number") from None


def _file(what: str, value: str | Path) -> Path | None:
    if not str(value):
        return None
    path = Path(value).expanduser()
    if not path.is_file():
        raise UsageError(f"the {what} {str(path)!r} is no file that is there")
    return path.resolve()


def _directory(value: str | Path) -> Path | None:
    if not str(value):
        return None
    path = Path(value)
    if not path.is_dir():
        raise UsageError(f"the components directory {str(path)!r} does not exist")
    return path.resolve()
