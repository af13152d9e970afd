"""The fabric and its namespaces: links, addresses, routes, masquerade.

Runs in the supervisor, whose own network namespace *is* the fabric: a bridge
that joins the control plane, the nodes, one outside client, and, by a single
link, the host. Nothing has a route out of it: everybody's default route leads to
the fabric's router, and that one knows no way. So what is on no link of the
fabric (a ClusterIP without rules, a Pod address from outside) ends as
*unreachable*, on the nodes and on the host.

The nodes' default route is a real one, not ``unreachable`` itself: a process of
the node that dials a ClusterIP needs a route before kube-proxy's rules in the
output hook get to see the packet.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from pyroute2 import IPRoute, netns

from svcproof.clusters.embedded.addressing import FamilyAddresses
from svcproof.clusters.embedded.plan import ClusterPlan, NodePlan

__all__ = ["CONTROL_PLANE", "OUTSIDE", "build_fabric", "build_nodes", "inside", "namespace_path"]

CONTROL_PLANE: Final = "control-plane"
OUTSIDE: Final = "outside"

_BRIDGE: Final = "br0"
_NO_DUPLICATE_DETECTION: Final = 0x02  # IFA_F_NODAD: the address is usable at once
_UNREACHABLE: Final = 7  # RTN_UNREACHABLE
#: RTN_LOCAL, RT_TABLE_LOCAL, RT_SCOPE_HOST: addresses of one's own.
_OWN: Final = {"type": 2, "table": 255, "scope": 254}
_EVERYWHERE: Final = {"ipv4": "0.0.0.0/0", "ipv6": "::/0"}


def namespace_path(name: str) -> Path:
    """Where a named network namespace of the cluster is, in the supervisor's mounts."""
    return Path("/run/netns") / name


def build_fabric(plan: ClusterPlan, host_namespace: int) -> None:
    """The bridge, the host's link and the control plane: enough for the API server.

    ``host_namespace`` is an open file of the host's network namespace.
    """
    _make_bridge(plan)
    _link_host(plan, host_namespace)
    _make_member(plan, CONTROL_PLANE, [family.control_plane for family in plan.families])


def build_nodes(plan: ClusterPlan) -> None:
    """The nodes and the outside client, and every node's routes to the others' Pods."""
    _make_member(plan, OUTSIDE, [family.outside for family in plan.families])
    _make_crowd(plan)
    for node in plan.nodes:
        _make_member(plan, node.name, node.addresses)
    for node in plan.nodes:
        others = [other for other in plan.nodes if other is not node]
        _route_to_pods(node.name, others)
        _masquerade(plan, node.name)
    _route_to_pods(CONTROL_PLANE, plan.nodes)


def _make_crowd(plan: ClusterPlan) -> None:
    """All addresses of the clients' ranges are the outside client's own, without a line for each;
    nodes reach them by the router."""

    def own_all() -> None:
        # IPv6 binds to what is an address of some interface; a route is enough for IPv4.
        _write_settings({"net/ipv6/ip_nonlocal_bind": 1})
        with IPRoute() as links:
            for family in plan.families:
                links.route("add", dst=family.clients, oif=1, **_OWN)

    inside(str(namespace_path(OUTSIDE)), own_all)
    with IPRoute() as links:
        for family in plan.families:
            links.route("add", dst=family.clients, gateway=family.outside)


def _make_bridge(plan: ClusterPlan) -> None:
    with IPRoute() as links:
        links.link("set", index=1, state="up")
        links.link("add", ifname=_BRIDGE, kind="bridge", br_stp_state=0, br_mcast_snooping=0)
        bridge = _index(links, _BRIDGE)
        _set_addresses(links, bridge, [(f, f.router) for f in plan.families])
        links.link("set", index=bridge, state="up")
        for family in plan.families:
            links.route("add", dst=_EVERYWHERE[family.family], type=_UNREACHABLE)
    _write_settings({"net/ipv4/ip_forward": 1, "net/ipv6/conf/all/forwarding": 1})
    # Every answer "unreachable" at once: by default only one a second is sent.
    _write_settings({"net/ipv4/icmp_ratelimit": 0, "net/ipv6/icmp/ratelimit": 0})
    # Bridged packets must not meet the fabric's own (empty) netfilter: it costs
    # time, and on a host with br_netfilter it would track every connection twice.
    _write_settings({f"net/bridge/bridge-nf-call-{tool}": 0 for tool in ("iptables", "ip6tables")})


def _link_host(plan: ClusterPlan, host_namespace: int) -> None:
    """The host's end has the fabric's subnet and one route for all else of the cluster."""
    with IPRoute() as links:
        links.link(
            "add",
            ifname="host",
            kind="veth",
            peer={"ifname": plan.host_link, "net_ns_fd": host_namespace},
        )
        _attach(links, "host")

    def on_host() -> None:
        with IPRoute() as links:
            index = _index(links, plan.host_link)
            _set_addresses(links, index, [(f, f.host) for f in plan.families])
            links.link("set", index=index, state="up")
            for family in plan.families:
                links.route("add", dst=family.everything, gateway=family.router, oif=index)

    inside(host_namespace, on_host)


