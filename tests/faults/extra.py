"""Faults that are planted under the suites only: the battery does not declare what it sees of them.

Like the catalogue's they register first how each step is undone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from svcproof.faults import CATALOGUE, Fault, Scene, Undo
from svcproof.faults.rules import BEFORE_EVERYTHING, Chain, plant
from svcproof.ports import CanRunInNodes

__all__ = ["DNS_DROPPED", "FORWARD_DROPPED", "PROXY_DEAD"]

#: In the forward hook: Pods of the node, and nobody of the node itself. What kube-proxy
#: translated has the DNS Pod's port by now, which may be another; conntrack knows the first.
_DNS = (
    "meta l4proto { tcp, udp } th dport 53 drop",
    "meta l4proto { tcp, udp } th sport 53 drop",
    "meta l4proto { tcp, udp } ct original proto-dst 53 drop",
)


def _drop_forwarded(*rules: str, policy: str = "accept") -> Callable[[Scene, Undo], None]:
    def inject(scene: Scene, undo: Undo) -> None:
        chain = Chain("filter", "forward", BEFORE_EVERYTHING, rules, policy=policy)
        plant(scene, undo, scene.node, [chain])

    return inject


def _fault(slug: str, title: str, symptom: str, inject: Callable[[Scene, Undo], None]) -> Fault:
    return Fault(
        number=0,
        slug=slug,
        title=title,
        symptom=symptom,
        red=frozenset(),
        found_by=frozenset(),
        inject=inject,
        needs=(CanRunInNodes,),
    )


DNS_DROPPED = _fault(
    "dns-dropped",
    "one node drops what its Pods send to the cluster DNS",
    "names do not resolve for the Pods of one node; addresses answer",
    _drop_forwarded(*_DNS),
)
FORWARD_DROPPED = _fault(
    "forward-dropped",
    "one node forwards nothing at all",
    "Pods of that node reach nobody, and nobody reaches them, node ports included",
    _drop_forwarded(policy="drop"),
)
PROXY_DEAD = replace(
    CATALOGUE["rules-wiped"],
    number=0,
    slug="proxy-dead",
    title="one node's kube-proxy is dead from the start, and its rules are gone",
)
