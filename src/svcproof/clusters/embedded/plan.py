"""What a cluster is to be, decided before anything is created. Pure data.

The launcher makes a :class:`ClusterPlan`, writes it as JSON, and the keeper and
the supervisor, which are processes of their own, read it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from svcproof.clusters.embedded.addressing import FamilyAddresses, addresses_of

__all__ = ["WORLD", "ClusterPlan", "NodePlan", "cgroup_parent", "host_link", "make_plan"]

#: The cluster's own directory, on a tmpfs that only its mount namespaces see.
#: The same path in the supervisor and in every node, so that one configuration
#: serves both.
WORLD = Path("/run/svcproof")

Family = Literal["ipv4", "ipv6"]
_FAMILIES: dict[str, tuple[Family, ...]] = {
    "ipv4": ("ipv4",),
    "ipv6": ("ipv6",),
    "dual": ("ipv4", "ipv6"),
}


class NodePlan(msgspec.Struct, frozen=True):
    """One node: its name, its zone, and per family its address and Pod range."""

    name: str
    zone: str
    addresses: tuple[str, ...]
    pod_ranges: tuple[str, ...]

    @property
    def directory(self) -> Path:
        """Where the node's state is, inside the cluster's world."""
        return WORLD / "nodes" / self.name


def host_link(name: str) -> str:
    """The host's end of a cluster's only link, whatever version started it."""
    return f"sp-{name}"


def cgroup_parent(name: str) -> str:
    """The cgroup below which all containers of a cluster are, whatever version started it."""
    return f"/svcproof/{name}"


class ClusterPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A whole cluster.

    ``state``, ``components`` and ``seeds`` are directories of the host; the
    last two are in the world as well, and ``store_seed`` and ``image_seed`` are
    where they are there. ``images`` are tars below ``components`` or ``seeds``,
    again as the world has them.
    """

    name: str
    slot: int
    kubernetes_version: str
    proxy_mode: Literal["iptables", "nftables"]
    families: tuple[FamilyAddresses, ...]
    nodes: tuple[NodePlan, ...]
    state: str
    components: str
    seeds: str
    store_seed: str
    image_seed: str
    images: tuple[str, ...]

    @property
    def primary(self) -> FamilyAddresses:
        """The family that comes first: the API server's and each node's primary address."""
        return self.families[0]

    @property
    def host_link(self) -> str:
        """The host's end of the only link into the fabric (at most 15 characters)."""
        return host_link(self.name)

    @property
    def cgroup_parent(self) -> str:
        """The cgroup below which all containers of this cluster are."""
        return cgroup_parent(self.name)

    def node_cgroup(self, node: NodePlan) -> str:
        """The cgroup below which a node's containers are."""
        return f"{self.cgroup_parent}/{node.name}"

    @property
    def api_server(self) -> str:
        """The API server's URL, reachable from the host and from every node."""
        address = self.primary.control_plane
        return f"https://[{address}]:6443" if ":" in address else f"https://{address}:6443"


def make_plan(
    *,
    name: str,
    slot: int,
    kubernetes_version: str,
    proxy_mode: Literal["iptables", "nftables"],
    ip_families: str,
    nodes: int,
    state: Path,
    components: Path,
    seeds: Path,
    store_seed: str,
    image_seed: str,
    image: str,
) -> ClusterPlan:
    """Lay out a cluster: every second node is in the same zone, families in the order wanted.

    ``store_seed``, ``image_seed`` and ``image`` are names in the directory ``seeds``.
    """
    families = tuple(addresses_of(slot, family, nodes) for family in _FAMILIES[ip_families])
    return ClusterPlan(
        name=name,
        slot=slot,
        kubernetes_version=kubernetes_version,
        proxy_mode=proxy_mode,
        families=families,
        nodes=tuple(
            NodePlan(
                name=f"node-{i + 1}",
                zone=f"zone-{i % 2 + 1}",
                addresses=tuple(family.nodes[i] for family in families),
                pod_ranges=tuple(family.node_pods[i] for family in families),
            )
            for i in range(nodes)
        ),
        state=str(state),
        components=str(components),
        seeds=str(seeds),
        store_seed=str(WORLD / "seeds" / store_seed),
        image_seed=str(WORLD / "seeds" / image_seed),
        images=(str(WORLD / "seeds" / image),),
    )
