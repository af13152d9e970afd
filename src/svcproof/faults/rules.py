"""Packet rules in one private nftables table of a node.

kube-proxy never looks into a table that is not its own, so a rule lives exactly
until its table is deleted, whatever is synced meanwhile: in its own chains the
same rule would go with the next event, or stay until the hourly sync. Taking a
table away cannot leave half of it.

Nothing is done about connections that conntrack knows already: every attempt is
a new connection, and a SYN gets an entry of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from svcproof.errors import ClusterProblem
from svcproof.faults.model import Undo
from svcproof.faults.scene import Scene

__all__ = [
    "BEFORE_EVERYTHING",
    "BEFORE_MASQUERADE",
    "BEFORE_PROXY",
    "Chain",
    "dnat",
    "of_family",
    "packets_to",
    "plant",
    "word",
]

TABLE: Final = "inet svcfault"

#: Before connection tracking and all else.
BEFORE_EVERYTHING: Final = -300
#: After connection tracking (-200), before the first look of either kube-proxy mode:
#: nftables mode asks at -110 whether a node port has endpoints, both translate at -100.
BEFORE_PROXY: Final = -115
#: Before either mode masquerades (at 100); both mark what is to be, with bit 0x4000.
BEFORE_MASQUERADE: Final = 90


@dataclass(frozen=True)
class Chain:
    """A base chain."""

    kind: Literal["filter", "nat"]
    hook: Literal["prerouting", "input", "forward", "output", "postrouting"]
    priority: int
    rules: Sequence[str]
    policy: Literal["accept", "drop"] = "accept"

    def __str__(self) -> str:
        rules = " ".join(f"{rule};" for rule in self.rules)
        return (
            f"chain {self.kind}-{self.hook} {{ type {self.kind} hook {self.hook} "
            f"priority {self.priority}; policy {self.policy}; {rules} }}"
        )


def plant(scene: Scene, undo: Undo, node: str, chains: Iterable[Chain], *, sets: str = "") -> None:
    """Make the private table in a node. There must be none: two faults cannot share it."""
    if TABLE in scene.in_node(node, "nft", "list", "tables"):
        raise ClusterProblem(
            f"{node} has a table {TABLE} already: another fault is planted there",
            remedy=f"heal it, or in {node}: nft delete table {TABLE}",
        )
    undo.register(f"table {TABLE} in {node}", remove, scene, node, by_hand=_by_hand(node))
    body = "\n".join(map(str, chains))
    scene.in_node(node, "nft", f"table {TABLE} {{ {sets}\n{body}\n}}")


def remove(scene: Scene, node: str) -> None:
    """Delete the private table of a node, if it is there (`add` makes sure)."""
    scene.in_node(node, "nft", f"add table {TABLE}; delete table {TABLE}")


def word(address: str) -> Literal["ip", "ip6"]:
    """What nft calls the address's family."""
    return "ip6" if ":" in address else "ip"


def of_family(addresses: Iterable[str], like: str) -> str:
    """The one of ``addresses`` that is of the same family as ``like``."""
    return next(address for address in addresses if word(address) == word(like))


def packets_to(address: str, port: int = 0) -> str:
    """The match for TCP packets to an address (and a port)."""
    match = f"{word(address)} daddr {address}"
    return f"{match} tcp dport {port}" if port else match


def dnat(address: str, port: int) -> str:
    """The verdict that sends a connection elsewhere."""
    where = f"[{address}]" if ":" in address else address
    return f"dnat {word(address)} to {where}:{port}"


def _by_hand(node: str) -> str:
    return f"in {node}: nft delete table {TABLE}"
