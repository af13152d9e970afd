"""A candidate in words: what happens where, what is fine, and where to look."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from svcproof.culprit.choice import Candidate
from svcproof.culprit.paths import LOSSES, OF_THE_DNS, Evidence, Path

__all__ = ["layer", "look", "statement"]

#: What happens, by question and by how it ended; "" stands for any other ending.
_SYMPTOMS: Final[Mapping[str, Mapping[str, str]]] = {
    "reach": {
        "timed-out": "connections get no answer",
        "refused": "connections are refused",
        "reset": "connections are cut",
        "unreachable": "there is no route",
        "never chosen": "no connection is sent there",
        "": "connections fail",
    },
    "refusal": {
        "answered": "connections are answered that must fail",
        "timed-out": "connections get silence where they must be refused",
        "refused": "connections are refused where they must get silence",
        "": "connections do not end as they must",
    },
    "name": {
        "now and then": "names do not resolve now and then",
        "": "names do not resolve",
    },
    "record": {"": "the DNS gives wrong records"},
    "absence": {"": "lookups that must find no record (NOERROR) fail"},
    "responder": {"": "connections are answered by {0}, which should not get them,"},
    "source": {"": "backends see a source address that they must not"},
    "share": {"": "connections are not shared equally"},
    "affinity": {"": "clients do not keep their Pod (session affinity)"},
    "health": {"": "the health check gives a wrong answer"},
    "endpoints": {
        "lack": "the EndpointSlices lack a Pod that is ready",
        "list": "the EndpointSlices list what is not ready",
    },
    "client": {"": "no client can be run"},
    "api": {"": "the API server does not answer as it must ({0})"},
}
_LATE: Final = "packets are lost now and then, so that connections take whole seconds,"
#: Where, by kind of place, and what is at fault there.
_PLACES: Final[Mapping[str, tuple[str, str]]] = {
    "everywhere": ("everywhere", "cluster"),
    "clients": ("for clients on {0}", "node"),
    "rules": ("for clients on {0} and at its node ports", "kube-proxy"),
    "backends": ("to every Pod on {0}, even from {0} itself", "node"),
    "node-ports": ("for clients that enter at {0}", "kube-proxy"),
    "masquerade": (
        "for clients that enter at {0} and are led to Pods on other nodes",
        "kube-proxy",
    ),
    "into": ("from other nodes to Pods on {0}", "Pod network"),
    "out-of": ("from {0} to Pods on other nodes", "Pod network"),
    "around": ("between {0} and the Pods of other nodes, in both directions", "Pod network"),
    "forwarding": ("where {0} forwards them to or from its Pods", "Pod network"),
    "hairpins": ("where a Pod on {0} is led back to itself", "kube-proxy"),
    "node": ("to, from and through {0}", "node"),
    "between": ("between {0} and {1}, in both directions", "Pod network"),
    "pod": ("to Pod {0} on {1}", "Pod"),
    "server": ("where Pod {0} on {1}, one of the name servers, is asked", "DNS"),
    "itself": ("from Pod {0} on {1} to itself", "kube-proxy"),
    "app": ("to the Pods of {0}", "Pods"),
    "service": ("{to} Service {0}", "Service"),
}
_LAYERS: Final = {
    "name": "DNS",
    "record": "DNS",
    "absence": "DNS",
    "endpoints": "EndpointSlices",
    "api": "API server",
    "client": "node",
}
_FAMILIES: Final = {"ipv4": "IPv4", "ipv6": "IPv6"}
_KINDS: Final = {
    "pod": "Pods",
    "host-network": "the host network",
    "outside": "clients outside",
}
_FORMS: Final = {
    "cluster-ip": "by ClusterIP",
    "short-name": "by name",
    "fqdn": "by name",
    "node-port": "by node port",
    "load-balancer": "by external address",
    "external-ip": "by externalIP",
    "pod-ip": "by their own address",
    "health-check": "at the health check port",
    "connect": "to the API server",
    "dns": "by name",
}
#: A narrowing, its words, and what each of its values is called there.
_NARROWINGS: Final[Sequence[tuple[str, str, Callable[[Any], str]]]] = (
    ("kind", "for {0}", lambda kind: _KINDS[kind]),
    ("form", "{0}", lambda form: _FORMS[form]),
    ("payload", "with {0} bytes", lambda size: f"{size:,}"),
    ("family", "over {0}", lambda family: _FAMILIES[family]),
    ("protocol", "over {0}", str.upper),
    ("service", "{to} Service {0}", str),
    ("client", "from Pod {0}", str),
    ("node", "from {0}", str),
    ("entry", "at {0}", str),
    ("backend", "(Pod {0})", str),
    ("at", "to Pods on {0}", str),
)


def statement(found: Candidate, evidence: Evidence) -> str:
    """One sentence: what happens, where, and what is fine beside it."""
    said = " ".join([_symptoms(found, evidence), *_narrowings(found), _where(found)]).strip()
    return "; ".join([f"{said[:1].upper()}{said[1:]}", *_fine(found, evidence)])


def layer(found: Candidate) -> str:
    """What is at fault, as far as the questions that found it tell."""
    known = {_LAYERS.get(facet, "") for facet in _facets(found)}
    if len(known) == 1 and known != {""}:
        return known.pop()
    return "kube-proxy" if "service" in found.box else _PLACES[found.place.kind][1]


def look(found: Candidate, *, embedded: str) -> tuple[str, ...]:
    """What to type next, the likeliest first; ``embedded`` names a cluster of svcproof's own."""
    return tuple(dict.fromkeys(_look(found, embedded)))


