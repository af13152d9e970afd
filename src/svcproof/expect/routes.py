"""Who answers a connection, which address they see, or how it must fail.

The rules are kube-proxy's (``pkg/proxy/topology.go``, ``CategorizeEndpoints``)
and those of the KEPs that it names: internalTrafficPolicy (KEP-2086), terminating
endpoints (KEP-1669), topology hints (KEP-2433, KEP-4444). Where data planes
differ, :mod:`svcproof.profiles` says how.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from svcproof.errors import NotSupported
from svcproof.expect.endpoints import endpoints_of, family_of, nearest, usable
from svcproof.history import Backend, Outcome, Position, Target
from svcproof.profiles import Profile
from svcproof.promises import Promise
from svcproof.snapshot import Endpoint, Node, Service, Snapshot

__all__ = ["route_promise"]

#: Whoever is outside enters at a node that something else has chosen.
_BALANCED = frozenset({"load-balancer", "external-ip"})
_INTERNAL = frozenset({"cluster-ip", "short-name", "fqdn"})


@dataclass(frozen=True, slots=True)
class _Question:
    """One client that dials one address of one Service, as the cluster is now."""

    snapshot: Snapshot
    service: Service
    position: Position
    target: Target
    run: str
    profile: Profile

    @property
    def internal(self) -> bool:
        """Whether the internal policy governs it: the ClusterIP, by whatever name."""
        return self.target.form in _INTERNAL

    @property
    def node(self) -> Node | None:
        """The node whose rules decide: the client's own, or the one that is entered, if that is
        known."""
        if self.is_proxied:
            return None
        name = self.target.entry_node if self.target.form == "node-port" else self.position.node
        return self.snapshot.node(name)

    @property
    def is_proxied(self) -> bool:
        """Whether a load balancer is on the way wherever the client is: no node knows what is
        dialled."""
        names = (*self.service.load_balancer_names, *self.service.load_balancer_proxies)
        return self.target.form == "load-balancer" and self.target.host in names

    @property
    def is_pod(self) -> bool:
        return self.position.kind in ("pod", "backend")

    @property
    def addresses(self) -> tuple[str, ...]:
        """The client's own addresses of the family that is dialled."""
        return tuple(a for a in self.position.addresses if family_of(a) == self.target.family)


def route_promise(
    snapshot: Snapshot, position: Position, target: Target, *, run: str, profile: Profile
) -> Promise:
    """What the rules promise ``position`` when it dials ``target``."""
    if target.form == "pod-ip":
        return _of_pod(snapshot, position, target, run)
    question = _Question(snapshot, snapshot.service(target.service), position, target, run, profile)
    _refuse_unmodelled(question)
    endpoints = endpoints_of(snapshot, question.service, target.family, target.port_name)
    if not usable(endpoints):
        outcome, *also = profile.no_endpoint
        if position.kind == "host-network" and target.protocol == "udp":
            # Netfilter drops what it rejects on its way out: who sends a datagram learns EPERM.
            also.append(Outcome.UNREACHABLE)
        return Promise(outcome=outcome, also=tuple(also), rule="no usable endpoint: rejected")
    if _is_beside(question) and _ends_beside(question) is not Outcome.ANSWERED:
        rule = f"{profile.name} serves node ports at the nodes' InternalIPs alone"
        return Promise(outcome=_ends_beside(question), rule=rule)
    if _is_barred(question):
        return Promise(outcome=Outcome.TIMED_OUT, rule="not in loadBalancerSourceRanges: dropped")
    if question.internal:
        return _internal(question, endpoints)
    return _external(question, endpoints)


def _internal(question: _Question, endpoints: Sequence[Endpoint]) -> Promise:
    sources = question.addresses if question.is_pod else ()
    if sources and any(_is_node(endpoint, question) for endpoint in endpoints):
        # What leaves the Pod network for a node is masqueraded, what stays on the node is not.
        known = question.profile.masquerades_pods_to_nodes
        sources = (*sources, *_masqueraded(question)) if known else ()
    if question.service.internal_traffic_policy == "Local":
        local = usable(_on(endpoints, question.node))
        if not local:
            return _none_local(question, "internalTrafficPolicy")
        return _answered(question, local, "internalTrafficPolicy Local: this node's", sources)
    near = _cluster_set(question, endpoints, question.node)
    rule = (
        "the nearest endpoints (trafficDistribution, hints)"
        if len(near) < len(usable(endpoints))
        else ""
    )
    return _answered(question, near, rule or "every ready endpoint", sources)


