"""The Go probe inside a Pod, through the API server's exec.

One exec serves all probes from a Pod: to begin one costs the cluster several
times what a probe costs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from svcproof.errors import SvcproofError
from svcproof.probes.agent import AgentProber
from svcproof.probes.exec_socket import ExecSocket
from svcproof.probes.pod_session import Connection
from svcproof.probes.stream import ProbeLostError

if TYPE_CHECKING:
    from svcproof.clusters.kubernetes_api import Api

__all__ = ["PodProber"]

_COMMAND: Final = ("/echo-hostname", "agent")


class PodProber(AgentProber):
    """Runs probes in one Pod. May be used from several threads."""

    def __init__(self, api: Api, *, namespace: str, pod: str) -> None:
        super().__init__()
        self._api = api
        self._namespace = namespace
        self._pod = pod

    def _connect(self) -> Connection:
        try:
            return ExecSocket(self._api, namespace=self._namespace, pod=self._pod, command=_COMMAND)
        except SvcproofError as error:
            raise ProbeLostError(f"exec could not begin: {error.what}") from error
