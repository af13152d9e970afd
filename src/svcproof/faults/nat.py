"""Faults in address translation and forwarding."""

from __future__ import annotations

from typing import Final

from svcproof.battery.topics import BETWEEN_NODES, NAMES_BY_LUCK, Topic
from svcproof.faults.model import Fault, Undo
from svcproof.faults.rules import BEFORE_MASQUERADE, Chain, plant, word
from svcproof.faults.scene import Scene
from svcproof.ports import CanRunInNodes

__all__ = ["FAULTS"]


def _no_masquerade(scene: Scene, undo: Undo) -> None:
    rule = "meta mark set mark & 0xffffbfff"
    plant(scene, undo, scene.node, [Chain("filter", "postrouting", BEFORE_MASQUERADE, [rule])])


def _hairpin_broken(scene: Scene, undo: Undo) -> None:
    # Translated to what it is already, the source is settled: whoever would masquerade
    # later, by a mark (iptables mode) or by its set of hairpin connections (nftables
    # mode), is not asked any more. So this needs no knowledge of the mode.
    rules = [
        f"{word(own)} saddr {own} {word(own)} daddr {own} snat {word(own)} to {own}"
        for own in scene.pod(scene.names.lonely, scene.home).addresses
    ]
    plant(scene, undo, scene.home, [Chain("nat", "postrouting", BEFORE_MASQUERADE, rules)])


def _forward_policy_drop(scene: Scene, undo: Undo) -> None:
    if scene.cluster.facts.proxy_mode != "iptables":
        # Where nothing else uses iptables, its policy would leave tables of its own behind.
        plant(scene, undo, scene.node, [Chain("filter", "forward", 0, [], policy="drop")])
        return
    for family in scene.cluster.facts.families:
        tool = "iptables" if family == "ipv4" else "ip6tables"
        accept = f"{tool} -P FORWARD ACCEPT"
        undo.register(
            f"{scene.node} forwards nothing",
            scene.in_node,
            scene.node,
            *accept.split(),
            by_hand=f"in {scene.node}: {accept}",
        )
        scene.in_node(scene.node, tool, "-P", "FORWARD", "DROP")


FAULTS: Final = (
    Fault(
        number=22,
        slug="no-masquerade",
        title="one node does not masquerade what came in at its node ports",
        symptom="at that node only the Pods on it answer, the others' answers go astray",
        red=frozenset({Topic.NODE_PORT}),
        also=frozenset({Topic.OTHER_ADDRESSES}),
        found_by=frozenset({"reachability"}),
        inject=_no_masquerade,
        needs=(CanRunInNodes,),
    ),
    Fault(
        number=23,
        slug="hairpin-broken",
        title="a Pod cannot reach itself through its own Service",
        symptom="a Pod's connections to its own Service hang when they lead back to it",
        red=frozenset({Topic.HAIRPIN}),
        found_by=frozenset({"reachability"}),
        inject=_hairpin_broken,
        needs=(CanRunInNodes,),
        nodes=1,
    ),
    Fault(
        number=25,
        slug="forward-policy-drop",
        title="the FORWARD policy of one node is DROP, as Docker leaves it",
        symptom="Pods of that node reach nobody on other nodes, and nobody reaches them",
        red=BETWEEN_NODES,
        also=NAMES_BY_LUCK,
        found_by=frozenset({"reachability", "distribution", "outages"}),
        inject=_forward_policy_drop,
        needs=(CanRunInNodes,),
    ),
)