def _external(question: _Question, endpoints: Sequence[Endpoint]) -> Promise:
    client = question.addresses if question.is_pod or _is_outside(question) else ()
    if question.is_proxied:
        client = ()  # it may put its own address there, and pass the nodes' rules by
    if question.service.external_traffic_policy != "Local":
        # Always masqueraded: the answer must come back through the node that was entered.
        near = _cluster_set(question, endpoints, question.node)
        # What is delivered on the node that was entered passes nothing that masquerades.
        stays = any(_is_node(each, question) and each in _on(near, question.node) for each in near)
        return _answered(
            question,
            near,
            "externalTrafficPolicy Cluster: every ready endpoint",
            not_sources=() if stays else client,
            cover=not _is_balanced(question) or _is_same_everywhere(question, endpoints, near),
        )
    if _is_short_circuit(question):
        # kube-proxy treats a client on the node itself as internal: it gets the Cluster set.
        sources = question.addresses if question.is_pod else ()
        near = _cluster_set(question, endpoints, question.node)
        return _answered(
            question, near, "externalTrafficPolicy Local, short circuit: as with Cluster", sources
        )
    if question.target.form in _BALANCED:
        return _balanced_locally(question, endpoints, client)
    local = usable(_on(endpoints, question.node))
    if not local:
        return _none_local(question, "externalTrafficPolicy")
    sources = client if _is_outside(question) else _masqueraded(question)
    return _answered(question, local, "externalTrafficPolicy Local: the entered node's", sources)


def _cluster_set(
    question: _Question, endpoints: Sequence[Endpoint], node: Node | None
) -> tuple[Endpoint, ...]:
    """What policy Cluster leaves to the rules of a node."""
    return usable(nearest(endpoints, question.service, node))


def _is_same_everywhere(
    question: _Question, endpoints: Sequence[Endpoint], chosen: Sequence[Endpoint]
) -> bool:
    """Whether it does not matter which node a balancer enters."""
    return all(
        len(_cluster_set(question, endpoints, node)) == len(chosen)
        for node in question.snapshot.nodes
    )


def _balanced_locally(
    question: _Question, endpoints: Sequence[Endpoint], sources: tuple[str, ...]
) -> Promise:
    # Which node the balancer sends to is its own choice: those on one node answer.
    rule = "externalTrafficPolicy Local: those of the node that the balancer chose"
    return _answered(question, usable(endpoints), rule, sources, cover=False)


def _answered(
    question: _Question,
    endpoints: Iterable[Endpoint],
    rule: str,
    sources: tuple[str, ...] = (),
    *,
    not_sources: tuple[str, ...] = (),
    cover: bool = True,
) -> Promise:
    chosen = tuple(endpoints)
    # Traffic to oneself is masqueraded, with whatever address.
    hairpin = all(endpoint.pod == question.position.pod for endpoint in chosen)
    told = question.profile.tells_sources and not hairpin
    sticky = question.service.session_affinity == "ClientIP"
    return Promise(
        outcome=Outcome.ANSWERED,
        rule=rule,
        allowed=tuple(_backend(endpoint, question) for endpoint in chosen),
        cover=cover and not sticky,
        affinity_ms=question.service.affinity_timeout_seconds * 1000 if sticky else 0,
        affinity_clients=question.profile.remembered_clients if sticky else 0,
        sources=sources if told else (),
        not_sources=not_sources if told else (),
    )


def _none_local(question: _Question, policy: str) -> Promise:
    profile = question.profile
    outside = _is_outside(question)
    outcomes = profile.no_local_endpoint if outside else profile.no_local_endpoint_inside
    if not outcomes:
        raise NotSupported(
            f"{question.position} to {question.target}: {profile.name} promises nothing to "
            f"clients inside where {policy} Local leaves no endpoint on the node"
        )
    outcome, *also = outcomes
    return Promise(
        outcome=outcome, also=tuple(also), rule=f"{policy} Local, no endpoint on this node: dropped"
    )


def _backend(endpoint: Endpoint, question: _Question) -> Backend:
    """Who is behind an endpoint: the Pod that it names, else the one that has its address."""
    pod = None if endpoint.pod else question.snapshot.pod_at(endpoint.addresses)
    return Backend(
        pod=endpoint.pod or (pod.name if pod else endpoint.addresses[0]),
        uid=endpoint.pod_uid or (pod.uid if pod else ""),
        node=endpoint.node or (pod.node if pod else ""),
        namespace=question.service.namespace,
        run=question.run,
    )


