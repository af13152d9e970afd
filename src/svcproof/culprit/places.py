"""What can be broken: places, each with a rule which paths go through it.

A rule says of a path that it is broken if the place is (True), that it is not (False),
or that it may be (None): such a path, seen broken, is explained, and seen well it is no
contradiction. What is scarcely certain is None: a wrong True makes a right place look
impossible, a wrong None only makes it a little less probable to be told from others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from svcproof.culprit.paths import OF_THE_DNS, Path

__all__ = ["Place", "places"]

#: Whether a path is broken if the place is; None: it may be.
Rule = Callable[[Path], bool | None]


@dataclass(frozen=True, slots=True)
class Place:
    """Something that can be broken. ``kind`` chooses the words; ``nodes``, ``objects`` name it.

    ``is_asked``: whether it was asked by its own address, so that what only may have led through
    it needs no other reason. ``minds``: whether it minds which Service was meant, and how that
    was dialled. Once an address is translated, neither a Pod nor what leads to it can know.
    """

    kind: str
    rule: Rule
    nodes: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()

    @property
    def is_asked(self) -> bool:
        """See the class."""
        return self.kind == "server"

    @property
    def minds(self) -> bool:
        """See the class."""
        return self.kind in _MINDS


_MINDS: Final = ("everywhere", "clients", "rules", "node-ports", "service")


def places(paths: Iterable[Path]) -> Iterator[Place]:
    """All that occurs in a run: the whole cluster, each node and its parts, each object."""
    every = list(paths)
    yield Place("everywhere", lambda _: True)
    nodes = sorted({node for path in every for node in (path.node, path.entry, path.at) if node})
    for node in nodes:
        yield from _of_node(node)
    for one, other in combinations(nodes, 2):
        yield Place("between", _between(one, other), (one, other))
    pods = {p.backend: p for p in every if p.backend and p.at and p.facet != "name"}
    for pod, path in sorted(pods.items()):
        yield Place("pod", _pod(pod), (path.at,), (pod,))
        yield Place("itself", _itself(pod), (path.at,), (pod,))
    servers = {path.backend: path for path in every if path.facet == "name" and path.backend}
    for pod, path in sorted(servers.items()):
        yield Place("server", _server(pod), (path.at,), (pod,))
    for app, number in sorted(Counter(path.app for path in pods.values()).items()):
        if app[1] and number > 1:
            yield Place("app", _app(app), (), (app[1],))
    for service in sorted({path.service for path in every if path.service}):
        yield Place("service", _service(service), (), (service,))


def _of_node(node: str) -> Iterator[Place]:
    for kind, rule in (
        ("node-ports", _node_ports),
        ("clients", _clients),
        ("rules", _rules),
        ("backends", _backends),
        ("masquerade", _masquerade),
        ("into", _into),
        ("out-of", _out_of),
        ("around", _around),
        ("forwarding", _forwarding),
        ("hairpins", _hairpins),
        ("node", _dead),
    ):
        yield Place(kind, _at(rule, node), (node,))


def _at(rule: Callable[[Path, str], bool | None], node: str) -> Rule:
    return lambda path: rule(path, node)


def _rules(path: Path, node: str) -> bool:
    """What a node's kube-proxy decides, the address of the cluster's DNS included."""
    return path.entry == node


def _clients(path: Path, node: str) -> bool:
    return path.node == node


def _backends(path: Path, node: str) -> bool | None:
    there = path.at == node if path.backend else None
    # Of a name server that is there not the node is the first to be suspected.
    return None if there and path.facet == "name" else there


def _node_ports(path: Path, node: str) -> bool | None:
    """Whoever is on the node itself does not come in from outside of it."""
    if path.entry != node or path.form not in ("node-port", "health-check"):
        return False
    return True if path.node != node else None


def _masquerade(path: Path, node: str) -> bool | None:
    """Without it a backend elsewhere answers past the node that was entered."""
    entered = path.form == "node-port" and path.entry == node
    if entered and path.node != node and path.at not in ("", node) and path.facet == "reach":
        return True
    return None if entered or (_is_hairpin(path) and path.at == node) else False


def _into(path: Path, node: str) -> bool | None:
    """New connections from elsewhere to the node's Pods. Where the DNS is, is not known here."""
    if path.facet in OF_THE_DNS:
        return None
    return path.facet == "reach" and path.at == node and _source(path) != node


def _out_of(path: Path, node: str) -> bool | None:
    if path.facet in OF_THE_DNS:
        return None if path.node == node else False
    return path.facet == "reach" and path.at not in ("", node) and _source(path) == node


def _around(path: Path, node: str) -> bool | None:
    """Both: what passes the node's border and has a Pod at one end."""
    into, out_of = _into(path, node), _out_of(path, node)
    if into or out_of:
        return True
    return None if into is None or out_of is None or _crosses(path, node) else False


def _forwarding(path: Path, node: str) -> bool | None:
    """What is neither to nor from the node's own network. Node ports can be exempt."""
    if path.facet in OF_THE_DNS:
        return None
    if path.facet not in ("reach", "source", "refusal", "share") or not _touches(path, node):
        return False
    if path.kind == "host-network" and path.node == node:
        return False
    own = path.kind == "pod" and path.node == node
    if path.facet == "reach" and not _is_hairpin(path):
        if own and path.entry in ("", node) and path.at not in ("", node):
            return True
        if path.at == node and _source(path) != node:
            return True
    return None


def _hairpins(path: Path, node: str) -> bool:
    return path.at == node and _is_hairpin(path)


def _dead(path: Path, node: str) -> bool:
    return node in (path.node, path.entry, path.at)


def _source(path: Path) -> str:
    """The node that sends to the backend: that whose rules chose it, or the client's."""
    return path.entry or path.node


def _is_hairpin(path: Path) -> bool:
    return bool(path.client) and path.client == path.backend


def _touches(path: Path, node: str) -> bool:
    return node in (path.node, path.entry, path.at)


def _crosses(path: Path, node: str) -> bool:
    """From a client on one side of the node's border to an entry on the other."""
    return bool(path.entry) and path.node != path.entry and node in (path.node, path.entry)


def _between(one: str, other: str) -> Rule:
    def rule(path: Path) -> bool | None:
        if path.facet in OF_THE_DNS:
            return None if path.node in (one, other) else False
        return path.facet == "reach" and {_source(path), path.at} == {one, other}

    return rule


def _pod(pod: str) -> Rule:
    def rule(path: Path) -> bool | None:
        return True if path.backend == pod else (None if pod in (path.client, "") else _some(path))

    return rule


def _some(path: Path) -> bool | None:
    """Of a question that is not about a certain backend nobody knows."""
    return False if path.backend else None


def _server(pod: str) -> Rule:
    """One of the cluster's name servers: of a question to their Service nobody knows which of
    them got it, and a resolver asks again."""

    def rule(path: Path) -> bool | None:
        if path.facet not in ("name", "absence"):
            return False
        return path.backend == pod if path.backend else None

    return rule


def _itself(pod: str) -> Rule:
    return lambda path: (
        path.backend == pod == path.client
        or (None if path.client == pod and not path.backend else False)
    )


def _app(app: tuple[str, str]) -> Rule:
    def rule(path: Path) -> bool | None:
        if path.app != app:
            return _some(path)
        return None if path.facet == "name" else True

    return rule


def _service(service: str) -> Rule:
    return lambda path: path.service == service
