"""Faults in what kube-proxy programs: stale, missing, shadowed and lopsided rules."""

from __future__ import annotations

from typing import Final

from svcproof.battery.topics import Topic
from svcproof.faults.model import Fault, Undo
from svcproof.faults.rules import (
    BEFORE_EVERYTHING,
    BEFORE_PROXY,
    Chain,
    dnat,
    of_family,
    packets_to,
    plant,
    word,
)
from svcproof.faults.scene import Scene
from svcproof.history import Family
from svcproof.ports import CanFreezeComponents, CanRunInNodes
from svcproof.snapshot import Pod

__all__ = ["FAULTS"]

_HTTP: Final = 80
_SAVED: Final = "/run/svcproof-saved-rules"
_PROXY: Final = "kube-proxy"
#: Of ten connections so many go to the favoured Pod beside its fair share of the others.
_EXTRA_TENTHS: Final = 4


def _proxy_frozen(scene: Scene, undo: Undo) -> None:
    scene.freeze(undo, _PROXY, scene.node)


def _rules_wiped(scene: Scene, undo: Undo) -> None:
    # Left alone, kube-proxy would bring its rules back: in iptables mode within 30 s,
    # when it misses its canary chain; in nftables mode, which has none, after the
    # next event's transaction has failed. Frozen, it keeps the window open.
    scene.freeze(undo, _PROXY, scene.node)
    wipe = _wipe_iptables if scene.cluster.facts.proxy_mode == "iptables" else _wipe_nftables
    for family in scene.cluster.facts.families:
        wipe(scene, undo, family)


def _wipe_iptables(scene: Scene, undo: Undo, family: Family) -> None:
    tool = "iptables" if family == "ipv4" else "ip6tables"
    saved = f"{_SAVED}-{family}"
    restore = f"{tool}-restore --counters <{saved}"
    _register_restore(scene, undo, saved, restore)
    # A chain of the kernel's that is named in the copy would be there after restoring it,
    # with or without rules. Those that have rules are made for them all the same.
    scene.shell(scene.node, f"{tool}-save --counters | grep -vE '^:[A-Z]+ ACCEPT ' >{saved}")
    scene.shell(scene.node, f"{tool}-save | grep -v KUBE- | {tool}-restore")


def _wipe_nftables(scene: Scene, undo: Undo, family: Family) -> None:
    table = "ip kube-proxy" if family == "ipv4" else "ip6 kube-proxy"
    saved = f"{_SAVED}-{family}"
    restore = f"nft add table {table}; nft delete table {table}; nft -f {saved}"
    _register_restore(scene, undo, saved, restore)
    scene.shell(scene.node, f"nft list table {table} >{saved}")
    scene.in_node(scene.node, "nft", "delete", "table", *table.split())


def _register_restore(scene: Scene, undo: Undo, saved: str, restore: str) -> None:
    script = f"if [ -s {saved} ]; then {restore}; rm {saved}; fi"
    undo.register(
        f"the Service rules of {scene.node} are gone",
        scene.shell,
        scene.node,
        script,
        by_hand=f"in {scene.node}: {restore}",
    )


def _node_port_closed(scene: Scene, undo: Undo) -> None:
    (port,) = scene.service(scene.names.web_port).ports
    rules = [f"fib daddr type local tcp dport {port.node_port} drop"]
    plant(scene, undo, scene.node, [Chain("filter", "prerouting", BEFORE_EVERYTHING, rules)])


def _node_port_closed_beside(scene: Scene, undo: Undo) -> None:
    """At the node's other addresses; 127.0.0.1 and what the Node object has are left alone."""
    (port,) = scene.service(scene.names.web_port).ports
    (node,) = (each for each in scene.snapshot().nodes if each.name == scene.node)
    rules = [
        f"{nft} daddr != {{ {', '.join([loopback, *own])} }} fib daddr type local "
        f"tcp dport {port.node_port} drop"
        for nft, loopback in (("ip", "127.0.0.0/8"), ("ip6", "::1"))
        for own in [[address for address in node.addresses if word(address) == nft]]
    ]
    chains = [
        Chain("filter", "prerouting", BEFORE_EVERYTHING, rules),
        Chain("filter", "output", BEFORE_EVERYTHING, rules),
    ]
    plant(scene, undo, scene.node, chains)


