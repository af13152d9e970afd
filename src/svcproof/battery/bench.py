"""What the measurements of the battery stand on: clients, addresses, what was meant."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from svcproof.app import App, Clients
from svcproof.battery.intent import intended
from svcproof.context import Context, Workers
from svcproof.history import Position, Target
from svcproof.limits import Limits
from svcproof.patience import Patience
from svcproof.places import DialledForm, PositionKind, position_specs
from svcproof.ports import Cluster
from svcproof.questions import Query
from svcproof.recorder import Recorder
from svcproof.run import Run
from svcproof.snapshot import Snapshot
from svcproof.ways import name_of

__all__ = ["Bench", "Intended"]


class Intended(App):
    """The battery's objects as they were meant. Nothing is waited for: it may never come."""

    def wait_ready(self, *, limit: float | None = None) -> Snapshot:
        """What the app has become is what is measured."""
        del limit
        return self.snapshot()

    def snapshot(self) -> Snapshot:
        """The cluster now, with the Services as the manifests want them."""
        return intended(super().snapshot(), self.manifests)


class Bench:
    """The battery's objects and clients. ``silent`` are nodes that are not asked for clients."""

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        manifests: Sequence[Mapping[str, Any]],
        *,
        run: str,
        limits: Limits,
        silent: Collection[str] = (),
    ) -> None:
        self.app = Intended(cluster, namespace, manifests, run=run, limits=limits)
        self.limits = limits
        self.nodes = [node for node in cluster.facts.node_names if node not in silent]
        self._clients = Clients(self.app)
        self._patience = Patience()
        self._workers = Workers()

    def run(self, recorder: Recorder) -> Run:
        """What a measurement works with."""
        context = Context(self.app, recorder, self.limits, self._patience, self._workers)
        return Run(context, self._clients)

    def close(self) -> None:
        """End the threads."""
        self._workers.close()

    def places(self, *kinds: PositionKind) -> list[Position]:
        """The clients of these kinds."""
        specs = position_specs(kinds, self.nodes)
        return [self._clients.position(spec) for spec in specs]

    def addresses(self, form: DialledForm, service: str, port_name: str = "") -> list[Target]:
        """The ways to a Service."""
        return self.app.targets(form, service, port_name)

    def name(self, service: str, query: Query) -> Target:
        """A Service's full name, to be asked for."""
        return name_of(self.app, service, query)
