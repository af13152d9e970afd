"""The API server as JSON over HTTP, on the kubernetes client's configuration and connections.

The client's typed models are left out: they cost more time than the calls, and
a snapshot needs a dozen fields of them. What the client does is what is hard:
kubeconfigs, TLS, connection reuse.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

import msgspec

from svcproof.clusters.kubeconfig import Access, load_access
from svcproof.clusters.unreachable import unreachable
from svcproof.clusters.websockets import shake_hands
from svcproof.errors import ApiRefused, EnvironmentProblem, SvcproofError

__all__ = ["Api"]

_UNAUTHORISED: Final = 401
_NOT_FOUND: Final = 404
_PROXY_WANTS_CREDENTIALS: Final = 407
_CONFLICT: Final = 409
#: For an answer of a server that has just not answered.
_SHORT_SECONDS: Final = 3.0
#: Where kinds are looked for that come without an apiVersion, in this order.
_COMMON_GROUPS: Final = (
    "v1",
    "apps/v1",
    "discovery.k8s.io/v1",
    "batch/v1",
    "networking.k8s.io/v1",
    "rbac.authorization.k8s.io/v1",
)


class Api:
    """One API server. May be used from several threads.

    Without a ``kubeconfig``: the one that kubectl would use, or inside a Pod its own
    service account.
    """

    def __init__(
        self,
        kubeconfig: Path | None,
        *,
        context: str = "",
        timeout: float = 30.0,
        temporary_directory: Path | None = None,
    ) -> None:
        self._kubeconfig = kubeconfig
        self._context = context
        self._timeout = timeout
        self._temporary_directory = temporary_directory
        self._access: Access | None = None
        self._access_lock = threading.Lock()
        self._has_answered = False
        self._is_silent = False  #: the last call had no answer: the next need not wait long
        self._resources: dict[str, dict[str, tuple[str, bool]]] = {}

    @property
    def configuration(self) -> Any:
        """The kubernetes client's configuration."""
        return self._current().configuration

    def headers(self) -> Any:
        """The credentials that go into headers, and whom to be: renewed if they have to be."""
        return self._current().headers()

    def _current(self) -> Access:
        """The kubeconfig's access, read again where files have changed or it expires."""
        with self._access_lock:
            if self._access is None:
                self._access = self._load(self._context)
            elif self._access.is_stale():
                # A file may be being written: what there is holds until it is refused.
                with contextlib.suppress(SvcproofError):
                    self._access = self._load(self._access.context)
            return self._access

    def _renewed(self, refused: Access) -> Access:
        """Credentials read again, once for all whose were refused."""
        with self._access_lock:
            if self._access is refused:
                self._access = self._load(refused.context)
            return self._access or refused

    def _load(self, context: str) -> Access:
        """Whoever switches contexts meanwhile means other programs."""
        loaded = load_access(self._kubeconfig, context, self._temporary_directory)
        if self._access is not None and loaded.server != self._access.server:
            raise EnvironmentProblem(
                f"the kubeconfig leads to {loaded.server} now; this began at {self._access.server}",
                remedy="run again, with a kubeconfig that stays as it is",
            )
        return loaded

    def get(self, path: str) -> Any:
        """Read an object or a list."""
        return self.call("GET", path)

    def text(self, path: str) -> str:
        """Read what is no object: the API server's own health says ``ok``."""
        return str(self._request("GET", path).data.decode(errors="replace"))

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content_type: str = "application/json",
        query: Mapping[str, str] | None = None,
    ) -> Any:
        """One request. Raises :class:`ApiRefused` with the server's text."""
        response = self._request(method, path, body, content_type=content_type, query=query)
        # A look at a namespace is a few hundred kilobytes, and a run takes hundreds of looks.
        with contextlib.suppress(ValueError, msgspec.DecodeError):
            answer = msgspec.json.decode(response.data)
            if isinstance(answer, dict):
                return answer
        kind = response.headers.get("content-type", "nothing that says what it is")
        server, url = self._current().server, response.geturl() or ""
        led = "" if url.startswith((server, "/")) else f" (led there by {server})"
        raise EnvironmentProblem(
            f"{url if led else server}{led} is no API server: it answered {kind}",
            remedy="a login page or a proxy stands before it: compare `kubectl get --raw "
            "/version` with the same kubeconfig",
        )

    def websocket(self, path: str, query: Sequence[tuple[str, str]], *, seconds: float) -> Any:
        """A ``websocket.WebSocket``, on a connection that is made as all others are.

        Raises :class:`ApiRefused` with the server's text, and
        :class:`~svcproof.errors.EnvironmentProblem` where no connection comes about.
        """
        import urllib3
        from websocket import WebSocketException

        lost = (urllib3.exceptions.HTTPError, WebSocketException, OSError)
        access = self._current()
        try:
            return self._shake_hands(access, path, query, seconds)
        except ApiRefused as error:
            if error.status != _UNAUTHORISED:
                raise
            access = self._renewed(access)
        except lost:
            self.text("/version")  # waits for a server that restarts, and says what is wrong
        try:
            return self._shake_hands(access, path, query, seconds)
        except lost as error:
            raise unreachable(error, access.server, access.proxy) from error

    def _shake_hands(
        self, access: Access, path: str, query: Sequence[tuple[str, str]], seconds: float
    ) -> Any:
        url = f"{access.server}{path}?{urlencode(query)}"
        return shake_hands(access.connect(seconds), url, access.headers().items())

    def _request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content_type: str = "application/json",
        query: Mapping[str, str] | None = None,
    ) -> Any:
        asked = f"{path}?{urlencode(query)}" if query else path
        data = None if body is None else json.dumps(body).encode()
        access = self._current()
        response = self._answer(access, method, asked, data, content_type)
        if response.status == _UNAUTHORISED:
            response = self._answer(self._renewed(access), method, asked, data, content_type)
        # What was made before the answer got lost is there now.
        is_made = response.status == _CONFLICT and method == "POST" and response.retries.history
        if response.status >= 400 and not is_made:
            raise ApiRefused(response.status, _message(response.data, response.status))
        return response

    def _answer(
        self, access: Access, method: str, asked: str, body: bytes | None, content_type: str
    ) -> Any:
        """One request, and again where none or no good answer came."""
        import urllib3

        from svcproof.clusters.retrying import Retrying

        seconds = _SHORT_SECONDS if self._is_silent else self._timeout
        headers = access.headers()
        headers["content-type"] = content_type
        try:
            response = access.manager.request(
                method,
                f"{access.server}{asked}",
                body=body,
                headers=headers,
                timeout=urllib3.Timeout(total=seconds),
                retries=Retrying.of(has_answered=self._has_answered, is_silent=self._is_silent),
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            self._is_silent = True
            raise unreachable(error, access.server, access.proxy) from error
        self._is_silent, self._has_answered = False, True
        if response.status == _PROXY_WANTS_CREDENTIALS:
            refusal = OSError(f"Tunnel connection failed: {response.status} {response.reason}")
            raise unreachable(refusal, access.server, access.proxy)
        return response

    def path(self, kind: str, name: str, namespace: str, api_version: str = "") -> str:
        """The path of one object; :class:`ApiRefused` for a kind the server does not know."""
        groups = (api_version,) if api_version else _COMMON_GROUPS
        for group in groups:
            found = self._kinds(group).get(kind)
            if found is not None:
                plural, namespaced = found
                scope = f"/namespaces/{quote(namespace)}" if namespaced else ""
                return f"{_prefix(group)}{scope}/{plural}/{quote(name)}"
        raise ApiRefused(_NOT_FOUND, f"the server has no kind {kind!r} in {', '.join(groups)}")

    def close(self) -> None:
        """Close the connections."""
        if self._access is not None:
            self._access.manager.clear()

    def _kinds(self, group: str) -> dict[str, tuple[str, bool]]:
        """A group's kinds, as plural and whether namespaced; asked for once."""
        if group not in self._resources:
            listed = self.get(_prefix(group))["resources"]
            self._resources[group] = {
                item["kind"]: (item["name"], item["namespaced"])
                for item in listed
                if "/" not in item["name"]
            }
        return self._resources[group]


def _prefix(group: str) -> str:
    return f"/apis/{group}" if "/" in group else f"/api/{group}"


def _message(data: bytes, status: int) -> str:
    try:
        return str(json.loads(data)["message"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {status}: {data[:300].decode(errors='replace')}"
