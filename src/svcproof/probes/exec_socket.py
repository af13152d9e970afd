"""One exec in a Pod as a connection: the API server's websocket with its channels.

The kubernetes client's own (``WSClient``) makes its connection by other rules than requests
are made, and has no time limit for the handshake.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from svcproof.images import ECHO_HOSTNAME_REFERENCE
from svcproof.probes.stream import ProbeLostError

if TYPE_CHECKING:
    from svcproof.clusters.kubernetes_api import Api

__all__ = ["ExecSocket", "Status", "container_of", "ending"]

_PROGRAM: Final = "/echo-hostname"
_DEFAULT_CONTAINER: Final = "kubectl.kubernetes.io/default-container"
_STDIN, _STDOUT, _STDERR, _STATUS = range(4)
_HANDSHAKE_SECONDS: Final = 15.0
#: How long a frame whose beginning has come may keep the thread from its other work.
_FRAME_SECONDS: Final = 1.0
#: What a server that does not read may take to accept a few hundred bytes.
_SEND_SECONDS: Final = 10.0
_KEPT_ERRORS: Final = 4000

#: ``v1.Status`` as an exec ends with it.
Status = dict[str, Any]


class ExecSocket:
    """Standard input and output of a program in a Pod. For one thread.

    Raises :class:`~svcproof.errors.SvcproofError` with the reason if it does not begin.
    """

    def __init__(
        self,
        api: Api,
        *,
        namespace: str,
        pod: str,
        command: Sequence[str],
        with_input: bool = True,
    ) -> None:
        streams = ["stdin"] * with_input + ["stdout", "stderr"]
        path = f"/api/v1/namespaces/{namespace}/pods"
        # Without a name the API server takes a Pod's only container, and some have several: a
        # policy may add one. Listing Pods is what a run may do.
        found = api.call("GET", path, query={"fieldSelector": f"metadata.name={pod}"})["items"]
        query = [("container", container_of(each)) for each in found]
        query += [("command", part) for part in command]
        self._socket = api.websocket(
            f"{path}/{pod}/exec",
            [*query, *((stream, "true") for stream in streams)],
            seconds=_HANDSHAKE_SECONDS,
        )
        self._socket.settimeout(_FRAME_SECONDS)
        self.errors = b""  #: the last of what the program wrote to standard error

    def fileno(self) -> int:
        """What to wait for."""
        return int(self._socket.fileno())

    def has_buffered(self) -> bool:
        """Something has been decrypted already: waiting for the socket would miss it."""
        sock = self._socket.sock
        if isinstance(sock, ssl.SSLSocket):
            return sock.pending() > 0
        # TLS within that of a proxy is done in memory.
        inner = getattr(sock, "sslobj", None)
        return inner is not None and bool(inner.pending() or sock.incoming.pending)

    def receive(self) -> bytes:
        """A piece of standard output, perhaps empty.

        Raises :class:`ProbeLostError` with the reason when there will be no more.
        """
        output, status = self.receive_any()
        if status is not None:
            raise ProbeLostError(ending(status, self.errors))
        return output

    def receive_any(self) -> tuple[bytes, Status | None]:
        """A piece of standard output, perhaps empty; with the last the program's status.

        Raises :class:`ProbeLostError` for a connection that ends without one.
        """
        from websocket import ABNF, WebSocketException, WebSocketTimeoutException

        try:
            opcode, frame = self._socket.recv_data_frame(True)
        except WebSocketTimeoutException:
            return b"", None  # the rest of the frame is still to come
        except (WebSocketException, OSError) as error:
            raise ProbeLostError(f"exec broke off: {_in_a_line(error)}") from error
        if opcode == ABNF.OPCODE_CLOSE:
            raise ProbeLostError("exec broke off: the exit status is lost")
        if opcode not in (ABNF.OPCODE_BINARY, ABNF.OPCODE_TEXT) or not frame.data:
            return b"", None
        channel, data = frame.data[0], frame.data[1:]
        if channel == _STDERR:
            self.errors = (self.errors + data)[-_KEPT_ERRORS:]
        return (data if channel == _STDOUT else b""), (
            _status(data) if channel == _STATUS else None
        )

    def send(self, data: bytes) -> None:
        """Write to standard input. Raises :class:`ProbeLostError`."""
        from websocket import WebSocketException

        try:
            self._socket.settimeout(_SEND_SECONDS)
            self._socket.send_binary(bytes([_STDIN]) + data)
            self._socket.settimeout(_FRAME_SECONDS)
        except (WebSocketException, OSError) as error:
            raise ProbeLostError(f"exec broke off: {_in_a_line(error)}") from error

    def close(self) -> None:
        """End the connection, and with it the program."""
        # Not the websocket's close(): it asks the server to agree and waits for that. Nor its
        # shutdown(), which leaves TLS within TLS open.
        sock, self._socket.sock = self._socket.sock, None
        if sock is not None:
            sock.close()


def container_of(pod: Mapping[str, Any]) -> str:
    """The name of the container of a Pod (as the API server has it) that our program is in;
    where that cannot be told, of the one that kubectl would take."""
    containers = pod["spec"]["containers"]
    by_command = [each for each in containers if (each.get("command") or [""])[0] == _PROGRAM]
    by_image = [each for each in containers if each["image"] == ECHO_HOSTNAME_REFERENCE]
    told = (pod["metadata"].get("annotations") or {}).get(_DEFAULT_CONTAINER)
    ours = by_command or by_image
    return str(ours[0]["name"] if ours else told or containers[0]["name"])


def _status(data: bytes) -> Status:
    try:
        status: Status = json.loads(data)
    except ValueError:
        status = {"message": repr(data)}
    return status


def ending(status: Status, errors: bytes) -> str:
    """Why the program ended, for people."""
    if status.get("status") == "Success":
        return "exec ended"
    said = " ".join(errors.decode(errors="replace").split())
    return f"exec failed: {status.get('message')} {said}".strip()


def _in_a_line(error: BaseException) -> str:
    """An error in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
