"""Defects that can be planted in the fake cluster: each must turn its check red.

A defect may change what the EndpointSlices list and what the rules have, what the
rules make of a connection, whom they choose, how it ends, what it tells, and
whether the harness still hears of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network

import msgspec

from svcproof.expect import Promise
from svcproof.history import Attempt, Backend, Outcome, Position
from svcproof.ports import ProbePlan
from svcproof.snapshot import Endpoint, Service

__all__ = [
    "AffinityIgnored",
    "DeadEndpoint",
    "DeafClient",
    "Defect",
    "Dial",
    "ForgetfulAffinity",
    "FrozenSlices",
    "LargePacketsLost",
    "LastingFlows",
    "LaxApiServer",
    "LeakingLocal",
    "LostExec",
    "LostSource",
    "LyingHealthCheck",
    "MissingResponder",
    "OnePodForAll",
    "OutageAfterChange",
    "RefusedNodePort",
    "SkewedChoice",
    "SlowConnects",
    "StaleEndpoints",
    "Stranger",
    "UnlistedService",
    "WrongAlias",
    "WrongRefusal",
]

#: The Pod name by which the fake knows an endpoint outside this run.
STRANGER = "somebody-elses-pod"


@dataclass(frozen=True, slots=True)
class Dial:
    """One client's way to one address: where from, what for, and what is behind it.

    ``service`` is ``None`` for a Pod's own address; ``entry_node`` is empty but for
    node ports. ``number`` counts the attempts of one plan from 0; ``changed`` is
    how many seconds ago the cluster's objects changed last.
    """

    position: Position
    plan: ProbePlan
    service: Service | None
    everybody: tuple[Backend, ...] = ()
    entry_node: str = ""
    number: int = 0
    changed: float = 0.0


class Defect:
    """The base: nothing is wrong."""

    #: Whether the API server takes any node port.
    lax: bool = False

    def listed(self, service: Service, endpoints: Sequence[Endpoint]) -> Sequence[Endpoint]:
        """The endpoints that the EndpointSlices list, given the Pods'."""
        return endpoints

    def programmed(self, service: Service, endpoints: Sequence[Endpoint]) -> Sequence[Endpoint]:
        """The endpoints that the rules have, given the Pods'."""
        return endpoints

    def promised(self, dial: Dial, due: Promise) -> Promise:
        """What the rules make of a connection, given what they should."""
        return due

    def chosen(self, dial: Dial, among: Sequence[Backend], draw: float) -> Backend | None:
        """Whom the rules choose by a draw between 0 and 1; ``None`` where that is as it should."""
        return None

    def ending(self, dial: Dial, backend: Backend) -> Outcome:
        """How a connection that was led to a backend ends."""
        return Outcome.ANSWERED

    def told(self, dial: Dial, attempt: Attempt) -> Attempt:
        """What comes of an attempt, given what should."""
        return attempt

    def loses(self, position: Position, number: int) -> str:
        """Why the harness does not hear of a client's attempt of that number; '' if it does."""
        return ""


@dataclass
class DeadEndpoint(Defect):
    """One Pod (by its rank among the names) is listed and programmed, and silent."""

    rank: int = 0
    _victims: dict[str, str] = field(default_factory=dict)

    def programmed(self, service: Service, endpoints: Sequence[Endpoint]) -> Sequence[Endpoint]:
        """Choose the victim; the rules stay right."""
        names = _names(endpoints)
        self._victims[service.name] = names[self.rank] if self.rank < len(names) else ""
        return endpoints

    def ending(self, dial: Dial, backend: Backend) -> Outcome:
        """Silence from the victim."""
        victim = self._victims.get(dial.service.name) if dial.service else None
        return Outcome.TIMED_OUT if backend.pod == victim else Outcome.ANSWERED


@dataclass
class MissingResponder(Defect):
    """One Pod (by its rank) is not in the rules."""

    rank: int = 0

    def programmed(self, service: Service, endpoints: Sequence[Endpoint]) -> Sequence[Endpoint]:
        """All but the one."""
        missing = _names(endpoints)[self.rank : self.rank + 1]
        return [endpoint for endpoint in endpoints if endpoint.pod not in missing]


@dataclass
class Stranger(Defect):
    """The rules also lead to a Pod that is none of this run's."""

    def programmed(self, service: Service, endpoints: Sequence[Endpoint]) -> Sequence[Endpoint]:
        """One too many, in each family."""
        families = {":" in endpoint.addresses[0] for endpoint in endpoints}
        addresses = ["2001:db8::66" if six else "192.0.2.66" for six in sorted(families)]
        return [
            *endpoints,
            *(Endpoint((address,), True, True, False, pod=STRANGER) for address in addresses),
        ]


