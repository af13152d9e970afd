"""The Go probe in a place where an agent runs: one connection to it serves all probes from there.

Losing the connection is never a word about the network under test: what had not
arrived is ``unknown``, and the next probe begins a new connection.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Generator
from typing import Final

from svcproof.history import Attempt
from svcproof.ports import ProbePlan
from svcproof.probes.arguments import probe_flags, silence_limit
from svcproof.probes.clock import ClientClock
from svcproof.probes.pod_session import Connection, Order, Session
from svcproof.probes.stream import ProbeLostError, attempts

__all__ = ["AgentProber"]

#: A connection that could not even begin may be tried again: nothing was sent yet.
_TRIES: Final = 3
_PAUSE_SECONDS: Final = 0.3


class AgentProber(ABC):
    """Runs probes through one agent. May be used from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._session: Session | None = None

    def probe(self, plan: ProbePlan) -> Generator[Attempt, None, None]:
        """Have the agent run the plan; yield what it says, by this machine's clock."""
        clock = ClientClock()
        yield from attempts(self._lines(plan), plan.count, finish=plan.finish, clock=clock)

    def close(self) -> None:
        """End the exec, if there is one."""
        with self._lock:
            session, self._session = self._session, None
        if session is not None:
            session.close()

    def _lines(self, plan: ProbePlan) -> Generator[bytes, None, None]:
        order = self._begin(plan)
        if plan.finish is not None:
            plan.finish.when_set(order.finish)
        yield from order.lines(silence_limit(plan))

    def _begin(self, plan: ProbePlan) -> Order:
        import tenacity

        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(_TRIES),
            wait=tenacity.wait_fixed(_PAUSE_SECONDS),
            retry=tenacity.retry_if_exception_type(ProbeLostError),
            reraise=True,
        )
        return retrying(self._order, plan)

    def _order(self, plan: ProbePlan) -> Order:
        with self._lock:
            if self._session is None or self._session.is_over:
                self._session = Session(self._connect())
            session = self._session
            session.check()
        return session.order(probe_flags(plan))

    @abstractmethod
    def _connect(self) -> Connection:
        """Start an agent."""
