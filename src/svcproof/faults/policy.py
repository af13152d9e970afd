"""Faults in traffic policies, and in how a connection without a backend ends."""

from __future__ import annotations

from typing import Final

from svcproof.battery.topics import Topic
from svcproof.faults.model import Fault, Undo
from svcproof.faults.rules import (
    BEFORE_EVERYTHING,
    BEFORE_MASQUERADE,
    BEFORE_PROXY,
    Chain,
    dnat,
    of_family,
    packets_to,
    plant,
)
from svcproof.faults.scene import Scene
from svcproof.ports import CanRunInNodes
from svcproof.snapshot import Pod, ServicePort

__all__ = ["FAULTS"]

_HTTP: Final = 80


def _local_leaks(scene: Scene, undo: Undo) -> None:
    (port,) = scene.service(scene.names.web_local).ports
    pod = scene.pod(scene.names.lonely, scene.home)
    to_pod = [
        f"{packets_to(address, port.node_port)} " + dnat(of_family(pod.addresses, address), _HTTP)
        for address in scene.addresses(scene.node)
    ]
    # Masqueraded, or the Pod would answer past the node.
    masquerade = _masquerade(port, pod)
    chains = [
        Chain("nat", "prerouting", BEFORE_PROXY, to_pod),
        Chain("nat", "postrouting", BEFORE_MASQUERADE, masquerade),
    ]
    plant(scene, undo, scene.node, chains)


def _local_hides_the_client(scene: Scene, undo: Undo) -> None:
    (port,) = scene.service(scene.names.web_local).ports
    rules = _masquerade(port, scene.pod(scene.names.lonely, scene.home))
    plant(scene, undo, scene.home, [Chain("nat", "postrouting", BEFORE_MASQUERADE, rules)])


def _masquerade(port: ServicePort, pod: Pod) -> list[str]:
    """Hide the clients of connections to a node port, whatever they have become, from a Pod."""
    came_in = f"meta l4proto tcp ct original proto-dst {port.node_port}"
    return [f"{came_in} {packets_to(address, _HTTP)} masquerade" for address in pod.addresses]


def _silence_for_refusal(scene: Scene, undo: Undo) -> None:
    rules = [
        f"{packets_to(address)} drop" for address in scene.service(scene.names.nobody).cluster_ips
    ]
    chains = [
        Chain("filter", "prerouting", BEFORE_EVERYTHING, rules),
        Chain("filter", "output", BEFORE_EVERYTHING, rules),
    ]
    plant(scene, undo, scene.node, chains)


def _refusal_for_silence(scene: Scene, undo: Undo) -> None:
    (port,) = scene.service(scene.names.web_local).ports
    # A reset, not an ICMP error: those are rate-limited, and some would come as silence.
    rules = [
        f"{packets_to(address, port.node_port)} reject with tcp reset"
        for address in scene.addresses(scene.node)
    ]
    plant(scene, undo, scene.node, [Chain("filter", "prerouting", BEFORE_EVERYTHING, rules)])


FAULTS: Final = (
    Fault(
        number=37,
        slug="local-leaks",
        title="with externalTrafficPolicy Local a node without a Pod passes connections on",
        symptom="a node that should be silent answers, through a Pod on another node",
        red=frozenset({Topic.POD_LESS}),
        found_by=frozenset({"reachability"}),
        inject=_local_leaks,
        needs=(CanRunInNodes,),
    ),
    Fault(
        number=38,
        slug="local-hides-the-client",
        title="with externalTrafficPolicy Local the client's address is rewritten",
        symptom="the right Pod answers, and its log shows a node's address for every client",
        red=frozenset({Topic.LOCAL}),
        also=frozenset({Topic.POD_LESS}),  # its control is this very node port
        found_by=frozenset({"sources"}),
        inject=_local_hides_the_client,
        needs=(CanRunInNodes,),
        nodes=1,
    ),
    Fault(
        number=39,
        slug="silence-for-refusal",
        title="a Service without endpoints is silent on one node",
        symptom="clients hang until their own limit, instead of being refused at once",
        red=frozenset({Topic.REFUSAL}),
        found_by=frozenset({"reachability"}),
        inject=_silence_for_refusal,
        needs=(CanRunInNodes,),
    ),
    Fault(
        number=39,
        slug="refusal-for-silence",
        title="with externalTrafficPolicy Local a node without a Pod refuses",
        symptom="clients are refused at a node that should be silent, and give up for good",
        red=frozenset({Topic.POD_LESS}),
        found_by=frozenset({"reachability"}),
        inject=_refusal_for_silence,
        needs=(CanRunInNodes,),
    ),
)