@dataclass
class RefusedNodePort(Defect):
    """One node refuses its node ports."""

    node: str

    def ending(self, dial: Dial, backend: Backend) -> Outcome:
        """A refusal at that node only."""
        return Outcome.REFUSED if dial.entry_node == self.node else Outcome.ANSWERED


@dataclass
class LargePacketsLost(Defect):
    """What is larger than ``above`` bytes is lost at one node, silently, to it and from it."""

    node: str
    above: int = 1000

    def ending(self, dial: Dial, backend: Backend) -> Outcome:
        """Silence for large payloads that leave the node, enter at it or end there."""
        passed = (dial.position.node, dial.entry_node, backend.node)
        lost = dial.plan.payload > self.above and self.node in passed
        return Outcome.TIMED_OUT if lost else Outcome.ANSWERED


@dataclass
class StaleEndpoints(Defect):
    """The rules stay as they were when first used, as with a frozen kube-proxy."""

    _first: dict[str, Sequence[Endpoint]] = field(default_factory=dict)

    def programmed(self, service: Service, endpoints: Sequence[Endpoint]) -> Sequence[Endpoint]:
        """What the endpoints once were."""
        return self._first.setdefault(service.name, endpoints)


@dataclass
class FrozenSlices(Defect):
    """The EndpointSlices stay as they first were, as with a frozen controller."""

    _first: dict[str, Sequence[Endpoint]] = field(default_factory=dict)

    def listed(self, service: Service, endpoints: Sequence[Endpoint]) -> Sequence[Endpoint]:
        """What the Pods once were."""
        if service.name not in self._first and not endpoints:
            return endpoints
        return self._first.setdefault(service.name, endpoints)


@dataclass
class UnlistedService(Defect):
    """The controller makes no EndpointSlices of Services whose names end like that."""

    ending_in: str = "-twin"

    def listed(self, service: Service, endpoints: Sequence[Endpoint]) -> Sequence[Endpoint]:
        """None of such a Service, nor has anybody rules for it."""
        return () if service.name.endswith(self.ending_in) else endpoints


@dataclass
class LeakingLocal(Defect):
    """Policy Local is ignored: the Pods of all nodes answer, at every node."""

    def promised(self, dial: Dial, due: Promise) -> Promise:
        """Everybody answers."""
        service = dial.service
        if service is None or "Local" not in (
            service.external_traffic_policy,
            service.internal_traffic_policy,
        ):
            return due
        return msgspec.structs.replace(due, outcome=Outcome.ANSWERED, allowed=dial.everybody)


@dataclass
class WrongRefusal(Defect):
    """What should be refused is silence, and what should be silence is refused."""

    def promised(self, dial: Dial, due: Promise) -> Promise:
        """The one for the other."""
        swapped = {Outcome.REFUSED: Outcome.TIMED_OUT, Outcome.TIMED_OUT: Outcome.REFUSED}
        return msgspec.structs.replace(due, outcome=swapped.get(due.outcome, due.outcome))


@dataclass
class LostSource(Defect):
    """Whatever is entered rewrites the client's address, or (``hidden``) what should does not."""

    hidden: bool = True

    def told(self, dial: Dial, attempt: Attempt) -> Attempt:
        """Another address than is due."""
        if attempt.outcome is not Outcome.ANSWERED or attempt.backend is None:
            return attempt
        seen = "192.0.2.200" if self.hidden else attempt.local_address
        return msgspec.structs.replace(attempt, source_address=seen)


@dataclass
class SkewedChoice(Defect):
    """One Pod (the first by name) gets ``share`` of the connections, the others the rest."""

    share: float = 0.5

    def chosen(self, dial: Dial, among: Sequence[Backend], draw: float) -> Backend | None:
        """The favourite, or an equal draw among the others."""
        first, *others = sorted(among, key=lambda backend: backend.pod)
        if draw < self.share or not others:
            return first
        return others[int((draw - self.share) / (1 - self.share) * len(others))]


@dataclass
class AffinityIgnored(Defect):
    """Each connection of a sticky Service is led to any Pod."""

    def chosen(self, dial: Dial, among: Sequence[Backend], draw: float) -> Backend | None:
        """As if there were no affinity."""
        return among[int(draw * len(among))] if _is_sticky(dial) else None


