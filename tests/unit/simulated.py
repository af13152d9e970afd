"""A cluster that routes by a few lines, breaks in known ways, and is measured like a real one.

It knows nothing of how a culprit is found: a fault is a rule about packets (who
forwards them, where they are translated, which border they cross), and what a run would
have seen of it comes out of tracing each connection, one after the other.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from svcproof.results import BackendLine, CaseResult, CellLine, EndpointsLine, FindingLine

#: Answered, and yet not as promised: by which check that is found.
EFFECTS = {"source": "sources", "share": "distribution", "affinity": "affinity"}
FAILURES = ("timed-out", "refused", "name-failed", "unknown")
#: How a connection ends when a fault meets it; "" and None: as if there were none.
Fault = Callable[["Connection"], str | None]


@dataclass(frozen=True)
class Connection:
    """One connection, and where its packets pass. ``lookup``: it is a question to the DNS."""

    kind: str
    node: str
    client: str
    form: str
    entry: str
    service: str
    backend: str
    at: str
    protocol: str = "tcp"
    family: str = "ipv4"
    payload: int = 0
    lookup: bool = False

    @property
    def is_node_port(self) -> bool:
        return self.form == "node-port"

    @property
    def is_pod(self) -> bool:
        """Whether a Pod of the Pod network sends."""
        return self.kind in ("pod", "backend")

    @property
    def hairpin(self) -> bool:
        return self.client == self.backend != ""

    @property
    def chosen_at(self) -> str:
        """The node that translates."""
        return self.entry or self.node

    @property
    def forwarded_by(self) -> set[str]:
        """Nodes that pass it on: no process of their own network sends or receives it."""
        found = {self.node} if self.is_pod else set()
        if self.entry and self.entry != self.node:
            found.add(self.entry)
        if self.at and not (self.kind == "host-network" and self.node == self.at == self.chosen_at):
            found.add(self.at)
        return found

    @property
    def crosses(self) -> tuple[str, str] | None:
        """From the node that translated to the backend's, if that is another."""
        return (self.chosen_at, self.at) if self.at and self.chosen_at != self.at else None


@dataclass(frozen=True)
class Service:
    """One Service, the cases that ask about it, and who is asked."""

    name: str
    app: str
    form: str = "cluster-ip"
    kinds: Sequence[str] = ("pod", "host-network")
    asks: str = ""  #: share, affinity, source, refusal
    local: bool = False  #: only the entered node's Pods
    protocol: str = "tcp"
    payload: int = 0
    own: bool = False  #: a node's clients enter at their own node only
    one_case: bool = True


def _services() -> Iterator[Service]:
    for form in ("cluster-ip", "short-name", "fqdn"):
        yield Service("hostname-svc-clusterip", "web", form, one_case=False)
    yield Service("hostname-svc-nodeport", "web", "node-port", ("outside",), one_case=False)
    yield Service("hostname-svc-nodeport", "web")
    yield Service("hostname-svc-shares", "web", asks="share")
    yield Service("hostname-svc-shares", "web", "node-port", ("outside",), "share")
    yield Service("hostname-svc-affinity", "web", asks="affinity")
    yield Service("hostname-svc-affinity", "web", "node-port", ("outside",), "affinity")
    yield Service("many-ports-svc", "ports")
    yield Service("many-ports-svc", "ports", protocol="udp")
    yield Service("many-ports-svc", "ports", "node-port", ("outside",), protocol="udp")
    yield Service("hostname-svc-hairpin", "web", kinds=("backend",))
    yield Service("lonely-svc-hairpin", "lonely", kinds=("backend",))
    yield Service("lonely-svc-cluster", "lonely", "node-port", ("outside",))
    yield Service("hostname-svc-local", "web", "node-port", ("outside",), "source", local=True)
    everybody = ("outside", "pod", "host-network")
    yield Service("lonely-svc-local", "lonely", "node-port", everybody, "refusal", local=True)
    yield Service("lonely-svc-anywhere", "lonely")
    yield Service("hostname-svc-internal", "web", local=True)
    yield Service("published-svc", "published", kinds=("pod",))
    yield Service("nobody-svc", "", asks="refusal")
    yield Service("nobody-svc", "", "node-port", ("outside",), "refusal")
    yield Service("unpublished-svc", "", kinds=("pod",), asks="refusal")
    yield Service("hostname-svc-endpoints", "scaled", kinds=("pod",))
    for name in ("hostname-svc-named", "hostname-svc-headless", "externalname-svc"):
        yield Service(name, "", "dns", ("pod",))
    for size in (100, 4000):
        yield Service("hostname-svc-payload", "web", payload=size)


