"""Faults below Services: the paths between nodes, and nodes themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from svcproof.battery.topics import BETWEEN_NODES, NAMES_BY_LUCK, Topic
from svcproof.errors import ClusterProblem
from svcproof.faults.model import Fault, Undo
from svcproof.faults.rules import BEFORE_EVERYTHING, Chain, plant, word
from svcproof.faults.scene import Scene
from svcproof.history import Family
from svcproof.ports import CanRunInNodes, CanStopNodes

__all__ = ["FAULTS"]

_LOSS_PERCENT: Final = 15
_SMALL: Final = 1000


def _overlay_blocked(scene: Scene, undo: Undo) -> None:
    # An overlay's port would be dropped. Where Pods are routed, the same is lost when
    # the node drops what comes in from Pods of other nodes, answers included, and what
    # comes in for its own. The nodes' addresses still reach each other.
    rules = [
        rule
        for family in scene.cluster.facts.families
        for destination, link in _routes_to_pods(scene, family)
        for rule in (
            f"iifname {link} {word(destination)} saddr {destination} drop",
            f"iifname {link} meta pkttype host fib daddr type unicast drop",
        )
    ]
    if not rules:
        raise ClusterProblem(f"{scene.node} has no routes to the Pods of other nodes")
    plant(scene, undo, scene.node, [Chain("filter", "prerouting", BEFORE_EVERYTHING, rules)])


def _routes_to_pods(scene: Scene, family: Family) -> Iterator[tuple[str, str]]:
    """What the node routes to other nodes, which is nothing but their Pods, and by which link."""
    gateways = {address for node in scene.snapshot().nodes for address in node.addresses}
    version = "-4" if family == "ipv4" else "-6"
    for line in scene.in_node(scene.node, "ip", version, "route", "show").splitlines():
        destination, *words = line.split()
        if words[0] == "via" and words[1] in gateways:
            yield destination, words[words.index("dev") + 1]


def _large_packets_lost(scene: Scene, undo: Undo) -> None:
    # A tunnel whose overhead nobody has subtracted, where ICMP is filtered (RFC 2923).
    rule = f"meta length > {_SMALL} drop"
    plant(scene, undo, scene.node, [Chain("filter", "forward", BEFORE_EVERYTHING, [rule])])


def _node_dies(scene: Scene, undo: Undo) -> None:
    scene.stop_node(undo, scene.node)


def _packets_lost(scene: Scene, undo: Undo) -> None:
    """Of the connections that the node forwards, some lose their first packet, once.

    Loss of all kinds of packets would end some connections altogether, by chance
    now and then; this way each that is hit takes a second longer, and no more.
    """
    first = "tcp flags & (syn | ack) == syn"
    sets, rules = [], []
    for family in scene.cluster.facts.families:
        nft, kind = ("ip", "ipv4_addr") if family == "ipv4" else ("ip6", "ipv6_addr")
        sets.append(
            f"set hit-{family} {{ type {kind} . inet_service; flags dynamic,timeout; timeout 1m; }}"
        )
        client = f"{nft} saddr . tcp sport"
        rules += [
            f"{first} {client} @hit-{family} accept",
            f"{first} numgen random mod 100 < {_LOSS_PERCENT} "
            f"add @hit-{family} {{ {client} }} drop",
        ]
    chain = Chain("filter", "forward", BEFORE_EVERYTHING, rules)
    plant(scene, undo, scene.node, [chain], sets=" ".join(sets))


FAULTS: Final = (
    Fault(
        number=55,
        slug="overlay-blocked",
        title="between one node and all others no Pod packets pass",
        symptom="from that node only its own Pods answer, and names fail or resolve by luck",
        red=BETWEEN_NODES,
        also=NAMES_BY_LUCK,
        found_by=frozenset({"reachability", "distribution", "outages"}),
        inject=_overlay_blocked,
        needs=(CanRunInNodes,),
    ),
    Fault(
        number=59,
        slug="node-dies",
        title="a node dies; its Pods stay listed for most of a minute",
        symptom="one connection in n hangs, from everywhere, until the node is given up",
        red=frozenset(
            {
                Topic.POD_TO_POD,
                Topic.CLUSTER_IP,
                Topic.SHARES,
                Topic.NODE_PORT,
                Topic.OTHER_ADDRESSES,
                Topic.LARGE,
            }
        ),
        # What is asked last is asked when the node has been given up, or just before.
        also=frozenset(
            {Topic.AFFINITY, Topic.POD_LESS, Topic.NAME_SERVERS, Topic.CHANGE, *NAMES_BY_LUCK}
        ),
        found_by=frozenset({"reachability", "distribution"}),
        inject=_node_dies,
        needs=(CanStopNodes,),
    ),
    Fault(
        number=61,
        slug="packets-lost",
        title=f"one node loses {_LOSS_PERCENT} % of the first packets of connections",
        symptom="everything works, and some connections take a second longer than others",
        red=frozenset({Topic.LATENCY}),
        # A refusal that comes a second late can be too late, and one connection in two thousand
        # loses all four SYNs of its time.
        also=BETWEEN_NODES - {Topic.NAME_SERVERS},
        found_by=frozenset({"latency"}),
        inject=_packets_lost,
        needs=(CanRunInNodes,),
    ),
    Fault(
        number=71,
        slug="large-packets-lost",
        title=f"one node forwards no packet of more than {_SMALL:,} bytes",
        symptom="connections are made, and long answers never come",
        red=frozenset({Topic.LARGE}),
        found_by=frozenset({"reachability"}),
        inject=_large_packets_lost,
        needs=(CanRunInNodes,),
    ),
)