def _captured_by_host_port(scene: Scene, undo: Undo) -> None:
    _translate_first(scene, undo, scene.pod(scene.names.other))


def _uneven_shares(scene: Scene, undo: Undo) -> None:
    favoured = scene.pod(scene.names.web_app, scene.home)
    _translate_first(scene, undo, favoured, f"numgen random mod 10 < {_EXTRA_TENTHS}")


def _translate_first(scene: Scene, undo: Undo, pod: Pod, condition: str = "") -> None:
    """On the node, the Service's ClusterIP leads to one Pod before kube-proxy can choose."""
    service = scene.service(scene.names.web)
    (port,) = service.ports
    rules = [
        f"{packets_to(address, port.port)} {condition} "
        + dnat(of_family(pod.addresses, address), _HTTP)
        for address in service.cluster_ips
    ]
    # The second chain is for what the node itself sends.
    chains = [
        Chain("nat", "prerouting", BEFORE_PROXY, rules),
        Chain("nat", "output", BEFORE_PROXY, rules),
    ]
    plant(scene, undo, scene.node, chains)


FAULTS: Final = (
    Fault(
        number=10,
        slug="proxy-frozen",
        title="kube-proxy hangs on one node",
        symptom="nothing, until something changes: then that node goes on as before",
        red=frozenset({Topic.CHANGE}),
        found_by=frozenset({"responders"}),
        inject=_proxy_frozen,
        needs=(CanFreezeComponents,),
    ),
    Fault(
        number=13,
        slug="rules-wiped",
        title="somebody's firewall reload wiped the Service rules of one node",
        symptom="from that node no Service can be reached, and at its address no node port",
        red=frozenset(
            {
                Topic.CLUSTER_IP,
                Topic.NODE_PORT,
                Topic.OTHER_ADDRESSES,
                Topic.LARGE,
                Topic.REFUSAL,
                Topic.POD_LESS,
                Topic.AFFINITY,
                Topic.HEADLESS,
                Topic.EXTERNAL_NAME,
                Topic.NO_RECORD,
                Topic.OVER_TCP,
                Topic.CHANGE,
                Topic.OUTAGES,
            }
        ),
        also=frozenset({Topic.SHARES}),
        found_by=frozenset({"reachability", "outages"}),
        inject=_rules_wiped,
        needs=(CanFreezeComponents, CanRunInNodes),
    ),
    Fault(
        number=18,
        slug="node-port-closed",
        title="a node port is closed by a firewall on one node",
        symptom="from outside the port is silent at one node, and answers at all others",
        red=frozenset({Topic.NODE_PORT}),
        found_by=frozenset({"reachability"}),
        inject=_node_port_closed,
        needs=(CanRunInNodes,),
    ),
    Fault(
        number=19,
        slug="node-port-closed-beside",
        title="a firewall on one node drops node ports at all addresses but the usual one",
        symptom="the port answers at the node's InternalIP, and is silent at its other addresses",
        red=frozenset({Topic.OTHER_ADDRESSES}),
        found_by=frozenset({"reachability"}),
        inject=_node_port_closed_beside,
        needs=(CanRunInNodes,),
        nodes=1,
    ),
    Fault(
        number=21,
        slug="captured-by-host-port",
        title="a hostPort's translation captures a Service's traffic on one node",
        symptom="from one node another app answers in the Service's place",
        red=frozenset({Topic.CLUSTER_IP}),
        also=frozenset({Topic.SHARES}),
        found_by=frozenset({"responders"}),
        inject=_captured_by_host_port,
        needs=(CanRunInNodes,),
    ),
    Fault(
        number=51,
        slug="uneven-shares",
        title="on one node one Pod gets more than its share",
        symptom="every Pod answers, and one is busier than the others",
        red=frozenset({Topic.SHARES}),
        found_by=frozenset({"distribution"}),
        inject=_uneven_shares,
        needs=(CanRunInNodes,),
    ),
)