def _is_node(endpoint: Endpoint, question: _Question) -> bool:
    """Whether it is in the network of its node."""
    return any(
        not set(endpoint.addresses).isdisjoint(node.addresses) for node in question.snapshot.nodes
    )


def _on(endpoints: Sequence[Endpoint], node: Node | None) -> list[Endpoint]:
    return [endpoint for endpoint in endpoints if node is not None and endpoint.node == node.name]


def _is_outside(question: _Question) -> bool:
    return question.position.kind == "outside"


def _is_balanced(question: _Question) -> bool:
    """Whether a load balancer chooses the node that is entered: inside, the own node's rules do."""
    is_balanced = _is_outside(question) and question.target.form in _BALANCED
    return is_balanced or question.is_proxied


def _is_short_circuit(question: _Question) -> bool:
    """A client inside that meets the rules of its own node: it gets the Cluster set."""
    if _is_outside(question) or question.is_proxied:
        return False
    entered = question.target.form == "node-port"
    return not entered or question.target.entry_node == question.position.node


def _masqueraded(question: _Question) -> tuple[str, ...]:
    """What another node's clients appear as: an address of their own node."""
    node = question.snapshot.node(question.position.node)
    if node is None:
        return ()
    return tuple(a for a in node.addresses if family_of(a) == question.target.family)


def _is_beside(question: _Question) -> bool:
    """Whether a node port is dialled at an address that the Node object does not have."""
    node = question.node
    is_node_port = question.target.form == "node-port"
    return is_node_port and node is not None and question.target.host not in node.addresses


def _ends_beside(question: _Question) -> Outcome:
    """How connections to a node port end at such an address."""
    profile, is_loopback = question.profile, question.target.host in ("127.0.0.1", "::1")
    ending = profile.node_ports_on_loopback if is_loopback else profile.node_ports_beside
    if ending is None:
        raise NotSupported(
            f"{question.target}: at which addresses node ports are served is not known of this "
            f"cluster ({profile.name}, whose nodePortAddresses anybody may have set)"
        )
    return ending


def _is_barred(question: _Question) -> bool:
    ranges = question.service.load_balancer_source_ranges
    if question.target.form != "load-balancer" or not ranges:
        return False
    if question.is_proxied and not _is_outside(question):
        raise NotSupported(
            f"{question.position} to {question.target}: with which address it comes to the load "
            "balancer, which loadBalancerSourceRanges are about, is not known"
        )
    networks = [_network(text, question.service) for text in ranges]
    return not any(
        ip_address(address) in network for address in question.addresses for network in networks
    )


def _network(text: str, service: Service) -> IPv4Network | IPv6Network:
    """As the API server takes it: with blanks around it, and the address of any host in it."""
    try:
        return ip_network(text.strip(), strict=False)
    except ValueError as error:
        raise NotSupported(
            f"Service {service.name}: loadBalancerSourceRanges: {error}",
            remedy="write it without leading zeros, as 192.0.2.0/24",
        ) from error


def _of_pod(snapshot: Snapshot, position: Position, target: Target, run: str) -> Promise:
    pod = snapshot.pod_at([target.host])
    if pod is None:
        raise NotSupported(f"no Pod has the address {target.host} that {position} is to dial")
    backend = Backend(pod=pod.name, uid=pod.uid, node=pod.node, namespace=pod.namespace, run=run)
    return Promise(outcome=Outcome.ANSWERED, allowed=(backend,), rule="the Pod itself")


def _refuse_unmodelled(question: _Question) -> None:
    service, target = question.service, question.target
    if service.type == "ExternalName" or service.headless:
        raise NotSupported(f"Service {service.name} is not proxied: ask the DNS about it")
    is_local = service.external_traffic_policy == "Local" and target.form == "node-port"
    crosses = question.is_pod and target.entry_node != question.position.node
    if is_local and crosses and not question.profile.masquerades_pods_to_nodes:
        raise NotSupported(
            f"{question.position} to {target}: whether a Pod's address is kept on the way to "
            f"another node is not known of this data plane ({question.profile.name})",
            remedy="if its rules are known, add them to svcproof.profiles",
        )
