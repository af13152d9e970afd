"""The Go probe inside a Pod, through the API server's exec, its output streamed.

The protocol has separate channels for output and for the exit status. Losing
the connection loses the status; that is told apart from the program's own exit
code, and neither is ever a word about the network under test.
"""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from svcproof.history import Attempt
from svcproof.ports import ProbePlan
from svcproof.probes.arguments import probe_arguments, silence_limit
from svcproof.probes.stream import ProbeLostError, attempts

if TYPE_CHECKING:
    from svcproof.clusters.kubernetes_api import Api

__all__ = ["PodProber"]

_PROGRAM: Final = "/echo-hostname"
_STDOUT, _STDERR, _STATUS = 1, 2, 3
#: An exec that could not even begin may be tried again: nothing was sent yet.
_TRIES: Final = 3
_PAUSE_SECONDS: Final = 0.3


class PodProber:
    """Runs the probe in one Pod's first container."""

    def __init__(self, api: Api, *, namespace: str, pod: str) -> None:
        self._api = api
        self._path = f"/api/v1/namespaces/{namespace}/pods/{pod}/exec"

    def probe(self, plan: ProbePlan) -> Generator[Attempt, None, None]:
        """Run the program once; yield what it prints."""
        command = [_PROGRAM, *probe_arguments(plan)]
        return attempts(self._lines(command, silence_limit(plan)), plan.count)

    def _lines(self, command: Sequence[str], limit: float) -> Generator[bytes, None, None]:
        stream = self._begin(command)
        try:
            rest = b""
            for chunk in _chunks(stream, limit):
                *lines, rest = (rest + chunk).split(b"\n")
                yield from lines
            _check_status(stream)
        finally:
            # Not close(): it asks the server to agree and waits for that.
            stream.sock.shutdown()

    def _begin(self, command: Sequence[str]) -> Any:
        import tenacity

        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(_TRIES),
            wait=tenacity.wait_fixed(_PAUSE_SECONDS),
            retry=tenacity.retry_if_exception_type(ProbeLostError),
            reraise=True,
        )
        return retrying(self._connect, command)

    def _connect(self, command: Sequence[str]) -> Any:
        from kubernetes.stream.ws_client import WSClient
        from websocket import WebSocketException

        query = [*(("command", part) for part in command), ("stdout", "true"), ("stderr", "true")]
        url = f"{self._api.url(self._path)}?{urlencode(query)}".replace("http", "ws", 1)
        try:
            return WSClient(
                self._api.configuration, url, self._api.headers(), capture_all=False, binary=True
            )
        except (WebSocketException, OSError) as error:
            raise ProbeLostError(f"exec could not begin: {_short(error)}") from error


def _chunks(stream: Any, limit: float) -> Generator[bytes, None, None]:
    """Standard output as it arrives, until the other side closes."""
    from websocket import WebSocketException

    deadline = time.monotonic() + limit
    while stream.is_open():
        try:
            stream.update(timeout=1.0)
        except (WebSocketException, OSError) as error:
            raise ProbeLostError(f"exec broke off: {_short(error)}") from error
        chunk: bytes = stream.read_channel(_STDOUT) or b""
        if chunk:
            deadline = time.monotonic() + limit
            yield chunk
        elif time.monotonic() > deadline:
            raise ProbeLostError(f"the client was silent for {limit:g} s")


def _check_status(stream: Any) -> None:
    text: bytes = stream.read_channel(_STATUS) or b""
    try:
        status = json.loads(text)
    except ValueError:
        raise ProbeLostError("exec broke off: the exit status is lost") from None
    if status.get("status") != "Success":
        errors: bytes = stream.read_channel(_STDERR) or b""
        said = " ".join(errors[-500:].decode(errors="replace").split())
        raise ProbeLostError(f"exec failed: {status.get('message')} {said}".strip())


def _short(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error)[:300]}"
