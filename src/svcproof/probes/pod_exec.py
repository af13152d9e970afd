"""The Go probe inside a Pod, through the API server's exec.

One exec serves all probes from a Pod: to begin one costs the cluster several
times what a probe costs. Losing the connection is never a word about the network
under test: what had not arrived is ``unknown``, and the next probe begins a new
exec.
"""

from __future__ import annotations

import threading
from collections.abc import Generator
from typing import TYPE_CHECKING, Final

from svcproof.history import Attempt
from svcproof.ports import ProbePlan
from svcproof.probes.arguments import probe_flags, silence_limit
from svcproof.probes.exec_socket import ExecSocket
from svcproof.probes.pod_session import Connection, Order, Session
from svcproof.probes.stream import ProbeLostError, attempts

if TYPE_CHECKING:
    from svcproof.clusters.kubernetes_api import Api

__all__ = ["PodProber"]

_COMMAND: Final = ("/echo-hostname", "agent")
#: An exec that could not even begin may be tried again: nothing was sent yet.
_TRIES: Final = 3
_PAUSE_SECONDS: Final = 0.3


class PodProber:
    """Runs probes in one Pod's first container. May be used from several threads."""

    def __init__(self, api: Api, *, namespace: str, pod: str) -> None:
        self._api = api
        self._namespace = namespace
        self._pod = pod
        self._lock = threading.Lock()
        self._session: Session | None = None

    def probe(self, plan: ProbePlan) -> Generator[Attempt, None, None]:
        """Have the agent run the plan; yield what it says."""
        return attempts(self._lines(plan), plan.count)

    def close(self) -> None:
        """End the exec, if there is one."""
        with self._lock:
            session, self._session = self._session, None
        if session is not None:
            session.close()

    def _lines(self, plan: ProbePlan) -> Generator[bytes, None, None]:
        yield from self._begin(plan).lines(silence_limit(plan))

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

    def _connect(self) -> Connection:
        return ExecSocket(self._api, namespace=self._namespace, pod=self._pod, command=_COMMAND)