SERVICES = tuple(_services())


@dataclass
class Cluster:
    """Nodes, Pods, a fault, and a generator of chance."""

    fault: Fault = field(default=lambda _: None)
    nodes: Sequence[str] = ("node-1", "node-2", "node-3")
    families: Sequence[str] = ("ipv4",)
    dns: str = "node-1"
    home: str = "node-1"
    loss: float = 0.0  #: connections that are lost by chance
    seed: int = 0
    lines: Sequence[EndpointsLine] = ()
    services: Sequence[Service] = SERVICES

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.pods = {
            app: [(f"{app}-5c9d-{node[-1]}abcd", node) for node in self.nodes[:3]]
            for app in ("web", "ports", "published", "scaled")
        }
        self.pods["lonely"] = [("lonely-77fd-xyz12", self.home)]
        self.pods[""] = []

    def run(self, share: float = 1.0) -> list[CaseResult]:
        """All cases, or about that share of them."""
        cases = [case for service in self.services for case in self._cases(service)]
        cases = [case for case in cases if self.chance.random() < share]
        if self.lines:
            cases.append(_case("endpoints", [], self.lines))
        return cases

    def _cases(self, service: Service) -> Iterator[CaseResult]:
        pairs = list(self._pairs(service))
        groups = [pairs] if service.one_case else [[pair] for pair in pairs]
        for number, group in enumerate(groups):
            name = f"{service.name}-{service.form}-{'-'.join(service.kinds)}-{service.asks}"
            name += f"-{service.protocol}{service.payload or ''}-{number}"
            yield _case(name, [self._cell(service, *pair) for pair in group])

    def _pairs(self, service: Service) -> Iterator[tuple[str, str, str, str, str]]:
        for family in self.families:
            for kind in service.kinds:
                for node, client in self._clients(kind, service):
                    for entry in self.nodes if service.form == "node-port" else ("",):
                        if service.asks == "refusal" and entry and entry == node:
                            continue  # a client on the node itself is let in
                        yield kind, node, client, entry, family

    def _clients(self, kind: str, service: Service) -> list[tuple[str, str]]:
        if kind == "outside":
            return [("", "")]
        if kind == "backend":
            return [(node, pod) for pod, node in self.pods[service.app]]
        return [(node, f"client-{kind}-{node}") for node in self.nodes]

    def _cell(
        self, service: Service, kind: str, node: str, client: str, entry: str, family: str
    ) -> CellLine:
        whole = Connection(
            kind=kind,
            node=node,
            client=client,
            form=service.form,
            entry=entry,
            service=service.name,
            backend="",
            at="",
            protocol=service.protocol,
            family=family,
            payload=service.payload,
        )
        chosen_at = entry or node
        pods = self.pods[service.app]
        if service.local:
            pods = [pod for pod in pods if pod[1] == chosen_at]
        if service.form == "dns":
            return self._question(whole)
        if not pods:
            return self._refusal(whole, "timed-out" if service.local else "refused")
        return self._connections(service, whole, pods)

    def _lookup(self, whole: Connection) -> str | None:
        backend = "coredns-1"
        asked = replace(whole, lookup=True, entry=whole.node, backend=backend, at=self.dns)
        return self.fault(asked)

    def _question(self, whole: Connection) -> CellLine:
        failed = self._lookup(whole)
        wrong = self.fault(whole) if not failed else None
        return _line(
            whole,
            Counter({"timed-out" if failed else "answered": 10}),
            bad=bool(failed or wrong),
            checks={"answers": "FAIL" if wrong or failed else "PASS"},
        )

    def _refusal(self, whole: Connection, promised: str) -> CellLine:
        ended = self.fault(whole) or promised
        ended = promised if ended in EFFECTS else ended
        bad = ended not in (promised, "unknown")
        return _line(whole, Counter({ended: 10}), promised=promised, bad=bad)

    def _connections(
        self, service: Service, whole: Connection, pods: Sequence[tuple[str, str]]
    ) -> CellLine:
        ends = [self._one(whole, pods) for _ in range(66 if len(pods) > 1 else 20)]
        effects = {end for end, _ in ends}
        answers = Counter(pod for end, pod in ends if end in ("answered", *EFFECTS))
        wrong = Counter(pod for end, pod in ends if end == "source")
        strangers = Counter(end.split()[1] for end, _ in ends if end.startswith("stranger "))
        checks = {
            check: "FAIL" if effect in effects else "PASS"
            for effect, check in EFFECTS.items()
            if effect in (service.asks, "source")
        }
        checks["responders"] = "FAIL" if strangers else "PASS"
        lines = [
            *(
                BackendLine(pod=pod, node=at, answers=answers[pod], wrong_source=wrong[pod])
                for pod, at in pods
            ),
            *(BackendLine(pod=pod, expected=False, answers=n) for pod, n in strangers.items()),
        ]
        failed = [
            end for end, _ in ends if end in ("timed-out", "refused", "name-failed", "unknown")
        ]
        endings = Counter([*failed, *["answered"] * (len(ends) - len(failed))])
        bad = "FAIL" in checks.values() or any(end != "unknown" for end in failed)
        covered = service.asks != "affinity"
        return _line(whole, +endings, bad=bad, checks=checks, backends=lines, covered=covered)

    def _one(self, whole: Connection, pods: Sequence[tuple[str, str]]) -> tuple[str, str]:
        """How one connection ends, and which Pod it was led to."""
        pod, at = self.chance.choice(pods)
        if whole.form in ("fqdn", "short-name") and self._lookup(whole):
            return "name-failed", ""
        ended = self.fault(replace(whole, backend=pod, at=at)) or "answered"
        if ended == "answered" and self.chance.random() < self.loss:
            ended = "timed-out"
        return ended, pod


