"""One command in a Pod, through the API server's exec, and what it said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from svcproof.errors import ClusterProblem
from svcproof.probes.exec_socket import exec_url

if TYPE_CHECKING:
    from svcproof.clusters.kubernetes_api import Api

__all__ = ["run_in_pod"]


def run_in_pod(
    api: Api, namespace: str, pod: str, command: Sequence[str], *, limit: float
) -> tuple[int, str, str]:
    """Exit code, standard output and standard error.

    Raises :class:`~svcproof.errors.ClusterProblem` when the exec does not begin, or
    is not over after ``limit`` seconds.
    """
    from kubernetes.stream.ws_client import WSClient
    from websocket import WebSocketException

    url = exec_url(api, namespace, pod, command, ("stdout", "stderr"))
    try:
        stream = WSClient(api.configuration, url, api.headers(), capture_all=False)
        try:
            stream.run_forever(timeout=limit)
            code = stream.returncode
            output, errors = stream.read_stdout(timeout=0), stream.read_stderr(timeout=0)
        finally:
            # Not close(): it asks the server to agree and waits for that.
            stream.sock.shutdown()
    except (WebSocketException, OSError) as error:
        raise ClusterProblem(f"exec in Pod {pod}: {type(error).__name__}: {error}") from error
    if code is None:
        raise ClusterProblem(f"exec in Pod {pod}: {' '.join(command)} not over after {limit:g} s")
    return code, output or "", errors or ""