@dataclass
class ForgetfulAffinity(Defect):
    """A sticky Service remembers so many clients, and forgets the one that came first."""

    clients: int = 50
    _known: dict[str, str] = field(default_factory=dict)

    def chosen(self, dial: Dial, among: Sequence[Backend], draw: float) -> Backend | None:
        """The Pod that a client had, if it is remembered."""
        if not dial.plan.source_range:
            return None
        client = str(dial.number % ip_network(dial.plan.source_range).num_addresses)
        drawn = among[int(draw * len(among))]
        uid = self._known.setdefault(client, drawn.uid)
        if len(self._known) > self.clients:
            del self._known[next(iter(self._known))]
        return next((backend for backend in among if backend.uid == uid), drawn)


@dataclass
class OnePodForAll(Defect):
    """All clients of a sticky Service are led to one Pod, as behind a proxy."""

    def chosen(self, dial: Dial, among: Sequence[Backend], draw: float) -> Backend | None:
        """Always the first by name."""
        return min(among, key=lambda backend: backend.pod) if _is_sticky(dial) else None


@dataclass
class DeafClient(Defect):
    """Nothing that clients of one kind send is answered, wherever it goes."""

    kind: str = "pod"

    def promised(self, dial: Dial, due: Promise) -> Promise:
        """Silence."""
        if dial.position.kind != self.kind:
            return due
        return Promise(outcome=Outcome.TIMED_OUT, rule="planted")


@dataclass
class SlowConnects(Defect):
    """Every so many-th connection is made only after its SYN was sent again."""

    every: int = 10

    def told(self, dial: Dial, attempt: Attempt) -> Attempt:
        """A second more."""
        if dial.number % self.every or attempt.connect_us is None:
            return attempt
        return msgspec.structs.replace(attempt, connect_us=attempt.connect_us + 1_020_000)


@dataclass
class OutageAfterChange(Defect):
    """For a while after each change of the cluster's objects, nobody gets an answer."""

    seconds: float = 0.3

    def ending(self, dial: Dial, backend: Backend) -> Outcome:
        """Silence for so long."""
        return Outcome.TIMED_OUT if dial.changed < self.seconds else Outcome.ANSWERED


@dataclass
class WrongAlias(Defect):
    """The DNS gives another external name than the Service has."""

    def told(self, dial: Dial, attempt: Attempt) -> Attempt:
        """Somebody else's name."""
        records = tuple(
            " ".join([*record.split()[:2], "stale.example.org"]) if " CNAME " in record else record
            for record in attempt.answers
        )
        return msgspec.structs.replace(attempt, answers=records)


@dataclass
class LyingHealthCheck(Defect):
    """Every node says that it has a ready Pod of the Service."""

    def told(self, dial: Dial, attempt: Attempt) -> Attempt:
        """Status 200 from everybody."""
        if dial.plan.dialect != "healthz":
            return attempt
        lies = {"status 503": "status 200", "localEndpoints 0": "localEndpoints 1"}
        return msgspec.structs.replace(
            attempt, answers=tuple(lies.get(word, word) for word in attempt.answers)
        )


@dataclass
class LastingFlows(Defect):
    """A UDP flow outlives the endpoint it leads to: who keeps a port meets silence there."""

    nodes: frozenset[str] = frozenset()  #: of the clients; none for all

    def told(self, dial: Dial, attempt: Attempt) -> Attempt:
        """Silence instead of a refusal."""
        ports = dial.plan.source_ports
        keeps = dial.plan.protocol == "udp" and ports is not None and ports[0] == ports[1]
        here = not self.nodes or dial.position.node in self.nodes
        if not (keeps and here and attempt.outcome is Outcome.REFUSED):
            return attempt
        return msgspec.structs.replace(attempt, outcome=Outcome.TIMED_OUT)


@dataclass
class LaxApiServer(Defect):
    """The API server takes any node port, whether in the range or taken already."""

    lax: bool = True


@dataclass
class LostExec(Defect):
    """The exec into client Pods of one kind breaks off after some attempts."""

    kind: str = "pod"
    after: int = 10

    def loses(self, position: Position, number: int) -> str:
        """A reason, from that attempt on."""
        return "exec lost: planted" if position.kind == self.kind and number >= self.after else ""


def _names(endpoints: Sequence[Endpoint]) -> list[str]:
    return sorted({endpoint.pod for endpoint in endpoints})


def _is_sticky(dial: Dial) -> bool:
    return dial.service is not None and dial.service.session_affinity == "ClientIP"
