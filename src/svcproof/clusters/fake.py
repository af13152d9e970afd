"""A cluster in memory: deterministic, instant, and broken on demand.

For trying the harness itself, and for tests of one's own fixtures. It knows the
routing rules only as far as :mod:`svcproof.expect` does; it passes the same
contract tests as the real clusters. Defects are in
:mod:`svcproof.clusters.fake_defects`.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import Final

from svcproof.clusters.fake_defects import Defect
from svcproof.clusters.fake_model import FakeModel
from svcproof.clusters.fake_network import FakeNetwork
from svcproof.clusters.options import ClusterOptions
from svcproof.history import Attempt, Backend, Family, Outcome, Position
from svcproof.limits import Limits
from svcproof.ports import ClusterFacts, Manifest, ProbePlan
from svcproof.recorder import now_ns
from svcproof.snapshot import Endpoint, EndpointSlice, Node, Service, Snapshot

__all__ = ["LIMITS", "FakeCluster", "open_cluster"]

#: Nothing in a fake cluster is late: what is wrong after this time stays wrong. It is
#: enough for steady traffic to make a sample.
LIMITS: Final = Limits(workload_ready=1.0, endpoints=1.0, convergence=3.0)

_NODE_PREFIX = {"ipv4": "192.0.2.", "ipv6": "2001:db8::"}
_CROWD: Final[Mapping[Family, str]] = {"ipv4": "198.18.0.0/20", "ipv6": "2001:db8:fffd::/112"}
_OUTSIDE = {"ipv4": "203.0.113.1", "ipv6": "2001:db8:ffff::1"}
_OUTSIDE_NAME = {"ipv4": "198.51.100.10", "ipv6": "2001:db8:fffe::10"}


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
        self._model = FakeModel(_nodes(nodes, families), tuple(families), now_ns)
        self._lock = threading.Lock()
        self._facts = ClusterFacts(
            name="fake",
            kind="fake",
            kubernetes_version=kubernetes_version,
            proxy_mode=proxy_mode,
            families=tuple(families),
            node_names=tuple(node.name for node in self._model.nodes),
            outside_ranges={family: _CROWD[family] for family in families},
            outside_names={"my.database.com": tuple(_OUTSIDE_NAME.values())},
            limits_refusals=False,
        )
        # Draws that can be repeated, not secrets.
        draws = random.Random(seed)  # noqa: S311
        self._network = FakeNetwork(self._model, self._facts, self.defects, draws)

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
            self._network.changed()

    def apply(self, manifests: Sequence[Manifest], *, namespace: str) -> tuple[Manifest, ...]:
        """Create or change the objects; all their Pods are ready on return."""
        lax = any(defect.lax for defect in self.defects)
        with self._lock:
            stored = [self._model.apply(each, namespace, lax=lax) for each in manifests]
            self._network.changed()
        return tuple(stored)

    def patch(self, kind: str, name: str, changes: Manifest, *, namespace: str) -> Manifest:
        """Change fields of one object."""
        with self._lock:
            stored = self._model.patch(kind, name, changes, namespace)
            self._network.changed()
        return stored

    def delete(self, kind: str, name: str, *, namespace: str) -> None:
        """Delete one object."""
        with self._lock:
            self._model.delete(kind, name, namespace)
            self._network.changed()

    def snapshot(self, namespace: str) -> Snapshot:
        """The nodes, and what is in the namespace."""
        with self._lock:
            self._model.tick()
            services = tuple(self._model.services(namespace))
            return Snapshot(
                nodes=self._model.nodes,
                pods=self._model.pods(namespace),
                services=services,
                slices=tuple(self._slices(services)),
            )

    def outside_positions(self) -> tuple[Position, ...]:
        """One client outside."""
        addresses = tuple(_OUTSIDE[family] for family in self._facts.families)
        return (Position(name="outside the cluster", kind="outside", addresses=addresses),)

    def probe(self, position: Position, plan: ProbePlan) -> Generator[Attempt, None, None]:
        """Draw ``plan.count`` attempts; only a plan with a rate takes time."""
        lost = ""
        kept: dict[int, Backend] = {}
        began = time.monotonic()
        for number in range(plan.count):
            if plan.finish is not None and plan.finish.is_set:
                return
            if plan.rate:
                time.sleep(max(0.0, began + number / plan.rate - time.monotonic()))
            with self._lock:
                self._model.tick()
                lost = lost or self._loss(position, number)
                if lost:
                    attempt = Attempt(at_ns=now_ns(), outcome=Outcome.UNKNOWN, detail=lost)
                else:
                    attempt = self._network.attempt(position, plan, number, kept)
            yield attempt

    def close(self) -> None:
        """Nothing is held."""

    def _slices(self, services: Sequence[Service]) -> Iterator[EndpointSlice]:
        for service in services:
            endpoints: Sequence[Endpoint] = self._model.endpoints(service)
            for defect in self.defects:
                endpoints = defect.listed(service, endpoints)
            yield from self._model.slices(service, list(endpoints))

    def _loss(self, position: Position, number: int) -> str:
        if position.kind != "outside":
            pods = self._model.pods(position.namespace)
            if all(pod.name != position.pod for pod in pods):
                return f"exec lost: there is no Pod {position.pod!r}"
        reasons = (defect.loses(position, number) for defect in self.defects)
        return next((reason for reason in reasons if reason), "")


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


def _nodes(count: int, families: Sequence[Family]) -> tuple[Node, ...]:
    return tuple(
        Node(
            name=f"node-{number}",
            addresses=tuple(f"{_NODE_PREFIX[family]}{number}" for family in families),
            ready=True,
            zone=f"zone-{(number - 1) % 2 + 1}",
        )
        for number in range(1, count + 1)
    )