def _line(
    whole: Connection,
    endings: Counter[str],
    *,
    bad: bool,
    promised: str = "answered",
    checks: dict[str, str] | None = None,
    backends: Sequence[BackendLine] = (),
    covered: bool = True,
) -> CellLine:
    if set(endings) == {"unknown"}:
        bad = False
    return CellLine(
        kind=whole.kind,
        node=whole.node,
        client=whole.client,
        form=whole.form,
        entry_node=whole.entry,
        service=whole.service,
        protocol=whole.protocol,
        family=whole.family,
        payload=whole.payload,
        judged=sum(endings.values()),
        failed=sum(n for end, n in endings.items() if end not in (promised, "unknown")),
        verdict="FAIL" if bad else "PASS",
        promised=(promised,),
        endings=dict(endings),
        minimum=10,
        covered=covered,
        backends=tuple(backends),
        checks=checks or {},
    )


def _case(
    name: str, cells: Sequence[CellLine], endpoints: Sequence[EndpointsLine] = ()
) -> CaseResult:
    bad = any(cell.verdict == "FAIL" for cell in cells)
    bad = bad or any(line.missing or line.unexpected for line in endpoints)
    findings = (FindingLine(status="FAIL", summary="reachability: bad"),) if bad else ()
    return CaseResult(
        case=f"test_x.py::{name}",
        promise="It answers.",
        positions=(),
        forms=(),
        targets=(),
        judged=sum(cell.judged for cell in cells),
        failed=sum(cell.failed for cell in cells),
        verdict="FAIL" if bad else "PASS",
        history="",
        findings=findings,
        cells=tuple(cells),
        endpoints=tuple(endpoints),
    )
