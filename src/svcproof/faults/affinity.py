"""Faults in session affinity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from svcproof.battery.topics import Topic
from svcproof.errors import ClusterProblem
from svcproof.faults.model import Fault, Undo
from svcproof.faults.rules import (
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
from svcproof.snapshot import DEFAULT_AFFINITY_SECONDS, Service

__all__ = ["FAULTS"]


def _affinity_off(scene: Scene, undo: Undo) -> None:
    _set_affinity(scene, undo, {"sessionAffinity": "None", "sessionAffinityConfig": None})


def _affinity_too_short(scene: Scene, undo: Undo) -> None:
    _set_affinity(scene, undo, _client_ip(1))


def _set_affinity(scene: Scene, undo: Undo, changes: dict[str, Any]) -> None:
    scene.patch(
        undo,
        "Service",
        scene.names.web_sticky,
        {"spec": changes},
        back={"spec": _client_ip(DEFAULT_AFFINITY_SECONDS)},
    )
    scene.let_proxies_follow()


def _client_ip(seconds: int) -> dict[str, Any]:
    config = {"clientIP": {"timeoutSeconds": seconds}}
    return {"sessionAffinity": "ClientIP", "sessionAffinityConfig": config}


def _clients_share_an_address(scene: Scene, undo: Undo) -> None:
    """A balancer that translates sources stands in front of the Service.

    It is ``home``: from everywhere connections to the ClusterIP are led there, and
    it passes them on, as its own, to the node ports of ``node``. That one's
    kube-proxy sees one client only.
    """
    service = scene.service(scene.names.web_sticky)
    balancer, behind = scene.addresses(scene.home), scene.addresses(scene.node)
    nodes = scene.cluster.facts.node_names
    if scene.home == scene.node:
        raise ClusterProblem("a balancer in front takes a node of its own")
    for node in nodes:
        onward = behind if node == scene.home else balancer
        lead = _to_node_ports(service, service.cluster_ips, onward)
        enter = _to_node_ports(service, balancer, behind) if node == scene.home else []
        chains = [
            Chain("nat", "prerouting", BEFORE_PROXY, [*lead, *enter]),
            Chain("nat", "output", BEFORE_PROXY, lead),
            Chain("nat", "postrouting", BEFORE_MASQUERADE, _masquerade(service, onward)),
        ]
        plant(scene, undo, node, chains)


def _to_node_ports(service: Service, addresses: Sequence[str], onward: Sequence[str]) -> list[str]:
    own = addresses is service.cluster_ips
    return [
        f"{packets_to(address, port.port if own else port.node_port)} "
        + dnat(of_family(onward, address), port.node_port)
        for address in addresses
        for port in service.ports
    ]


def _masquerade(service: Service, addresses: Sequence[str]) -> list[str]:
    return [
        f"ct status dnat {packets_to(address, port.node_port)} masquerade"
        for address in addresses
        for port in service.ports
    ]


FAULTS: Final = (
    Fault(
        number=45,
        slug="affinity-ignored",
        title="session affinity was switched off behind the owner's back",
        symptom="one client's connections go to several Pods: sessions are lost at random",
        red=frozenset({Topic.AFFINITY}),
        found_by=frozenset({"affinity"}),
        inject=_affinity_off,
        nodes=1,
    ),
    Fault(
        number=46,
        slug="affinity-too-short",
        title="the affinity's timeout is a second instead of hours",
        symptom="a client that pauses comes back to another Pod",
        red=frozenset({Topic.AFFINITY}),
        found_by=frozenset({"affinity"}),
        inject=_affinity_too_short,
        nodes=1,
    ),
    Fault(
        number=49,
        slug="clients-share-an-address",
        title="a balancer in front translates all sources to its own",
        symptom="affinity takes all clients for one: a single Pod does all the work",
        red=frozenset({Topic.AFFINITY}),
        found_by=frozenset({"sources"}),
        inject=_clients_share_an_address,
        needs=(CanRunInNodes,),
    ),
)
