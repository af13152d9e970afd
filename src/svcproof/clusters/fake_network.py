"""The fake cluster's network: what the rules, the DNS and the health checks make of an attempt.

The rules are those of :mod:`svcproof.expect`, as kube-proxy would have them on every
node at once; :mod:`svcproof.clusters.fake_defects` says what may go wrong on the way.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from msgspec.structs import replace

from svcproof.clusters.fake_defects import STRANGER, Defect, Dial
from svcproof.clusters.fake_model import FakeModel
from svcproof.errors import NotSupported
from svcproof.expect import Promise, promise, usable
from svcproof.history import Attempt, Backend, Form, Outcome, Position, Target
from svcproof.ports import ClusterFacts, ProbePlan
from svcproof.profiles import PROFILES
from svcproof.questions import ADDRESS_QUERIES, Query
from svcproof.snapshot import Endpoint, Service, ServicePort, Snapshot

__all__ = ["FakeNetwork"]

#: The fake routes as kube-proxy does, whatever it says that it is.
_RULES: Final = PROFILES["iptables"]


@dataclass(frozen=True, slots=True)
class _Way:
    """Where a client's attempts lead until the cluster changes.

    Either ``fixed`` is what comes of each, or the rules choose among ``due.allowed``.
    """

    dial: Dial
    fixed: Attempt | None = None
    due: Promise | None = None
    port_name: str = ""
    node: str = ""


@dataclass
class FakeNetwork:
    """Draws what comes of attempts. Not for several threads at once."""

    model: FakeModel
    facts: ClusterFacts
    defects: list[Defect]
    random: random.Random
    changed_ns: int = 0
    _state: tuple[object, ...] = ()
    _planes: dict[str, Snapshot] = field(default_factory=dict)
    _ways: dict[tuple[Position, ProbePlan], _Way] = field(default_factory=dict)
    _remembered: dict[tuple[str, ...], tuple[str, int]] = field(default_factory=dict)

    def changed(self) -> None:
        """Note that objects have changed; what is no longer sticky is forgotten."""
        self.changed_ns = self.model.clock()
        sticky = {
            (service.namespace, service.name)
            for service in self.model.services()
            if service.session_affinity == "ClientIP"
        }
        self._remembered = {k: v for k, v in self._remembered.items() if k[:2] in sticky}

    def attempt(
        self, position: Position, plan: ProbePlan, number: int, kept: dict[int, Backend]
    ) -> Attempt:
        """One attempt; ``kept`` are the connections that the plan keeps open."""
        now = self.model.clock()
        way = self._way(position, plan)
        changed = (now - self.changed_ns) / 1e9
        dial = dataclasses.replace(way.dial, number=number, changed=changed)
        attempt = self._connected(way, dial, kept) if way.due else way.fixed
        assert attempt is not None  # noqa: S101  (a way has the one or the other)
        attempt = replace(attempt, at_ns=now)
        for defect in self.defects:
            attempt = defect.told(dial, attempt)
        return attempt

    def _way(self, position: Position, plan: ProbePlan) -> _Way:
        state = (self.model.tick(), *self.defects)
        if len(state) != len(self._state) or any(
            a is not b and a != b for a, b in zip(state, self._state, strict=True)
        ):
            self._state = state
            self._planes.clear()
            self._ways.clear()
        way = self._ways.get((position, plan))
        if way is None:
            way = self._ways[position, plan] = self._find(position, plan)
        return way

    def _find(self, position: Position, plan: ProbePlan) -> _Way:
        dial = Dial(position, plan, None)
        if plan.query:
            return _Way(dial, self._asked(position, plan, plan.query))
        addresses, rcode = self._resolved(position, plan)
        if not addresses:
            return _Way(dial, _ended(position, plan, Outcome.NAME_FAILED, rcode=rcode))
        address = addresses[0]
        found = self._service(address, position, plan)
        if found is not None:
            return self._routed(dial, address, *found)
        node = self._node_at(address)
        if plan.dialect == "healthz" and node:
            return _Way(dial, self._health(position, plan, address, node))
        pod = self.model.pod_at(address)
        if pod is None:
            nothing = Outcome.REFUSED if node else Outcome.UNREACHABLE
            return _Way(dial, _ended(position, plan, nothing))
        backend = self._known(Backend(pod.name, pod.uid, pod.node, pod.namespace))
        due = Promise(outcome=Outcome.ANSWERED, rule="the Pod itself", allowed=(backend,))
        return _Way(dial, due=due)

    # names

    def _resolved(self, position: Position, plan: ProbePlan) -> tuple[Sequence[str], str]:
        """The addresses of what is dialled, else the DNS' response code."""
        if _is_literal(plan.host):
            return (plan.host,), ""
        query = ADDRESS_QUERIES[plan.family]
        due = self._said(position, plan.host, query) if position.kind != "outside" else None
        if due is None or due.outcome is not Outcome.ANSWERED:
            return (), "NXDOMAIN"
        records = (record.split() for record in due.answers or ())
        return [data for _, kind, data in records if kind == query], "NODATA"

    def _asked(self, position: Position, plan: ProbePlan, query: Query) -> Attempt:
        try:
            due = self._said(position, plan.host, query)
        except NotSupported as error:
            lost = _ended(position, plan, Outcome.NAME_FAILED, rcode="SERVFAIL")
            return replace(lost, detail=str(error))
        if due is None:
            return _ended(position, plan, Outcome.NAME_FAILED, rcode="NXDOMAIN")
        said = _ended(position, plan, due.outcome, rcode=due.rcode)
        return replace(said, answers=due.answers or ())

    def _said(self, position: Position, name: str, query: Query) -> Promise | None:
        """What the DNS says of a name, with the search list of the client's namespace."""
        domain = f"svc.{self.facts.cluster_domain}"
        search = [
            "",
            f".{position.namespace}.{domain}",
            f".{domain}",
            f".{self.facts.cluster_domain}",
        ]
        absolute = name.endswith(".")
        for suffix in search[:1] if absolute else search:
            found = self._named(f"{name.rstrip('.')}{suffix}", query)
            if found is not None:
                service, port_name = found
                target = Target(
                    name=name,
                    service=service.name,
                    form="dns",
                    host=name,
                    port=53,
                    port_name=port_name,
                    query=query,
                )
                return self._promised(position, service.namespace, target)
        return None

    def _named(self, name: str, query: Query) -> tuple[Service, str] | None:
        for service in self.model.services():
            full = f"{service.name}.{service.namespace}.svc.{self.facts.cluster_domain}"
            if query == "PTR":
                addresses = () if service.headless else service.cluster_ips
                if name in {ipaddress.ip_address(each).reverse_pointer for each in addresses}:
                    return service, ""
                continue
            if name == full:
                return service, ""
            for port in service.ports if query == "SRV" else ():
                if name == f"_{port.name}._{port.protocol.lower()}.{full}":
                    return service, port.name
        return None

    def _health(self, position: Position, plan: ProbePlan, address: str, node: str) -> Attempt:
        for service in self.model.services():
            if plan.port == service.health_check_node_port:
                target = Target(
                    name=service.name,
                    service=service.name,
                    form="health-check",
                    host=address,
                    port=plan.port,
                    entry_node=node,
                )
                due = self._promised(position, service.namespace, target)
                return replace(
                    _ended(position, plan, due.outcome), answers=due.answers or (), reply_us=200
                )
        return _ended(position, plan, Outcome.REFUSED)

    # rules

    def _service(
        self, address: str, position: Position, plan: ProbePlan
    ) -> tuple[Service, ServicePort, Form, str] | None:
        """The Service at an address, its port, and the node that is entered."""
        node = self._node_at(address)
        for service in self.model.services():
            for port in service.ports:
                if port.protocol != plan.protocol.upper():
                    continue
                inside = position.kind != "outside" and port.port == plan.port
                if inside and address in service.cluster_ips:
                    return service, port, "cluster-ip", ""
                if inside and address in service.external_ips:
                    return service, port, "external-ip", ""
                if node and port.node_port == plan.port:
                    return service, port, "node-port", node
        return None

    def _routed(
        self, dial: Dial, address: str, service: Service, port: ServicePort, form: Form, node: str
    ) -> _Way:
        position, plan = dial.position, dial.plan
        target = Target(
            name=plan.host,
            service=service.name,
            form=form,
            host=address,
            port=plan.port,
            protocol=plan.protocol,
            family=plan.family,
            entry_node=node,
            port_name=port.name,
        )
        dial = dataclasses.replace(
            dial,
            service=service,
            everybody=tuple(self._everybody(service, plan)),
            entry_node=node,
        )
        due = self._promised(position, service.namespace, target)
        due = replace(due, allowed=tuple(map(self._known, due.allowed)))
        for defect in self.defects:
            due = defect.promised(dial, due)
        if due.outcome is not Outcome.ANSWERED:
            return _Way(dial, _ended(position, plan, due.outcome))
        return _Way(dial, due=due, port_name=port.name, node=node or position.node)

    def _promised(self, position: Position, namespace: str, target: Target) -> Promise:
        return promise(
            self._plane(namespace),
            position,
            target,
            run="",
            profile=_RULES,
            cluster_domain=self.facts.cluster_domain,
            outside=self.facts.outside_names,
        )

    def _plane(self, namespace: str) -> Snapshot:
        """What the rules of all nodes, and the DNS, have been made from."""
        if namespace not in self._planes:
            services = tuple(self.model.services(namespace))
            self._planes[namespace] = Snapshot(
                nodes=self.model.nodes,
                pods=self.model.pods(namespace),
                services=services,
                slices=tuple(
                    item
                    for service in services
                    for item in self.model.slices(service, self._programmed(service))
                ),
            )
        return self._planes[namespace]

    def _programmed(self, service: Service) -> list[Endpoint]:
        endpoints: Sequence[Endpoint] = self.model.endpoints(service)
        for defect in self.defects:
            endpoints = defect.programmed(service, endpoints)
        return list(endpoints)

    def _everybody(self, service: Service, plan: ProbePlan) -> Iterator[Backend]:
        for endpoint in usable(self.model.endpoints(service)):
            if (":" in endpoint.addresses[0]) == (plan.family == "ipv6"):
                yield self._known(
                    Backend(endpoint.pod, endpoint.pod_uid, endpoint.node, service.namespace)
                )

    def _known(self, backend: Backend) -> Backend:
        """The backend with the run that it answers with."""
        if backend.pod == STRANGER:
            return replace(backend, namespace="elsewhere", run="another")
        return replace(backend, run=self.model.run_of(backend.uid))

    # connections

    def _connected(self, way: _Way, dial: Dial, kept: dict[int, Backend]) -> Attempt:
        position, plan = dial.position, dial.plan
        if plan.keep_alive:
            worker = dial.number % plan.concurrency
            backend = kept.get(worker) or kept.setdefault(worker, self._choose(way, dial))
        else:
            backend = self._choose(way, dial)
        outcome = self._ending(dial, backend)
        if outcome is not Outcome.ANSWERED:
            return _ended(position, plan, outcome)
        return replace(
            _ended(position, plan, outcome),
            reply_us=200,
            backend=backend,
            local_address=_local(dial),
            source_address=self._source(way, backend),
            source_port=self.random.randrange(32768, 61000),
        )

    def _choose(self, way: _Way, dial: Dial) -> Backend:
        assert way.due is not None  # noqa: S101  (only ways with a choice come here)
        among, draw = way.due.allowed, self.random.random()
        for defect in self.defects:
            planted = defect.chosen(dial, among, draw)
            if planted is not None:
                return planted
        fresh = among[int(draw * len(among))]
        service = dial.service
        if service is None or service.session_affinity != "ClientIP":
            return fresh
        # Each node remembers for itself, per client and port.
        place = (service.namespace, service.name, way.port_name, way.node, _local(dial))
        uid, last_ns = self._remembered.get(place, ("", 0))
        now = self.model.clock()
        if now - last_ns <= service.affinity_timeout_seconds * 1_000_000_000:
            fresh = next((backend for backend in among if backend.uid == uid), fresh)
        self._remembered[place] = (fresh.uid, now)
        return fresh

    def _ending(self, dial: Dial, backend: Backend) -> Outcome:
        for defect in self.defects:
            outcome = defect.ending(dial, backend)
            if outcome is not Outcome.ANSWERED:
                return outcome
        if backend.pod != STRANGER and self.model.pod_of(backend.uid) is None:
            return Outcome.TIMED_OUT  # nothing lives at that address any more
        return Outcome.ANSWERED

    def _source(self, way: _Way, backend: Backend) -> str:
        due, dial = way.due, way.dial
        local = _local(dial)
        if due is None:
            return local
        if due.sources and local not in due.sources:
            return due.sources[0]
        if local in due.not_sources or backend.pod == dial.position.pod:
            return self._node_address(way.node, dial)
        return local

    def _node_address(self, name: str, dial: Dial) -> str:
        six = dial.plan.family == "ipv6"
        for node in self.model.nodes:
            if node.name == name:
                return next(a for a in node.addresses if (":" in a) == six)
        return ""

    def _node_at(self, address: str) -> str:
        return next((node.name for node in self.model.nodes if address in node.addresses), "")


def _local(dial: Dial) -> str:
    if dial.plan.source_range:
        crowd = ipaddress.ip_network(dial.plan.source_range)
        return str(crowd[dial.number % crowd.num_addresses])
    six = dial.plan.family == "ipv6"
    return next((a for a in dial.position.addresses if (":" in a) == six), "")


def _ended(position: Position, plan: ProbePlan, outcome: Outcome, *, rcode: str = "") -> Attempt:
    return Attempt(
        at_ns=0,
        outcome=outcome,
        resolve_us=50 if plan.query or not _is_literal(plan.host) else None,
        connect_us=100 if outcome is Outcome.ANSWERED and plan.protocol == "tcp" else None,
        local_address=_local(Dial(position, plan, None)),
        rcode=rcode,
    )


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
