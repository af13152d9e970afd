"""Which addresses a cluster uses: one IPv4 /16 and one IPv6 /48, carved up.

Every cluster on a machine gets a *slot* of its own. From slot N come, all
inside ``10.N.0.0/16`` and ``fd53:7663:N::/48`` (N in hexadecimal there):

======================  ==================  =======================
what                    IPv4                IPv6
======================  ==================  =======================
fabric (nodes, host)    10.N.0.0/24         fd53:7663:N:0::/64
load balancers, in it   10.N.0.128/26       fd53:7663:N::80:0/112
many clients outside    10.N.32.0/20        fd53:7663:N:20::/112
Pods, all nodes         10.N.64.0/18        fd53:7663:N:100::/56
Pods of node i          10.N.(64+i).0/24    fd53:7663:N:(100+i)::/64
Services                10.N.128.0/20       fd53:7663:N:fff0::/108
======================  ==================  =======================

One range a family means one route on the host: whatever is not on the fabric
goes to the fabric's router, which answers *unreachable*, so that no ClusterIP
ever follows the host's default route off the machine.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Literal

import msgspec

from svcproof.errors import EnvironmentProblem

__all__ = ["SLOTS", "FamilyAddresses", "addresses_of", "choose_slot", "ranges_of"]

Network = IPv4Network | IPv6Network

#: Slots in the order in which they are tried: high ones first, because home
#: routers, VPNs and clouds prefer the low ones and kind's defaults are 96 and 244.
SLOTS = tuple(number for number in range(213, 63, -1) if number != 96)

_HOST, _CONTROL_PLANE, _OUTSIDE, _FIRST_NODE, _ROUTER = 1, 2, 3, 11, 254


class FamilyAddresses(msgspec.Struct, frozen=True):
    """One family's addresses and ranges of a cluster; ``nodes`` and ``node_pods`` by node."""

    family: Literal["ipv4", "ipv6"]
    everything: str
    fabric: str
    host: str
    control_plane: str
    outside: str
    router: str
    nodes: tuple[str, ...]
    pods: str
    node_pods: tuple[str, ...]
    services: str
    kubernetes_service: str
    dns_service: str

    @property
    def fabric_prefix(self) -> int:
        """Prefix length of the fabric."""
        return ip_network(self.fabric).prefixlen

    @property
    def clients(self) -> str:
        """What the client outside may connect from, beside its own address."""
        base = ip_network(self.everything).network_address
        return f"{base + (32 << 8)}/20" if self.family == "ipv4" else f"{base + (0x20 << 64)}/112"

    @property
    def load_balancers(self) -> str:
        """What Services of type LoadBalancer get their addresses from.

        A part of the fabric, so that its link is the one they are announced on.
        """
        base = ip_network(self.fabric).network_address
        return f"{base + 128}/26" if self.family == "ipv4" else f"{base + (0x80 << 16)}/112"


def ranges_of(slot: int) -> tuple[Network, Network]:
    """The IPv4 and the IPv6 range that a slot owns."""
    return ip_network(f"10.{slot}.0.0/16"), ip_network(f"fd53:7663:{slot:x}::/48")


def choose_slot(taken: Iterable[Network], used: Collection[int] = ()) -> int:
    """The first slot that no network in ``taken`` overlaps and no cluster uses.

    Default routes take nothing: every address matches them.
    Raises :class:`~svcproof.errors.EnvironmentProblem` when there is none.
    """
    networks = [network for network in taken if network.prefixlen > 0]
    for slot in SLOTS:
        if slot not in used and not any(
            network.overlaps(own)
            for own in ranges_of(slot)
            for network in networks
            if network.version == own.version
        ):
            return slot
    raise EnvironmentProblem(
        f"no free address range: all of 10.{SLOTS[-1]}.0.0/16 to 10.{SLOTS[0]}.0.0/16 overlap "
        f"addresses, routes or clusters of this machine",
        remedy="end clusters that are not needed (svcproof status; svcproof down --all)",
    )


def addresses_of(slot: int, family: Literal["ipv4", "ipv6"], nodes: int) -> FamilyAddresses:
    """All addresses of one family for a cluster of ``nodes`` nodes in a slot."""
    everything = ranges_of(slot)[0 if family == "ipv4" else 1]
    base = everything.network_address
    if family == "ipv4":
        fabric, pods = ip_network(f"{base}/24"), ip_network(f"{base + (64 << 8)}/18")
        services = ip_network(f"{base + (128 << 8)}/20")
        node_pods = [f"{base + ((64 + i) << 8)}/24" for i in range(1, nodes + 1)]
    else:
        fabric, pods = ip_network(f"{base}/64"), ip_network(f"{base + (0x100 << 64)}/56")
        services = ip_network(f"{base + (0xFFF0 << 64)}/108")
        node_pods = [f"{base + ((0x100 + i) << 64)}/64" for i in range(1, nodes + 1)]
    return FamilyAddresses(
        family=family,
        everything=str(everything),
        fabric=str(fabric),
        host=str(base + _HOST),
        control_plane=str(base + _CONTROL_PLANE),
        outside=str(base + _OUTSIDE),
        router=str(base + _ROUTER),
        nodes=tuple(str(base + _FIRST_NODE + i) for i in range(nodes)),
        pods=str(pods),
        node_pods=tuple(node_pods),
        services=str(services),
        kubernetes_service=str(services.network_address + 1),
        dns_service=str(services.network_address + 10),
    )
