"""The API server as JSON over HTTP, on the kubernetes client's configuration and connections.

The client's typed models are left out: they cost more time than the calls, and
a snapshot needs a dozen fields of them. What the client does is what is hard:
kubeconfigs, credentials and their renewal, TLS, connection reuse.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

from svcproof.errors import ApiRefused, EnvironmentProblem, UsageError

__all__ = ["Api"]

_NOT_FOUND: Final = 404
#: Too many requests, no backend, no time: asked again, as Retry-After says if it is there.
_NOT_NOW: Final = (429, 502, 503, 504)
_TRIES_AGAIN: Final = 4
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
        self._is_silent = False  #: the last call had no answer: the next need not wait long
        self._resources: dict[str, dict[str, tuple[str, bool]]] = {}

    @cached_property
    def _client(self) -> Any:
        from kubernetes.client import ApiClient, Configuration

        configuration = Configuration()
        self._load(configuration)
        configuration.connection_pool_maxsize = 16
        return ApiClient(configuration)

    def _load(self, configuration: Any) -> None:
        import yaml
        from kubernetes.config import (
            ConfigException,
            load_incluster_config,
            load_kube_config,
        )

        if self._kubeconfig is not None:
            _refuse_what_is_none(self._kubeconfig)
        directory = self._temporary_directory
        given = self._kubeconfig is not None or self._context or "KUBECONFIG" in os.environ
        try:
            if not given and "KUBERNETES_SERVICE_HOST" in os.environ:
                load_incluster_config(client_configuration=configuration)
                return
            load_kube_config(
                config_file=None if self._kubeconfig is None else str(self._kubeconfig),
                context=self._context or None,
                client_configuration=configuration,
                persist_config=False,
                # Certificates in the file are written out, for OpenSSL reads only files.
                temp_file_path=None if directory is None else str(directory),
            )
        except (ConfigException, OSError, ValueError, TypeError, yaml.YAMLError) as error:
            raise UsageError(
                f"kubeconfig {self._kubeconfig or '(the usual one)'}: {error}",
                remedy="try `kubectl config view` with the same file and context",
            ) from error

    @property
    def configuration(self) -> Any:
        """The kubernetes client's configuration."""
        return self._client.configuration

    def url(self, path: str) -> str:
        """The whole URL of a path."""
        return f"{self.configuration.host}{path}"

    def headers(self) -> dict[str, str]:
        """The credentials that go into headers, renewed if they have to be."""
        settings = self.configuration.auth_settings().values()
        return {
            setting["key"].lower(): setting["value"]
            for setting in settings
            if setting["in"] == "header" and setting["value"]
        }

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
        with contextlib.suppress(ValueError):
            answer = json.loads(response.data)
            if isinstance(answer, dict):
                return answer
        kind = response.headers.get("content-type", "nothing that says what it is")
        asked = f" (led there by {self.configuration.host})" if response.retries.history else ""
        raise EnvironmentProblem(
            f"{response.geturl() or self.configuration.host}{asked} is no API server: "
            f"it answered {kind}",
            remedy="a login page or a proxy stands before it: compare `kubectl get --raw "
            "/version` with the same kubeconfig",
        )

    def _request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content_type: str = "application/json",
        query: Mapping[str, str] | None = None,
    ) -> Any:
        import urllib3

        url = self.url(path) + (f"?{urlencode(query)}" if query else "")
        try:
            response = self._client.rest_client.pool_manager.request(
                method,
                url,
                body=None if body is None else json.dumps(body).encode(),
                headers={**self.headers(), "content-type": content_type},
                timeout=urllib3.Timeout(total=_SHORT_SECONDS if self._is_silent else self._timeout),
                retries=self._retries(),
            )
        except urllib3.exceptions.HTTPError as error:
            self._is_silent = True
            raise EnvironmentProblem(
                f"the API server {self.configuration.host} does not answer: {error}",
                remedy="look whether the cluster runs and the kubeconfig is the right one",
            ) from error
        self._is_silent = False
        if response.status >= 400:
            raise ApiRefused(response.status, _message(response.data, response.status))
        return response

    def _retries(self) -> Any:
        """Every call here can be made twice: server-side apply and merge patches say what is
        to be, not what to add. Who is known to be silent is asked once."""
        import urllib3

        return urllib3.Retry(
            total=0 if self._is_silent else _TRIES_AGAIN,
            # Who takes a request and says nothing may do so for ever.
            read=0 if self._is_silent else 1,
            allowed_methods=None,
            backoff_factor=0.2,
            status_forcelist=_NOT_NOW,
            raise_on_status=False,
        )

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
        if "_client" in self.__dict__:
            self._client.rest_client.pool_manager.clear()

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


def _refuse_what_is_none(kubeconfig: Path) -> None:
    """The kubernetes client's own words for that are Python's."""
    import yaml

    try:
        content = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
    except (OSError, UnicodeError, yaml.YAMLError) as error:
        raise UsageError(f"kubeconfig {kubeconfig}: {error}") from error
    if not isinstance(content, dict) or not content.get("clusters"):
        raise UsageError(
            f"kubeconfig {kubeconfig}: it is none: no clusters are in it",
            remedy="give the file itself; `svcproof kubeconfig` prints the path of one",
        )


def _prefix(group: str) -> str:
    return f"/apis/{group}" if "/" in group else f"/api/{group}"


def _message(data: bytes, status: int) -> str:
    try:
        return str(json.loads(data)["message"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {status}: {data[:300].decode(errors='replace')}"