def _make_member(plan: ClusterPlan, name: str, addresses: Iterable[str]) -> None:
    """A namespace with ``eth0`` on the bridge, which forwards as a node does."""
    netns.create(name)
    with IPRoute() as links:
        links.link("add", ifname=name, kind="veth", peer={"ifname": "eth0", "net_ns_fd": name})
        _attach(links, name)

    def configure() -> None:
        with_ipv6 = any(family.family == "ipv6" for family in plan.families)
        _write_settings(
            {
                "net/ipv4/ip_forward": 1,
                # Refusals at once, however many: docs/decisions/0011.
                "net/ipv4/icmp_ratelimit": 0,
                "net/ipv6/icmp/ratelimit": 0,
                # Two minutes by default: a run makes tens of thousands of connections, and
                # kube-proxy reads all that is remembered whenever a UDP Service changes.
                "net/netfilter/nf_conntrack_tcp_timeout_time_wait": 5,
                # Two minutes as well: so long a connection that nobody answered leads whoever has
                # its port again where it went (docs/decisions/0012).
                "net/netfilter/nf_conntrack_tcp_timeout_syn_sent": 5,
                "net/ipv4/conf/all/rp_filter": 0,
                "net/ipv4/conf/default/rp_filter": 0,
                "net/ipv6/conf/all/forwarding": 1,
                "net/ipv6/conf/default/accept_dad": 0,
                "net/ipv6/conf/all/disable_ipv6": 0 if with_ipv6 else 1,
                "net/ipv6/conf/default/disable_ipv6": 0 if with_ipv6 else 1,
            }
        )
        with IPRoute() as links:
            links.link("set", index=1, state="up")
            index = _index(links, "eth0")
            _set_addresses(links, index, zip(plan.families, addresses, strict=True))
            links.link("set", index=index, state="up")
            for family in plan.families:
                links.route("add", dst=_EVERYWHERE[family.family], gateway=family.router)

    inside(str(namespace_path(name)), configure)


def _route_to_pods(name: str, nodes: Iterable[NodePlan]) -> None:
    with IPRoute(netns=name) as links:
        for node in nodes:
            for pod_range, address in zip(node.pod_ranges, node.addresses, strict=True):
                links.route("add", dst=pod_range, gateway=address)


def _masquerade(plan: ClusterPlan, node: str) -> None:
    """As kindnet does: a Pod that talks to anything but Pods appears as its node.

    A table of its own, so that neither kube-proxy mode ever touches it.
    """
    rules = "\n".join(
        f"    {word} saddr {family.pods} {word} daddr != {family.pods} masquerade fully-random"
        for family in plan.families
        for word in ("ip" if family.family == "ipv4" else "ip6",)
    )
    ruleset = (
        "table inet svcproof-masquerade {\n  chain postrouting {\n"
        "    type nat hook postrouting priority srcnat + 10; policy accept;\n"
        f"{rules}\n  }}\n}}\n"
    )
    subprocess.run(
        ["nsenter", f"--net={namespace_path(node)}", "nft", "-f", "-"],
        input=ruleset,
        text=True,
        check=True,
        timeout=30,
    )


def _set_addresses(
    links: IPRoute, index: int, addresses: Iterable[tuple[FamilyAddresses, str]]
) -> None:
    for family, address in addresses:
        flags = {"flags": _NO_DUPLICATE_DETECTION} if family.family == "ipv6" else {}
        links.addr("add", index=index, address=address, prefixlen=family.fabric_prefix, **flags)


def _attach(links: IPRoute, name: str) -> None:
    links.link("set", index=_index(links, name), master=_index(links, _BRIDGE), state="up")


def _index(links: IPRoute, name: str) -> int:
    found = links.link_lookup(ifname=name)
    if not found:
        raise RuntimeError(f"link {name} is not there")
    return int(found[0])


def inside(namespace: int | str, action: Callable[[], None]) -> None:
    """Run ``action`` in another network namespace.

    In a thread of its own: a thread that has entered a namespace never comes
    back, so nothing can be left in the wrong one.
    """
    failure: list[BaseException] = []

    def enter_and_act() -> None:
        try:
            netns.setns(namespace)
            action()
        except BaseException as error:  # carried to the caller's thread, below
            failure.append(error)

    thread = threading.Thread(target=enter_and_act)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]


def _write_settings(settings: dict[str, int]) -> None:
    """Write kernel settings of the current thread's network namespace; absent ones are skipped."""
    for name, value in settings.items():
        path = Path("/proc/sys") / name
        if path.exists():
            path.write_text(f"{value}\n")
