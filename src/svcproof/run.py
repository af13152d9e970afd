"""One case at work: everything that a test may do, in one object, the fixture ``run``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any, Final

from svcproof import changing
from svcproof.app import App, Clients
from svcproof.asking import Ask, Pair, ending
from svcproof.context import Context, turn
from svcproof.events import Event, Fact, Other
from svcproof.history import Affinity, History, Observation, Outcome, Position, Target
from svcproof.limits import Limits
from svcproof.measurement import measure, record_endpoints, settle_pairs
from svcproof.probing import attempts, plan_of
from svcproof.recorder import Recorder
from svcproof.steady import Load

__all__ = ["Run"]

#: Longest wait for another case's steady traffic to end.
_TURN_SECONDS: Final = 10.0


class Run:
    """Asks, changes and records on behalf of one test case.

    ``app`` is the app under test, ``clients`` are the places to send from. What is
    measured here is judged by the fixture ``judge``.
    """

    def __init__(self, context: Context, clients: Clients) -> None:
        self.clients = clients
        self.context = context

    @property
    def app(self) -> App:
        """The app under test."""
        return self.context.app

    @property
    def recorder(self) -> Recorder:
        """Writes this case's history."""
        return self.context.recorder

    @property
    def limits(self) -> Limits:
        """How long is waited for what."""
        return self.context.limits

    def measure(
        self,
        pairs: Iterable[Pair],
        /,
        *,
        failing: Iterable[Pair] = (),
        count: int = 0,
        cover: bool = True,
        choice: bool = False,
        about_sources: bool = False,
        affinity: Affinity = "",
        outage_ms: int | None = None,
        settle: bool = True,
        concurrency: int = 0,
        rate: float = 0.0,
        keep_alive: bool = False,
        payload: int = 0,
        within: float = 0.0,
    ) -> History:
        """Let every pair settle, then measure all of them once, side by side.

        The arguments are the fields of :class:`~svcproof.asking.Ask`, which says what
        they mean and which contradict each other.

        Raises :class:`~svcproof.errors.UsageError` for a question that contradicts
        itself, and :class:`~svcproof.errors.NotSupported` where the data plane promises
        nothing of what is asked.
        """
        ask = Ask(
            pairs=tuple(pairs),
            failing=tuple(failing),
            count=count,
            cover=cover,
            choice=choice,
            about_sources=about_sources,
            affinity=affinity,
            outage_ms=outage_ms,
            settle=settle,
            concurrency=concurrency,
            rate=rate,
            keep_alive=keep_alive,
            payload=payload,
            within=within,
        )
        return measure(ask, self.context)

    def measure_ending(
        self,
        pairs: Iterable[Pair],
        outcomes: tuple[Outcome, ...],
        rule: str,
        *,
        controls: Iterable[Pair],
    ) -> History:
        """Measure pairs that must end in one of these ways, whatever objects there are.

        ``controls`` must answer meanwhile, as the rules promise.
        """
        ask = Ask(pairs=tuple(controls), failing=tuple(pairs), ending=ending(outcomes, rule))
        return measure(ask, self.context)

    def probe(
        self,
        position: Position,
        target: Target,
        *,
        count: int,
        concurrency: int = 8,
        rate: float = 0.0,
        source_ports: tuple[int, int] | None = None,
        keep_alive: bool = False,
        payload: int = 0,
    ) -> list[Observation]:
        """Make ``count`` connections now, record each, and promise nothing about them.

        The arguments are fields of :class:`~svcproof.ports.ProbePlan`.
        """
        plan = plan_of(
            target,
            count,
            self.limits,
            concurrency=concurrency,
            rate=rate,
            source_ports=source_ports,
            keep_alive=keep_alive,
            payload=payload,
        )
        return [
            self.recorder.observe(position, target, attempt)
            for attempt in attempts(self.context, position, plan)
        ]

    def settle(self, pairs: Iterable[Pair], *, await_app: bool = True) -> None:
        """Wait until every pair gives what the rules promise now; record how it went.

        ``await_app``: wait for the manifests' Pods and EndpointSlices first.
        """
        settle_pairs(tuple(pairs), self.context, awaits_app=await_app)

    @contextmanager
    def steady(self, pairs: Iterable[Pair], *, rate: float) -> Iterator[Load]:
        """Connections at a steady rate (a second, for each pair) while a ``with`` block runs.

        Two cases take turns with that, for ten seconds: together they would have no pause
        in which to be steady. The block begins when each pair's traffic flows: a client that
        is slow to start is no pause of it.
        """
        with (
            turn(self.context.workers.steady, _TURN_SECONDS),
            Load(self.context, list(pairs), rate=rate) as load,
        ):
            load.gather()
            yield load

    @contextmanager
    def settled_traffic(self, pairs: Iterable[Pair], *, rate: float) -> Iterator[Load]:
        """Steady traffic to pairs that have settled, once a sample of it is there: before,
        during and after a change in the ``with`` block are judged."""
        wanted = list(pairs)
        self.settle(wanted)
        with self.steady(wanted, rate=rate) as traffic:
            traffic.expect()
            traffic.gather()
            yield traffic

    def scale(self, replicas: int, *, deployment: str = "") -> None:
        """Change the number of replicas and wait for Pods and EndpointSlices to follow."""
        changing.scale(self.context, replicas, deployment)

    def roll_out(self, *, deployment: str = "") -> None:
        """Replace all Pods of a Deployment and wait for Pods and EndpointSlices to follow."""
        changing.roll_out(self.context, deployment)

    def patch(self, kind: str, name: str, changes: Mapping[str, Any]) -> None:
        """Change fields of an object (JSON merge patch)."""
        changing.patch(self.context, kind, name, changes)

    def delete(self, kind: str, name: str) -> None:
        """Delete an object; one that is not there is no error."""
        changing.delete(self.context, kind, name)

    def request(self, what: str, manifest: Mapping[str, Any], *, refused: str = "") -> bool:
        """Apply one object that the API server must accept, or refuse in these words.

        Returns whether it was accepted: what it is for can be measured then.
        """
        return changing.request(self.context, what, manifest, refused)

    def idle(self, seconds: float, *, why: str) -> None:
        """Do nothing for a while, because that is the experiment."""
        changing.idle(self.context, seconds, why)

    def change(self, what: str, **facts: Fact) -> AbstractContextManager[None]:
        """The ``with`` block is a change of one's own; a wait that runs out is recorded."""
        return changing.change(self.context, what, facts)

    def note(self, kind: str, **facts: Fact) -> Event:
        """Put something of one's own into the history."""
        return self.recorder.event(Other(kind=kind, facts=facts))

    def record_endpoints(self, services: Iterable[str]) -> None:
        """Put both lists of each Service into the history: what is listed, and ready Pods."""
        record_endpoints(services, self.app.snapshot(), self.context)

    def with_app(self, app: App) -> Run:
        """The same case with another app under test."""
        return Run(replace(self.context, app=app), self.clients)
