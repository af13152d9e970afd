"""What a kubeconfig says about reaching its cluster, at one moment.

Merging files, contexts and TLS are the kubernetes client's. What can be renewed while a run
goes on is read here: files with tokens and certificates, and credential plugins. So is what
the client leaves out: impersonation.
"""

from __future__ import annotations

import base64
import math
import os
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

from svcproof.clusters.exec_plugin import run_plugin
from svcproof.clusters.proxies import credentials_of, proxy_of
from svcproof.errors import MissingTool, UsageError

__all__ = ["Access", "load_access"]

#: So long before they expire, a plugin's credentials are renewed.
_EARLY_SECONDS: Final = 10.0
#: What a plugin gave is used for so long whatever it says: its clock may be another.
_LEAST_SECONDS: Final = 5.0
_PORTS: Final = {"http": 80, "https": 443}
_OWN_TOKEN: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")

#: What tells one version of a file from another; None while it is not there.
Stamp = tuple[int, int, int] | None
Json = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Access:
    """One API server, one user, and connections made as the kubeconfig says."""

    #: The kubernetes client's, with host, TLS and token.
    configuration: Any
    context: str
    #: The URL of the proxy on the way; "" if there is none.
    proxy: str
    #: urllib3's pool manager: the proxy and TLS are in it.
    manager: Any
    impersonation: tuple[tuple[str, str], ...]
    #: Files that credentials came from, as they were.
    files: Mapping[Path, Stamp]
    #: On this process's monotonic clock; infinite where nothing says when.
    valid_until: float

    @property
    def server(self) -> str:
        """The API server's URL, perhaps with a path."""
        return str(self.configuration.host)

    def is_stale(self) -> bool:
        """Whether a file has changed, or credentials are about to expire."""
        is_old = time.monotonic() >= self.valid_until
        return is_old or any(_stamp(path) != seen for path, seen in self.files.items())

    def headers(self) -> Any:
        """Credentials and impersonation, as urllib3's headers: a name may come several times."""
        from urllib3 import HTTPHeaderDict

        headers = HTTPHeaderDict()
        for setting in self.configuration.auth_settings().values():
            if setting["in"] == "header" and setting["value"]:
                headers.add(setting["key"].lower(), setting["value"])
        for name, value in self.impersonation:
            headers.add(name, value)
        return headers

    def connect(self, seconds: float) -> Any:
        """A connected socket, through the proxy and TLS that all requests go through; its time
        limit is ``seconds``. Raises what urllib3 and ``ssl`` raise."""
        pool, url = self.manager.connection_from_url(self.server), urlsplit(self.server)
        connection = pool._new_conn()
        connection.timeout = seconds
        if pool.proxy is not None:
            connection.set_tunnel(
                url.hostname,
                url.port or _PORTS[url.scheme],
                headers=pool.proxy_headers,
                scheme=pool.proxy.scheme,
            )
        try:
            connection.connect()
        except BaseException:
            connection.close()
            raise
        return connection.sock


def load_access(kubeconfig: Path | None, context: str, temporary_directory: Path | None) -> Access:
    """Read it all.

    Without a ``kubeconfig``: the one that kubectl would use, or inside a Pod its own service
    account. Certificates that are in the file itself are written to ``temporary_directory``,
    for OpenSSL reads only files.

    Raises :class:`~svcproof.errors.UsageError` for what is wrong in it, and
    :class:`~svcproof.errors.EnvironmentProblem` with a plugin's words.
    """
    import yaml
    from kubernetes.config import ConfigException

    given = kubeconfig is not None or context or os.environ.get("KUBECONFIG")
    try:
        if not given and "KUBERNETES_SERVICE_HOST" in os.environ:
            return _in_cluster()
        return _from_files(kubeconfig, context, temporary_directory)
    except (ConfigException, OSError, ValueError, TypeError, KeyError, yaml.YAMLError) as error:
        lacks = "it lacks " if isinstance(error, KeyError) else ""
        raise UsageError(
            f"kubeconfig {kubeconfig or '(the usual one)'}: {lacks}{error}",
            remedy="try `kubectl config view` with the same file and context",
        ) from error


