"""Faults in names, and in who answers for them."""

from __future__ import annotations

from typing import Final

from svcproof.battery.topics import NAMES_BY_LUCK, Topic
from svcproof.errors import NotSupported
from svcproof.faults.model import Fault, Undo
from svcproof.faults.rules import BEFORE_EVERYTHING, Chain, plant, word
from svcproof.faults.scene import Scene
from svcproof.own_services import dns_service
from svcproof.ports import CanRunInNodes

__all__ = ["FAULTS"]

#: What kube-proxy translated has the server's own port by now; conntrack knows the first.
_TO_DNS: Final = ("th dport 53", "ct original proto-dst 53")


def _external_name_wrong(scene: Scene, undo: Undo) -> None:
    right = scene.manifest("Service", scene.names.alias)["spec"]["externalName"]
    scene.patch(
        undo,
        "Service",
        scene.names.alias,
        {"spec": {"externalName": f"old.{right}"}},
        back={"spec": {"externalName": right}},
    )


def _over_tcp_dropped(scene: Scene, undo: Undo) -> None:
    rules = [f"meta l4proto tcp {match} drop" for match in _TO_DNS]
    for node in scene.cluster.facts.node_names:
        plant(scene, undo, node, [Chain("filter", "forward", BEFORE_EVERYTHING, rules)])


def _no_record_is_no_name(scene: Scene, undo: Undo) -> None:
    """Answers without a record that come to the node's Pods say that there is no such name.

    In the header of a DNS message (RFC 1035, 4.1.1), behind the eight bytes of UDP's: the
    number of answers is the fourth word, the response code the last bits of the second. The
    checksum is left out, as IPv4 allows.
    """
    empty = "udp sport 53 @th,112,16 0"
    rules = [f"meta nfproto ipv4 {empty} @th,88,8 set 0x83 udp checksum set 0"]
    plant(scene, undo, scene.node, [Chain("filter", "postrouting", BEFORE_EVERYTHING, rules)])


def _server_silent(scene: Scene, undo: Undo) -> None:
    servers = dns_service(scene.cluster).pods
    if len({pod.name for pod, _ in servers}) < 2:
        raise NotSupported("the cluster DNS has a single Pod: nobody would answer at all")
    silent = servers[0][0]
    rules = [
        f"{word(address)} daddr {address} meta l4proto {{ tcp, udp }} th dport 53 drop"
        for address in silent.addresses
    ]
    plant(scene, undo, silent.node, [Chain("filter", "postrouting", BEFORE_EVERYTHING, rules)])


FAULTS: Final = (
    Fault(
        number=65,
        slug="external-name-wrong",
        title="an ExternalName Service points to a name that is gone",
        symptom="the alias does not resolve, or leads to the wrong host",
        red=frozenset({Topic.EXTERNAL_NAME}),
        found_by=frozenset({"answers"}),
        inject=_external_name_wrong,
        nodes=1,
    ),
    Fault(
        number=66,
        slug="dns-over-tcp-dropped",
        title="all nodes drop what Pods ask the cluster DNS over TCP",
        symptom="names resolve, but for those whose answer fits into no datagram",
        red=frozenset({Topic.OVER_TCP}),
        found_by=frozenset({"reachability"}),
        inject=_over_tcp_dropped,
        needs=(CanRunInNodes,),
        nodes=1,
    ),
    Fault(
        number=67,
        slug="no-record-is-no-name",
        title="to the Pods of one node the DNS says of a missing record that the name is missing",
        symptom="some programs there, such as musl's, find no name that has an IPv4 address only",
        red=frozenset({Topic.NO_RECORD}),
        found_by=frozenset({"reachability"}),
        inject=_no_record_is_no_name,
        needs=(CanRunInNodes,),
        nodes=1,
    ),
    Fault(
        number=68,
        slug="name-server-silent",
        title="one Pod of the cluster DNS is ready, and answers nobody",
        symptom="names resolve late, or now and then not at all, everywhere",
        red=frozenset({Topic.NAME_SERVERS}),
        also=NAMES_BY_LUCK,
        found_by=frozenset({"reachability"}),
        inject=_server_silent,
        needs=(CanRunInNodes,),
    ),
)
