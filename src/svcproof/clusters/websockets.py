"""A websocket on a connection that is there, and why there is none.

websocket-client would make the connection itself, by rules of its own about proxies and TLS.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from svcproof.errors import ApiRefused, EnvironmentProblem

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable

__all__ = ["shake_hands"]

_SUBPROTOCOLS: Final = ("v5.channel.k8s.io", "v4.channel.k8s.io")


def shake_hands(connection: socket.socket, url: str, headers: Iterable[tuple[str, str]]) -> Any:
    """A ``websocket.WebSocket`` for ``url`` (``http…``); takes the connection over.

    Raises :class:`~svcproof.errors.ApiRefused` for what the API server answers instead,
    :class:`~svcproof.errors.EnvironmentProblem` if something on the way lets none through, and
    ``OSError`` or ``WebSocketException`` for a connection that breaks.
    """
    from websocket import WebSocket, WebSocketBadStatusException, WebSocketException

    websocket: Any = WebSocket(skip_utf8_validation=True)
    try:
        websocket.connect(
            url.replace("http", "ws", 1),
            header=[f"{name}: {value}" for name, value in headers],
            subprotocols=list(_SUBPROTOCOLS),
            timeout=connection.gettimeout(),
            socket=connection,
            redirect_limit=0,
        )
    except WebSocketBadStatusException as error:
        raise _refusal(error, url) from error
    except WebSocketException as error:
        # Its subclasses are about connections, it itself about an answer that is none.
        if type(error) is not WebSocketException:
            raise
        answer = websocket.handshake_response
        where = answer.headers.get("location") if answer is not None else ""
        raise _none_passes(url, f"led to {where}" if where else str(error)) from error
    return websocket


def _refusal(error: Any, url: str) -> ApiRefused | EnvironmentProblem:
    """What an answer means that is no consent."""
    status, body, headers = int(error.status_code), error.resp_body or b"", error.resp_headers or {}
    kind = headers.get("content-type", "nothing that says what it is")
    message = _message(body)
    # A server that saw no wish to upgrade says so.
    if "pgrade request required" in message:
        return _none_passes(url, f"HTTP {status}: {message}")
    # The API server speaks JSON, kubelets behind it speak plain text; trouble may pass.
    if message or status >= 500 or kind.startswith(("application/json", "text/plain")):
        words = " ".join(body.decode(errors="replace").split())
        return ApiRefused(status, message or f"HTTP {status}: {words or kind}")
    return _none_passes(url, f"HTTP {status}, {kind}")


def _none_passes(url: str, answer: str) -> EnvironmentProblem:
    server = urlsplit(url)
    return EnvironmentProblem(
        f"no websocket passes to the API server {server.scheme}://{server.netloc}, and without "
        f"one no program in a Pod can be run: {answer}",
        remedy="whatever stands before it must pass on `Upgrade: websocket` and `Connection: "
        "Upgrade`; or give a kubeconfig that leads to the API server itself",
    )


def _message(body: bytes) -> str:
    """The text of a Status object; "" where it is none."""
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return ""
