"""Which nodes of a large cluster are used: all of a few, else some of every zone. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Final

from svcproof.snapshot import Node

__all__ = ["MOST_NODES", "Selection", "select"]

#: Pairs grow with the square of the nodes.
MOST_NODES: Final = 10


@dataclass(frozen=True, slots=True)
class Selection:
    """The nodes that are used, and out of how many."""

    nodes: tuple[Node, ...]
    usable: int
    zones: int
    zones_used: int
    #: Whether Pods must be kept off nodes that would take them and cannot run them.
    has_unfit: bool = False
    #: Name → why it is not used at all.
    left_out: tuple[tuple[str, str], ...] = ()

    @property
    def coverage(self) -> str:
        """How much of the cluster is looked at, for people."""
        used = len(self.nodes)
        if used == self.usable:
            text = f"all {used} nodes that take Pods"
        else:
            text = (
                f"{used} of {self.usable} nodes that take Pods, in {self.zones_used} of "
                f"{self.zones} zones: what is wrong on one node only is found "
                f"with a chance of {used / self.usable:.0%}"
            )
        skipped = [f"{name} ({reason})" for name, reason in self.left_out]
        return f"{text}; not used: {', '.join(skipped)}" if skipped else text


def select(nodes: Sequence[Node], *, most: int = MOST_NODES) -> Selection:
    """Nodes that are Ready and run Pods: all up to ``most``, else as many of each zone as of
    any other, the first by name."""
    usable = sorted((n for n in nodes if n.ready and n.schedulable), key=lambda node: node.name)
    zones: dict[str, list[Node]] = {}
    for node in usable:
        zones.setdefault(node.zone, []).append(node)
    in_turns = chain.from_iterable(zip_longest(*(zones[zone] for zone in sorted(zones))))
    chosen = [node for node in in_turns if node is not None][:most]
    return Selection(
        nodes=tuple(sorted(chosen, key=lambda node: node.name)),
        usable=len(usable),
        zones=len(zones),
        zones_used=len({node.zone for node in chosen}),
        has_unfit=any(node.unfit for node in nodes),
        left_out=tuple((node.name, _why(node)) for node in nodes if node not in usable),
    )


def _why(node: Node) -> str:
    return node.unfit or ("not Ready" if not node.ready else node.repels)
