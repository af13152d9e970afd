"""A candidate in words: what happens where, what is well, and where to look."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from svcproof.culprit.choice import Candidate
from svcproof.culprit.paths import Evidence, Path

__all__ = ["contrast", "layer", "look", "statement"]

#: How the connections end that should be answered.
_ENDINGS: Final = {
    "timed-out": "connections get no answer",
    "refused": "connections are refused",
    "reset": "connections are cut",
    "unreachable": "there is no route",
    "name-failed": "names do not resolve",
    "never chosen": "no connection is sent there",
}
_REFUSALS: Final = {
    "answered": "connections are answered that must fail",
    "timed-out": "connections get silence where they must be refused",
    "refused": "connections are refused where they must get silence",
}
_FACETS: Final = {
    "name": "names do not resolve",
    "record": "the DNS gives wrong records",
    "responder": "a Pod answers that should not",
    "source": "the backend sees another source address than it must",
    "share": "connections are not shared equally",
    "affinity": "session affinity is not kept",
    "client": "clients cannot be asked",
    "health": "the health check says otherwise than it must",
    "endpoints": "the EndpointSlices are not what the ready Pods are",
    "api": "the API server refuses what it must accept, or accepts what it must refuse",
}
_PLACES: Final = {
    "everywhere": "from everywhere",
    "rules": "at {0}, from its own clients and at its node ports",
    "clients": "for clients on {0}",
    "backends": "to every Pod on {0}, also from {0} itself",
    "node-ports": "for clients that come in at {0}",
    "masquerade": "for clients that come in at {0} and are led to Pods on other nodes",
    "into": "from other nodes to Pods on {0}",
    "out-of": "from {0} to Pods on other nodes",
    "around": "between {0} and Pods on other nodes, in both directions",
    "forwarding": "for all that {0} forwards to or from its Pods",
    "hairpins": "for Pods on {0} that are led back to themselves",
    "node": "to, from and through {0}",
    "between": "between {0} and {1}, in both directions",
    "from-to": "from {0} to Pods on {1}",
    "pod": "to Pod {0}",
    "itself": "from Pod {0} to itself",
    "app": "to the Pods of {0}",
    "service": "to Service {0}",
}
_LAYERS: Final = {
    "rules": "kube-proxy",
    "node-ports": "kube-proxy",
    "masquerade": "kube-proxy",
    "into": "Pod network",
    "out-of": "Pod network",
    "around": "Pod network",
    "between": "Pod network",
    "from-to": "Pod network",
    "forwarding": "Pod network",
    "hairpins": "kube-proxy",
    "itself": "kube-proxy",
    "backends": "node",
    "node": "node",
    "clients": "node",
    "pod": "Pod",
    "app": "Pods",
    "service": "Service",
}
_FACET_LAYERS: Final = {
    "name": "DNS",
    "record": "DNS",
    "endpoints": "EndpointSlices",
    "api": "API server",
}
_KINDS: Final = {
    "pod": "Pods",
    "backend": "Pods",
    "host-network": "the host network",
    "outside": "outside",
}
_FORMS: Final = {
    "cluster-ip": "by ClusterIP",
    "short-name": "by name",
    "fqdn": "by name",
    "node-port": "by node port",
    "load-balancer": "by external address",
    "pod-ip": "by the Pods' own addresses",
    "health-check": "by health check",
    "dns": "by name",
}
_FAMILIES: Final = {"ipv4": "IPv4", "ipv6": "IPv6"}


#: A narrowing, its words, and what each of its values is called there.
_SCOPE_WORDS: Final[Sequence[tuple[str, str, Callable[[Any], str]]]] = (
    ("kind", "for {}", lambda kind: _KINDS[kind]),
    ("form", "{}", lambda form: _FORMS[form]),
    ("payload", "with payloads of {} bytes", lambda size: f"{size:,}"),
    ("family", "over {}", lambda family: _FAMILIES[family]),
    ("protocol", "over {}", str.upper),
    ("service", "to Service {}", str),
    ("node", "from {}", str),
    ("entry", "at {}", str),
    ("backend", "to Pod {}", str),
    ("at", "to Pods on {}", str),
)


def statement(found: Candidate, evidence: Evidence) -> str:
    """One sentence: what happens, where, and what is well beside it."""
    parts = [_symptoms(found, evidence), *_scope(found), _where(found)]
    said = " ".join(part for part in parts if part)
    well = contrast(found, evidence)
    return f"{said[:1].upper()}{said[1:]}" + (f"; {', '.join(well)}" if well else "")


def layer(found: Candidate) -> str:
    """What is broken there, as far as the questions that found it tell."""
    facets = {path.facet for path in found.broken if path.facet != "loss"}
    known = {_FACET_LAYERS.get(facet, "") for facet in facets}
    if len(known) == 1 and known != {""}:
        return known.pop()
    if "service" in found.box and found.names - set(found.box["service"]):
        return "kube-proxy"
    return _LAYERS.get(found.place.kind, "cluster")


def contrast(found: Candidate, evidence: Evidence) -> list[str]:
    """What is well: only what a narrowing was needed for, so what was seen."""
    box, well = found.box, []
    if set(box.get("facet", ())) == {"name"}:
        well.append("by address connections are answered" + (" there" if found.place.nodes else ""))
    if "kind" in box and "outside" not in box["kind"] and "host-network" not in box["kind"]:
        well.append("the nodes' own network is well")
    if "payload" in box:
        well.append("smaller payloads pass")
    if "service" in box and found.names - set(box["service"]):
        well.append("other Services are well there")
    for scope, shown in (("family", _FAMILIES), ("protocol", {"tcp": "TCP", "udp": "UDP"})):
        others = {
            v for p in evidence.paths if (v := getattr(p, scope)) and v not in box.get(scope, (v,))
        }
        well += [f"{shown[value]} is well" for value in sorted(others)]
    if found.place.nodes and found.place.kind not in ("pod", "itself"):
        well.append("no other node shows it")
    elif found.place.objects:
        well.append(f"no other {_LAYERS[found.place.kind]} shows it")
    return well


def _symptoms(found: Candidate, evidence: Evidence) -> str:
    if set(found.box.get("facet", ())) == {"delay"}:
        return "packets are lost now and then, so that connections take whole seconds,"
    counts: Counter[str] = Counter()
    for path in found.broken:
        if found.place.rule(path) and path.facet != "loss":
            for symptom, number in evidence.paths[path].symptoms.items():
                counts[_symptom(path, symptom)] += number
    return " and ".join(text for text, _ in counts.most_common(2))


def _symptom(path: Path, symptom: str) -> str:
    if path.facet == "reach":
        return _ENDINGS.get(symptom, "connections fail")
    if path.facet == "refusal":
        return _REFUSALS.get(symptom, "connections end otherwise than they must")
    if path.facet == "api":
        return f"the API server answers otherwise than it must ({symptom})"
    if symptom == "now and then":
        return f"{_FACETS[path.facet]} now and then"
    if path.facet == "responder":
        return f"{symptom} answers, which should not"
    return _FACETS[path.facet]


def _scope(found: Candidate) -> Iterator[str]:
    """How the place is narrowed; what its name says already is left out."""
    said = {*found.place.nodes, *found.place.objects}
    for scope, words, shown in _SCOPE_WORDS:
        values = found.box.get(scope, frozenset()) - said
        if values and not (scope == "form" and "facet" in found.box):
            yield words.format(_listed(sorted({shown(value) for value in values})))


def _where(found: Candidate) -> str:
    place, facets = found.place, found.box.get("facet", ())
    if place.kind == "everywhere" and set(found.box) & {"node", "entry", "at"}:
        return ""
    if place.kind in ("rules", "clients", "node") and set(facets) == {"name"}:
        return f"on {place.nodes[0]}"
    if place.kind in ("pod", "itself"):
        return f"{_PLACES[place.kind].format(*place.objects)} on {place.nodes[0]}"
    return _PLACES[place.kind].format(*(place.nodes or place.objects))


def look(found: Candidate, *, embedded: bool) -> tuple[str, ...]:
    """What to type next: commands, the likeliest first."""
    return tuple(dict.fromkeys(_look(found, embedded)))


def _look(found: Candidate, embedded: bool) -> Iterator[str]:
    what = layer(found)
    services = [*_boxed(found, ("service",))]
    services += found.place.objects if found.place.kind == "service" else ()
    if what == "DNS" and not services:
        yield "kubectl -n kube-system get pods -l k8s-app=kube-dns -o wide"
    if what == "EndpointSlices":
        yield "kubectl -n kube-system logs -l component=kube-controller-manager"
    for service in services:
        yield f"kubectl describe service {service}"
        yield f"kubectl get endpointslices -l kubernetes.io/service-name={service} -o yaml"
    if found.place.kind in ("pod", "itself", "app"):
        kind = "deployment" if found.place.kind == "app" else "pod"
        yield f"kubectl describe {kind} {found.place.objects[0]}"
    for node in (*found.place.nodes, *_boxed(found, ("entry", "node", "at"))):
        yield from _in_node(node, what, embedded)


def _in_node(node: str, what: str, embedded: bool) -> Iterator[str]:
    if what == "node":
        yield f"kubectl describe node {node}"
    if what in ("kube-proxy", "node"):
        pods = f"-l k8s-app=kube-proxy --field-selector spec.nodeName={node}"
        log = f"kubectl -n kube-system get pods {pods}"
        yield f"svcproof logs kube-proxy {node}" if embedded else log
    for command in ("nft list ruleset", *(("ip route",) if what == "Pod network" else ())):
        yield f"svcproof shell {node} -- {command}" if embedded else f"on {node}: {command}"


def _boxed(found: Candidate, scopes: Sequence[str]) -> Iterator[Any]:
    return (value for scope in scopes for value in sorted(found.box.get(scope, ())) if value)


def _listed(values: Iterable[str]) -> str:
    *most, last = list(values) or [""]
    return f"{', '.join(most)} and {last}" if most else last
