"""Defects that can be planted in the fake cluster: each must turn its check red.

A defect may change three things: which endpoints a node's rules have, how one
attempt ends, and whether the harness still hears of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from svcproof.history import Outcome, Position
from svcproof.snapshot import Endpoint, Service

__all__ = [
    "DeadEndpoint",
    "Defect",
    "FrozenSlices",
    "LostExec",
    "MissingResponder",
    "RefusedNodePort",
    "StaleEndpoints",
    "Stranger",
]

#: The Pod name by which the fake knows an endpoint outside this run.
STRANGER = "somebody-elses-pod"


class Defect:
    """The base: nothing is wrong."""

    def programmed(
        self,
        service: Service,
        endpoints: Sequence[Endpoint],
    ) -> Sequence[Endpoint]:
        """The endpoints that the rules have, given those of the EndpointSlices."""
        return endpoints

    def listed(self, service: Service, endpoints: Sequence[Endpoint]) -> Sequence[Endpoint]:
        """The endpoints that the EndpointSlices list, given the Pods'."""
        return endpoints

    def ending(self, entry_node: str, endpoint: Endpoint) -> Outcome:
        """How a connection ends that came in at a node port of ``entry_node`` (or '')."""
        return Outcome.ANSWERED

    def loses(self, position: Position, number: int) -> str:
        """Why the harness does not hear of a client's attempt of that number; '' if it does."""
        return ""


@dataclass
class DeadEndpoint(Defect):
    """One Pod (by its rank among the names) is listed and programmed, and silent."""

    rank: int = 0
    _victim: str = ""

    def programmed(self, service: Service, endpoints: Sequence[Endpoint]) -> Sequence[Endpoint]:
        """Choose the victim; the rules stay right."""
        names = sorted(endpoint.pod for endpoint in endpoints)
        self._victim = names[self.rank] if self.rank < len(names) else ""
        return endpoints

    def ending(self, entry_node: str, endpoint: Endpoint) -> Outcome:
        """Silence from the victim."""
        return Outcome.TIMED_OUT if endpoint.pod == self._victim else Outcome.ANSWERED


@dataclass
class MissingResponder(Defect):
    """One Pod (by its rank) is not in the rules."""

    rank: int = 0

    def programmed(self, service: Service, endpoints: Sequence[Endpoint]) -> Sequence[Endpoint]:
        """All but the one."""
        ordered = sorted(endpoints, key=lambda endpoint: endpoint.pod)
        return ordered[: self.rank] + ordered[self.rank + 1 :]


@dataclass
class Stranger(Defect):
    """The rules also lead to a Pod that is none of this run's."""

    def programmed(self, service: Service, endpoints: Sequence[Endpoint]) -> Sequence[Endpoint]:
        """One too many."""
        return [*endpoints, Endpoint(("192.0.2.66",), True, True, False, pod=STRANGER)]


@dataclass
class RefusedNodePort(Defect):
    """One node refuses its node ports."""

    node: str

    def ending(self, entry_node: str, endpoint: Endpoint) -> Outcome:
        """A refusal at that node only."""
        return Outcome.REFUSED if entry_node == self.node else Outcome.ANSWERED


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
class LostExec(Defect):
    """The exec into client Pods of one kind breaks off after some attempts."""

    kind: str = "pod"
    after: int = 10

    def loses(self, position: Position, number: int) -> str:
        """A reason, from that attempt on."""
        return "exec lost: planted" if position.kind == self.kind and number >= self.after else ""
