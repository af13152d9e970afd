"""One exec in a Pod as a connection: the API server's websocket with its channels.

The kubernetes client's own (``WSClient``) has no time limit for the handshake,
so a server that takes connections and says nothing would hold a run for ever.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from svcproof.probes.stream import ProbeLostError

if TYPE_CHECKING:
    from svcproof.clusters.kubernetes_api import Api

__all__ = ["ExecSocket", "exec_url", "short"]

_STDIN, _STDOUT, _STDERR, _STATUS = range(4)
_HANDSHAKE_SECONDS: Final = 15.0
#: How long a frame whose beginning has come may keep the thread from its other work.
_FRAME_SECONDS: Final = 1.0
#: What a server that does not read may take to accept a few hundred bytes.
_SEND_SECONDS: Final = 10.0
_KEPT_ERRORS: Final = 500


class ExecSocket:
    """Standard input and output of a program in a Pod. For one thread."""

    def __init__(self, api: Api, *, namespace: str, pod: str, command: Sequence[str]) -> None:
        url = exec_url(api, namespace, pod, command, ("stdin", "stdout", "stderr"))
        self._socket = _connect(api, url)
        self._errors = b""

    def fileno(self) -> int:
        """What to wait for."""
        return int(self._socket.fileno())

    def has_buffered(self) -> bool:
        """Something has been decrypted already: waiting for the socket would miss it."""
        sock = self._socket.sock
        return isinstance(sock, ssl.SSLSocket) and sock.pending() > 0

    def receive(self) -> bytes:
        """A piece of standard output, perhaps empty.

        Raises :class:`ProbeLostError` with the reason when there will be no more.
        """
        from websocket import ABNF, WebSocketException, WebSocketTimeoutException

        try:
            opcode, frame = self._socket.recv_data_frame(True)
        except WebSocketTimeoutException:
            return b""  # the rest of the frame is still to come
        except (WebSocketException, OSError) as error:
            raise ProbeLostError(f"exec broke off: {short(error)}") from error
        if opcode == ABNF.OPCODE_CLOSE:
            raise ProbeLostError("exec broke off: the exit status is lost")
        if opcode not in (ABNF.OPCODE_BINARY, ABNF.OPCODE_TEXT) or not frame.data:
            return b""
        return self._sort(frame.data[0], frame.data[1:])

    def _sort(self, channel: int, data: bytes) -> bytes:
        if channel == _STDOUT:
            return data
        if channel == _STDERR:
            self._errors = (self._errors + data)[-_KEPT_ERRORS:]
        elif channel == _STATUS:
            raise ProbeLostError(_ending(data, self._errors))
        return b""

    def send(self, data: bytes) -> None:
        """Write to standard input. Raises :class:`ProbeLostError`."""
        from websocket import WebSocketException

        try:
            self._socket.settimeout(_SEND_SECONDS)
            self._socket.send_binary(bytes([_STDIN]) + data)
            self._socket.settimeout(_FRAME_SECONDS)
        except (WebSocketException, OSError) as error:
            raise ProbeLostError(f"exec broke off: {short(error)}") from error

    def close(self) -> None:
        """End the connection, and with it the program."""
        # Not the websocket's close(): it asks the server to agree and waits for that.
        self._socket.shutdown()


def exec_url(
    api: Api, namespace: str, pod: str, command: Sequence[str], streams: Sequence[str]
) -> str:
    """Where a program is begun in a Pod's first container, with these streams."""
    query = [("command", part) for part in command] + [(stream, "true") for stream in streams]
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/exec"
    return f"{api.url(path)}?{urlencode(query)}".replace("http", "ws", 1)


def _connect(api: Api, url: str) -> Any:
    from kubernetes.stream.ws_client import websocket_proxycare
    from websocket import WebSocket, WebSocketException

    headers = api.headers()
    options: dict[str, Any] = {
        "header": [f"{name}: {value}" for name, value in headers.items()],
        "subprotocols": ["v5.channel.k8s.io", "v4.channel.k8s.io"],
        "timeout": _HANDSHAKE_SECONDS,
    }
    configuration = api.configuration
    if configuration.proxy or configuration.proxy_headers:
        options = websocket_proxycare(options, configuration, url, headers)
    sock: Any = WebSocket(sslopt=_tls(configuration), skip_utf8_validation=True)
    try:
        sock.connect(url, **options)
    except (WebSocketException, OSError) as error:
        raise ProbeLostError(f"exec could not begin: {short(error)}") from error
    sock.settimeout(_FRAME_SECONDS)
    return sock


def _tls(configuration: Any) -> dict[str, Any]:
    """The kubeconfig's TLS settings in websocket-client's words."""
    options: dict[str, Any] = {"cert_reqs": ssl.CERT_NONE, "check_hostname": False}
    if configuration.verify_ssl:
        options = {"cert_reqs": ssl.CERT_REQUIRED, "ca_certs": configuration.ssl_ca_cert}
        if configuration.assert_hostname is not None:
            options["check_hostname"] = configuration.assert_hostname
    wanted = {
        "certfile": configuration.cert_file,
        "keyfile": configuration.key_file,
        "server_hostname": configuration.tls_server_name,
    }
    return options | {name: value for name, value in wanted.items() if value}


def _ending(data: bytes, errors: bytes) -> str:
    """Why the program ended, for people."""
    try:
        status = json.loads(data)
    except ValueError:
        status = {}
    if status.get("status") == "Success":
        return "exec ended"
    said = " ".join(errors.decode(errors="replace").split())
    return f"exec failed: {status.get('message')} {said}".strip()


def short(error: BaseException) -> str:
    """An error in one line that is not too long."""
    return f"{type(error).__name__}: {str(error)[:300]}"