def _facets(found: Candidate) -> set[str]:
    return {path.facet for path in found.broken}.difference(LOSSES)


def _symptoms(found: Candidate, evidence: Evidence) -> str:
    """What happened most, and what else happened about as often."""
    counts: Counter[str] = Counter()
    for path in found.broken:
        if found.place.rule(path) and path.facet in _SYMPTOMS:
            for symptom, number in evidence.paths[path].symptoms.items():
                counts[_symptom(path, symptom)] += number
    if not counts:
        return _LATE
    most = max(counts.values())
    often = [text for text, number in counts.most_common(2) if number >= most / 4]
    return " and ".join(often)


def _symptom(path: Path, symptom: str) -> str:
    words = _SYMPTOMS[path.facet]
    return (words.get(symptom) or words[""]).format(symptom)


def _narrowings(found: Candidate) -> Iterator[str]:
    """How the place is narrowed; what its name says already is left out."""
    said = {*found.place.nodes, *found.place.objects}
    for name, words, shown in _NARROWINGS:
        values = found.box.get(name, frozenset()) - said
        if values and not (name == "form" and "facet" in found.box):
            yield words.format(_listed({shown(value) for value in values}), to=_to(found))


def _to(found: Candidate) -> str:
    connected = _facets(found).isdisjoint((*OF_THE_DNS, "endpoints", "health"))
    return "to" if connected else "of"


def _where(found: Candidate) -> str:
    place = found.place
    names = {"node", "entry", "at", "service", "kind", "backend"}
    if place.kind == "everywhere" and not names.isdisjoint(found.box):
        return ""
    if place.kind in ("rules", "clients", "node") and _says_only_names(found):
        return f"on {place.nodes[0]}"
    return _PLACES[place.kind][0].format(*place.objects, *place.nodes, to=_to(found))


def _says_only_names(found: Candidate) -> bool:
    """Whether no name resolves there: that nothing else of the DNS is right says no more."""
    facets = _facets(found)
    return facets <= {"client"} or ("name" in facets and facets <= {*OF_THE_DNS, "client"})


def _fine(found: Candidate, evidence: Evidence) -> Iterator[str]:
    """What a narrowing was needed to leave out: it was seen to be fine."""
    box, place = found.box, found.place
    only_names = "name" in box.get("facet", ()) and set(box["facet"]) <= set(OF_THE_DNS)
    if only_names and any(path.facet == "reach" for path in evidence.well):
        yield "by address connections are answered"
    if "payload" in box:
        yield "smaller ones pass"
    if "host-network" not in box.get("kind", {"host-network"}):
        yield "the host network is fine"
    for name, shown in (("family", _FAMILIES), ("protocol", {"tcp": "TCP", "udp": "UDP"})):
        others = {getattr(path, name) for path in evidence.well} - {""}
        for other in sorted(others - box.get(name, others)):
            yield f"{shown[other]} is fine"
    if "service" in box or place.kind == "service":
        yield "other Services are fine" + (" there" if place.nodes else "")
    if place.nodes and not place.objects:
        yield "no other node shows it"


def _look(found: Candidate, embedded: str) -> Iterator[str]:
    what, place = layer(found), found.place
    services = [*found.box.get("service", ()), *(place.objects if place.kind == "service" else ())]
    if what == "DNS" and not services:
        yield "kubectl -n kube-system get pods -l k8s-app=kube-dns -o wide"
    if what == "EndpointSlices":
        yield "kubectl -n kube-system logs -l component=kube-controller-manager"
    for service in services:
        yield f"kubectl describe service {service}"
        yield f"kubectl get endpointslices -l kubernetes.io/service-name={service} -o yaml"
    if place.kind in ("pod", "server", "itself", "app"):
        kind = "deployment" if place.kind == "app" else "pod"
        where = "-n kube-system " if place.kind == "server" else ""
        yield f"kubectl {where}describe {kind} {place.objects[0]}"
    boxed = [node for name in ("node", "entry", "at") for node in found.box.get(name, ())]
    for node in (*place.nodes, *boxed):
        yield from _at_node(node, what, embedded)


def _at_node(node: str, what: str, embedded: str) -> Iterator[str]:
    name = f"--name {embedded} " if embedded != "default" else ""
    if what == "node":
        yield f"kubectl describe node {node}"
    if what in ("kube-proxy", "node"):
        pods = f"-l k8s-app=kube-proxy --field-selector spec.nodeName={node}"
        log = f"kubectl -n kube-system get pods {pods}"
        yield f"svcproof logs {name}kube-proxy {node}" if embedded else log
    for command in ("nft list ruleset", *(("ip route",) if what == "Pod network" else ())):
        yield f"svcproof shell {name}{node} -- {command}" if embedded else f"on {node}: {command}"


def _listed(values: Iterable[str]) -> str:
    *most, last = sorted(values, key=lambda text: (len(text) if text[0].isdigit() else 0, text))
    return f"{', '.join(most)} and {last}" if most else last
