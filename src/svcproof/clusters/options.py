"""What cluster is wanted: one validated object for the command line and for pytest."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, cast

from svcproof.errors import UsageError
from svcproof.history import Family

__all__ = [
    "IP_FAMILIES",
    "MAX_NODES",
    "PROXY_MODES",
    "ClusterOptions",
    "cluster_options",
]

PROXY_MODES: Final = ("iptables", "nftables")
IP_FAMILIES: Final = ("ipv4", "ipv6", "dual")
MAX_NODES: Final = 8

_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,11}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterOptions:
    """A wanted cluster; make one with :func:`cluster_options`, which checks it.

    ``name`` is empty for a fresh cluster of this run; any other is the name of
    a cluster that ``svcproof up`` keeps. ``components_directory`` holds ready
    binaries; ``allow_install`` permits installing missing system tools;
    ``keep`` leaves the cluster running afterwards; ``seed`` repeats the draws of a
    fake one.
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

    @property
    def families(self) -> tuple[Family, ...]:
        """The IP families, the primary one first."""
        return ("ipv4", "ipv6") if self.ip_families == "dual" else (self.ip_families,)


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
) -> ClusterOptions:
    """Check every value; the first wrong one is a :class:`~svcproof.errors.UsageError`."""
    from svcproof.clusters import registry
    from svcproof.components.versions import minors

    return ClusterOptions(
        kind=_one_of("cluster kind", kind, registry.kinds()),
        name=_checked_name(name),
        kubernetes_version=_one_of("Kubernetes version", kubernetes_version, minors()),
        nodes=_node_count(nodes),
        proxy_mode=cast(
            Literal["iptables", "nftables"], _one_of("proxy mode", proxy_mode, PROXY_MODES)
        ),
        ip_families=cast(
            Literal["ipv4", "ipv6", "dual"], _one_of("IP families", ip_families, IP_FAMILIES)
        ),
        components_directory=_directory(components_directory),
        allow_install=allow_install,
        keep=keep,
        seed=_number(seed, "seed"),
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


def _directory(value: str | Path) -> Path | None:
    if not str(value):
        return None
    path = Path(value)
    if not path.is_dir():
        raise UsageError(f"the components directory {str(path)!r} does not exist")
    return path.resolve()
