"""Which proxy is on the way to an API server, by kubectl's rules. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from typing import Final
from urllib.parse import unquote, urlsplit, urlunsplit

from svcproof.errors import UsageError

__all__ = ["credentials_of", "proxy_of", "shown"]

_SCHEMES: Final = ("http", "https", "socks5", "socks5h")
_SOCKS_PORT: Final = 1080
_PORTS: Final = {"http": 80, "https": 443}


def proxy_of(server: str, told: str, environment: Mapping[str, str]) -> str:
    """The URL of the proxy on the way to ``server``; "" where there is none.

    ``told`` is the kubeconfig's ``proxy-url``: it is used whatever the environment says, as
    by kubectl. Else ``HTTPS_PROXY`` (of a server without TLS ``HTTP_PROXY``) and ``NO_PROXY``
    are asked, in capitals or not, by the rules of Go's ``httpproxy``: never for this machine
    itself; blanks separate entries of ``NO_PROXY`` as commas do.

    Raises :class:`~svcproof.errors.UsageError` for a URL that is none of a proxy.
    """
    if told:
        return _checked(told, "proxy-url of the kubeconfig")
    url = urlsplit(server)
    host, port = url.hostname or "", url.port or _PORTS.get(url.scheme, 0)
    name = f"{url.scheme.upper()}_PROXY"
    proxy = _variable(environment, name)
    if not proxy or _is_here(host) or _is_excepted(host, port, _variable(environment, "NO_PROXY")):
        return ""
    return _checked(proxy if "://" in proxy else f"http://{proxy}", name)


def credentials_of(proxy: str) -> str:
    """``USER:PASSWORD`` in a proxy's URL, without its escapes; "" if there are none."""
    url = urlsplit(proxy)
    return f"{unquote(url.username)}:{unquote(url.password or '')}" if url.username else ""


def shown(proxy: str) -> str:
    """A proxy's URL for people: without the credentials in it."""
    url = urlsplit(proxy)
    return urlunsplit((url.scheme, url.netloc.rpartition("@")[2], "", "", ""))


def _variable(environment: Mapping[str, str], name: str) -> str:
    return environment.get(name) or environment.get(name.lower()) or ""


def _checked(proxy: str, origin: str) -> str:
    try:
        url = urlsplit(proxy)
        is_one = url.scheme in _SCHEMES and url.hostname and url.port != 0
    except ValueError:  # a port that is no number
        is_one = False
    if not is_one:
        raise UsageError(
            f"{origin}: {re.sub('[^/@]*@', '', proxy)!r} is no proxy's URL",
            remedy=f"write SCHEME://HOST:PORT; schemes: {', '.join(_SCHEMES)}",
        )
    if not url.scheme.startswith("socks"):
        return proxy
    # To kubectl either means that the proxy resolves names.
    place = url.netloc if url.port else f"{url.netloc.rstrip(':')}:{_SOCKS_PORT}"
    return urlunsplit(("socks5h", place, "", "", ""))


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _is_excepted(host: str, port: int, exceptions: str) -> bool:
    entries = re.split(r"[,\s]+", exceptions.lower())
    return any(_matches(entry, host.lower(), port) for entry in entries if entry)


def _matches(entry: str, host: str, port: int) -> bool:
    """One entry of ``NO_PROXY``: ``*``, a range, an address or a domain, these with a port."""
    if entry == "*":
        return True
    try:
        return ip_address(host) in ip_network(entry, strict=False)
    except ValueError:
        pass  # one of them is a name, or has a port
    found = re.fullmatch(r"(\[.+]|[^:]*):(\d+)", entry)
    name, only = found.groups() if found else (entry, "")
    return only in ("", str(port)) and _is_within(name.strip("[]"), host)


def _is_within(domain: str, host: str) -> bool:
    """A domain means its subdomains, too; with a dot or a star before it only these."""
    bare = domain.removeprefix("*").removeprefix(".")
    return host.endswith(f".{bare}") or (host == domain == bare)