def _in_cluster() -> Access:
    from kubernetes.client import Configuration
    from kubernetes.config import load_incluster_config

    configuration = Configuration()
    load_incluster_config(client_configuration=configuration)
    return _access(configuration, "", files=[_OWN_TOKEN])


def _from_files(kubeconfig: Path | None, context: str, directory: Path | None) -> Access:
    from kubernetes.client import Configuration
    from kubernetes.config import ConfigException
    from kubernetes.config.kube_config import KubeConfigLoader, KubeConfigMerger

    if kubeconfig is not None:
        _refuse_what_is_none(kubeconfig)
    paths = str(kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config")
    merged = KubeConfigMerger(paths).config
    if merged is None:
        raise ValueError(f"there is no such file: {paths}")
    context = context or str(merged.value.get("current-context") or "")
    wanted = _entry(merged.value, "contexts", context).value["context"]
    cluster = _entry(merged.value, "clusters", str(wanted["cluster"]))
    said = _said(cluster.value["cluster"] or {}, f"cluster {wanted['cluster']}")
    cluster.value["cluster"] = said | {"server": _lower_scheme(said["server"])}
    settings: Json = {}
    files: list[Path] = []
    expires = None
    if wanted.get("user"):
        user = _entry(merged.value, "users", str(wanted["user"]))
        settings = _said(user.value.get("user") or {}, f"user {wanted['user']}")
        user.value["user"] = settings
        at = Path(user.path).absolute().parent
        files = [at / settings[key] for key in _FILES if settings.get(key)]
        _read_token(settings, at)
        expires = _ask_plugin(settings, cluster.value["cluster"], at)
        if not re.fullmatch(r"[!-~]*", str(settings.get("token") or "")):
            raise ValueError("the token has blanks or other characters that no token has")
    configuration = Configuration()
    loader = KubeConfigLoader(
        merged,
        active_context=context,
        config_base_path=None,
        temp_file_path=None if directory is None else str(directory),
    )
    try:
        loader.load_and_set(configuration)
    except ConfigException:
        raise
    except Exception as error:  # an auth-provider asks its issuer, with libraries of its own
        raise ValueError(f"{type(error).__name__}: {error}") from error
    return _access(
        configuration,
        context,
        told_proxy=str(cluster.value["cluster"].get("proxy-url") or ""),
        impersonation=tuple(_impersonation(settings)),
        files=files,
        expires=expires,
    )


#: Of a user, and no version of kubectl since 1.26 knows them.
_GONE: Final = ("azure", "gcp")


def _said(values: Json, whose: str) -> Json:
    """What is said: to kubectl a key that is empty is as one that is not there.

    Raises ``ValueError`` for certificates and keys that are none.
    """
    said = {name: value for name, value in values.items() if value not in (None, "")}
    for name in ("certificate-authority-data", "client-certificate-data", "client-key-data"):
        if name in said:  # Go passes over line breaks, and nothing else
            said[name] = re.sub(r"[\r\n]", "", str(said[name]))
        try:
            data = base64.b64decode(said[name], validate=True) if name in said else b"-----BEGIN "
        except ValueError as error:
            raise ValueError(f"{name} of {whose} is no base64: {error}") from error
        if b"-----BEGIN " not in data:
            raise ValueError(f"{name} of {whose} has no PEM block in it")
    asked = said.get("auth-provider") or {}
    if not isinstance(asked, dict):
        raise ValueError(f"auth-provider of {whose} is text, and no mapping with a name")
    provider = asked.get("name")
    if provider in _GONE:
        raise ValueError(
            f"{whose} has the auth-provider {provider}, which was taken out of kubectl 1.26: the "
            "cloud's own tool writes an `exec` plugin in its place"
        )
    return said


#: A user's keys whose files may be renewed.
_FILES: Final = ("tokenFile", "client-certificate", "client-key")


def _lower_scheme(server: Any) -> str:
    scheme, separator, rest = str(server).partition("://")
    return f"{scheme.lower()}://{rest}" if separator else scheme


def _entry(config: Json, kind: str, name: str) -> Any:
    """The cluster, context or user of this name: a ``ConfigNode``, which knows its file.

    A name is text, though YAML may take it for a date.
    """
    entries = config.get(kind) or ()
    for entry in entries:
        if str(entry["name"]) == name:
            entry.value["name"] = name
            return entry
    known = ", ".join(sorted(str(entry["name"]) for entry in entries))
    what = f"no {kind[:-1]} {name!r}" if name else "no current-context"
    raise ValueError(f"{what}; {kind}: {known or 'none'}")


def _read_token(settings: Json, directory: Path) -> None:
    """A ``tokenFile`` comes before a ``token``, as for kubectl."""
    if settings.get("tokenFile"):
        path = directory / settings["tokenFile"]
        settings["token"] = path.read_text(encoding="utf-8").strip()
        if not settings["token"]:
            raise ValueError(f"tokenFile {path} is empty")


def _ask_plugin(settings: Json, cluster: Json, directory: Path) -> float | None:
    """Put a plugin's credentials in its place; when they expire, in seconds since the epoch.

    As for kubectl, a plugin is not asked where there are a token or a password.
    """
    plugin = settings.pop("exec", None)
    if not plugin or settings.get("token") or settings.get("username"):
        return None
    found = run_plugin(plugin, cluster, directory)
    if found.token:
        settings["token"] = found.token
    if found.certificate:
        settings["client-certificate-data"] = _base64(found.certificate)
        settings["client-key-data"] = _base64(found.key)
    return found.expires


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _impersonation(settings: Json) -> Iterable[tuple[str, str]]:
    """The headers for ``as``, ``as-uid``, ``as-groups`` and ``as-user-extra``.

    https://kubernetes.io/docs/reference/access-authn-authz/user-impersonation/
    """
    user, uid = settings.get("as"), settings.get("as-uid")
    groups, extra = settings.get("as-groups") or (), settings.get("as-user-extra") or {}
    if not user and (uid or groups or extra):
        raise ValueError("as-uid, as-groups and as-user-extra need an `as`")
    if user:
        yield "impersonate-user", _header(user)
    if uid:
        yield "impersonate-uid", _header(uid)
    for group in _texts("as-groups", groups):
        yield "impersonate-group", group
    for key, values in extra.items():
        for value in _texts(f"{key} of as-user-extra", values):
            yield f"impersonate-extra-{quote(key.lower(), safe='')}", value


def _texts(name: str, values: Any) -> list[str]:
    if isinstance(values, str):
        raise ValueError(f"{name} is text, and no list of texts")
    return [_header(value) for value in values or ()]


def _header(value: Any) -> str:
    """As Go sends it, in UTF-8, for Python takes what it is given for Latin-1."""
    text = str(value)
    if not text.isprintable():
        raise ValueError(f"{text!r} has a character that no header may have")
    return text.encode().decode("latin-1")


def _access(
    configuration: Any,
    context: str,
    *,
    told_proxy: str = "",
    impersonation: tuple[tuple[str, str], ...] = (),
    files: Iterable[Path] = (),
    expires: float | None = None,
) -> Access:
    proxy = proxy_of(configuration.host, told_proxy, os.environ)
    configuration.proxy = proxy or None
    configuration.no_proxy = None  # has been asked
    configuration.connection_pool_maxsize = 16
    lasts = math.inf
    if expires is not None:
        lasts = max(expires - time.time() - _EARLY_SECONDS, _LEAST_SECONDS)
    return Access(
        configuration=configuration,
        context=context,
        proxy=proxy,
        manager=_manager(configuration),
        impersonation=impersonation,
        files={path: _stamp(path) for path in files},
        valid_until=time.monotonic() + lasts,
    )


def _manager(configuration: Any) -> Any:
    """urllib3's pool manager, made by the kubernetes client."""
    from kubernetes.client.rest import RESTClientObject
    from urllib3.util import make_headers

    if str(configuration.proxy).startswith("socks"):
        if find_spec("socks") is None:
            raise MissingTool(
                f"the way to {configuration.host} leads through a SOCKS proxy, and PySocks is "
                "not installed",
                remedy="pip install 'svcproof[socks]'",
            )
    elif configuration.proxy and credentials_of(configuration.proxy):
        configuration.proxy_headers = make_headers(
            proxy_basic_auth=credentials_of(configuration.proxy)
        )
    return RESTClientObject(configuration).pool_manager


def _stamp(path: Path) -> Stamp:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


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
