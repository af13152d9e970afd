"""A cluster in memory: deterministic, instant, and broken on demand.

For trying the harness itself, and for tests of one's own fixtures. It knows the
routing rules only as far as :mod:`svcproof.expect` does; it passes the same
contract tests as the real clusters. Defects are in
:mod:`svcproof.clusters.fake_defects`.
"""

from __future__ import annotations

import ipaddress
import random
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from svcproof.clusters.fake_defects import STRANGER, Defect
from svcproof.clusters.fake_model import FakeModel
from svcproof.clusters.options import ClusterOptions
from svcproof.expect import usable
from svcproof.history import Attempt, Backend, Family, Outcome, Position
from svcproof.ports import ClusterFacts, Manifest, ProbePlan
from svcproof.snapshot import Endpoint, EndpointSlice, Node, Service, Snapshot

__all__ = ["FakeCluster", "open_cluster"]

_NODE_PREFIX = {"ipv4": "192.0.2.", "ipv6": "2001:db8::"}


@dataclass(frozen=True)
class _Entry:
    """Where a dialled address leads: a Service, and the node entered for a node port."""

    service: Service
    node: str = ""


class FakeCluster:
    """A cluster of ``nodes`` nodes; ``defects`` may be changed while it runs."""

    def __init__(
        self,
        *,
        nodes: int = 3,
        families: Sequence[Family] = ("ipv4",),
        proxy_mode: str = "iptables",
        kubernetes_version: str = "1.36.0",
        seed: int = 0,
        defects: Sequence[Defect] = (),
    ) -> None:
        self.defects = list(defects)
        self._model = FakeModel(_nodes(nodes, families), tuple(families))
        # A draw that can be repeated, not a secret.
        self._random = random.Random(seed)  # noqa: S311
        self._lock = threading.Lock()
        self._now_ns = 1_700_000_000_000_000_000
        self._facts = ClusterFacts(
            name="fake",
            kind="fake",
            kubernetes_version=kubernetes_version,
            proxy_mode=proxy_mode,
            families=tuple(families),
            node_names=tuple(node.name for node in self._model.nodes),
        )

    @property
    def facts(self) -> ClusterFacts:
        """What this cluster is."""
        return self._facts

    def create_namespace(self, name: str) -> None:
        """Make a namespace."""
        with self._lock:
            self._model.namespaces.add(name)

    def delete_namespace(self, name: str) -> None:
        """Delete a namespace, at once."""
        with self._lock:
            self._model.delete_namespace(name)

    def apply(self, manifests: Sequence[Manifest], *, namespace: str) -> None:
        """Create or change the objects; all their Pods are ready on return."""
        with self._lock:
            for manifest in manifests:
                self._model.apply(manifest, namespace)

    def patch(self, kind: str, name: str, changes: Manifest, *, namespace: str) -> None:
        """Change fields of one object."""
        with self._lock:
            self._model.patch(kind, name, changes, namespace)

    def delete(self, kind: str, name: str, *, namespace: str) -> None:
        """Delete one object."""
        with self._lock:
            self._model.delete(kind, name, namespace)

    def snapshot(self, namespace: str) -> Snapshot:
        """The nodes, and what is in the namespace."""
        with self._lock:
            services = tuple(self._model.services(namespace))
            return Snapshot(
                nodes=self._model.nodes,
                pods=self._model.pods(namespace),
                services=services,
                slices=tuple(self._slices(services)),
            )

    def outside_positions(self) -> tuple[Position, ...]:
        """One client outside."""
        return (Position(name="outside the cluster", kind="outside", addresses=("203.0.113.1",)),)

    def probe(self, position: Position, plan: ProbePlan) -> Generator[Attempt, None, None]:
        """Draw ``plan.count`` attempts."""
        lost = ""
        for number in range(plan.count):
            with self._lock:
                self._now_ns += 1_000_000
                lost = lost or self._loss(position, number)
                if lost:
                    attempt = Attempt(at_ns=self._now_ns, outcome=Outcome.UNKNOWN, detail=lost)
                else:
                    attempt = self._attempt(position, plan)
            yield attempt

    def close(self) -> None:
        """Nothing is held."""

    def _slices(self, services: Sequence[Service]) -> Iterator[EndpointSlice]:
        for service in services:
            for family in self._facts.families:
                endpoints: Sequence[Endpoint] = self._model.endpoints(service, family)
                for defect in self.defects:
                    endpoints = defect.listed(service, endpoints)
                yield EndpointSlice(
                    name=f"{service.name}-{family}",
                    service=service.name,
                    family="IPv6" if family == "ipv6" else "IPv4",
                    ports={port.name: int(port.target_port) for port in service.ports},
                    endpoints=tuple(endpoints),
                )

    def _loss(self, position: Position, number: int) -> str:
        if position.kind != "outside":
            pods = self._model.pods(position.namespace)
            if all(pod.name != position.pod for pod in pods):
                return f"exec lost: there is no Pod {position.pod!r}"
        reasons = (defect.loses(position, number) for defect in self.defects)
        return next((reason for reason in reasons if reason), "")

    def _attempt(self, position: Position, plan: ProbePlan) -> Attempt:
        attempt = Attempt(
            at_ns=self._now_ns,
            outcome=Outcome.UNREACHABLE,
            connect_us=100,
            local_address=position.addresses[0] if position.addresses else "",
        )
        entry = self._entry(position, plan)
        if entry is None and not _is_literal(plan.host):
            return replace(attempt, outcome=Outcome.NAME_FAILED, rcode="NXDOMAIN")
        if entry is None:
            return attempt
        endpoints = self._programmed(entry.service, plan.family)
        if not endpoints:
            return replace(attempt, outcome=Outcome.REFUSED)
        return self._ending(attempt, entry, self._random.choice(endpoints))

    def _ending(self, attempt: Attempt, entry: _Entry, endpoint: Endpoint) -> Attempt:
        stranger = endpoint.pod == STRANGER
        endings = [defect.ending(entry.node, endpoint) for defect in self.defects]
        if not stranger and not self._model.has_pod(endpoint.pod):
            endings.append(Outcome.TIMED_OUT)  # nothing lives at that address any more
        outcome = next((end for end in endings if end is not Outcome.ANSWERED), Outcome.ANSWERED)
        if outcome is not Outcome.ANSWERED:
            return replace(attempt, outcome=outcome)
        backend = Backend(
            pod=endpoint.pod,
            uid=endpoint.pod_uid,
            node=endpoint.node,
            namespace="elsewhere" if stranger else entry.service.namespace,
            run="another" if stranger else self._model.run_of(endpoint.pod),
        )
        return replace(
            attempt,
            outcome=Outcome.ANSWERED,
            reply_us=200,
            backend=backend,
            source_address=self._masqueraded(entry) or attempt.local_address,
            source_port=self._random.randrange(32768, 61000),
        )

    def _masqueraded(self, entry: _Entry) -> str:
        # Policy Cluster always rewrites the source of external traffic.
        nodes = (node for node in self._model.nodes if node.name == entry.node)
        return next((node.addresses[0] for node in nodes), "")

    def _programmed(self, service: Service, family: Family) -> Sequence[Endpoint]:
        endpoints: Sequence[Endpoint] = usable(self._model.endpoints(service, family))
        for defect in self.defects:
            endpoints = defect.programmed(service, endpoints)
        return endpoints

    def _entry(self, position: Position, plan: ProbePlan) -> _Entry | None:
        protocol = plan.protocol.upper()
        inside = position.kind != "outside"
        for service in self._model.services():
            ports = [port for port in service.ports if port.protocol == protocol]
            if inside and plan.host.rstrip(".") in _names(service, position.namespace):
                if any(port.port == plan.port for port in ports):
                    return _Entry(service)
            elif any(port.node_port == plan.port for port in ports):
                for node in self._model.nodes:
                    if plan.host in node.addresses:
                        return _Entry(service, node.name)
        return None


def open_cluster(options: ClusterOptions, report: Callable[[str], None]) -> FakeCluster:
    """A fake cluster as the options want it; it starts in no time."""
    report("fake cluster: nothing to start")
    return FakeCluster(
        nodes=options.nodes,
        families=options.families,
        proxy_mode=options.proxy_mode,
        kubernetes_version=f"{options.kubernetes_version}.0",
        seed=options.seed,
    )


def _names(service: Service, namespace: str) -> set[str]:
    full = f"{service.name}.{service.namespace}.svc.cluster.local"
    names = {*service.cluster_ips, full, f"{service.name}.{service.namespace}"}
    return names | {service.name} if namespace == service.namespace else names


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _nodes(count: int, families: Sequence[Family]) -> tuple[Node, ...]:
    return tuple(
        Node(
            name=f"node-{number}",
            addresses=tuple(f"{_NODE_PREFIX[family]}{number}" for family in families),
            ready=True,
            zone=f"zone-{(number - 1) % 3 + 1}",
        )
        for number in range(1, count + 1)
    )
