"""Why there was no answer from an API server, by its name. Pure: from exceptions to words."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator, Sequence
from typing import Final

from svcproof.clusters.proxies import shown
from svcproof.errors import EnvironmentProblem

__all__ = ["unreachable"]

_SAME_FILE: Final = "look whether the cluster runs and the kubeconfig is the right one"
_CREDENTIALS: Final = (
    "put them into proxy-url or HTTPS_PROXY: http://USER:PASSWORD@HOST:PORT, with %40 for @"
)
_AUTHORITY: Final = (
    "give the cluster's own authority: certificate-authority-data in the kubeconfig; if a proxy "
    "opens the connection, that proxy's"
)
#: OpenSSL's numbers (x509_vfy.h) → what is wrong with a certificate, and what to do.
_CERTIFICATES: Final = {
    9: ("is not valid yet", "compare this machine's clock with the server's"),
    10: ("has expired", "renew it, or compare this machine's clock with the server's"),
    **dict.fromkeys((2, 7, 18, 19, 20, 21), ("is of an authority that is not trusted", _AUTHORITY)),
    **dict.fromkeys(
        (62, 64),
        (
            "is for another name",
            "use a name of the certificate as `server`, or as tls-server-name in the kubeconfig",
        ),
    ),
}
#: Parts of OpenSSL's other reasons → what they mean, and what to do.
_REASONS: Final = (
    (
        r"ALERT_CERTIFICATE|BAD_CERTIFICATE|ALERT_UNKNOWN_CA|CERTIFICATE_REQUIRED",
        "does not accept this user's client certificate",
        "renew client-certificate and client-key in the kubeconfig",
    ),
    (
        r"WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE|UNKNOWN_PROTOCOL|HTTP_REQUEST",
        "answers without TLS",
        "look at the port of `server` in the kubeconfig, and whether a proxy is at that address",
    ),
    (
        r"KEY_VALUES_MISMATCH|PEM|NO_START_LINE|ASN1",
        "cannot be shown the kubeconfig's certificates",
        "look at client-certificate, client-key and certificate-authority: PEM, and a pair",
    ),
    (
        # With TLS 1.3 a client has sent its request by then, and may never see the reason.
        r"EOF",
        "ends the connection while TLS begins",
        "look whether the kubeconfig's client certificate holds, and whether a proxy or a "
        "firewall is on the way",
    ),
)


def unreachable(error: BaseException, server: str, proxy: str) -> EnvironmentProblem:
    """What to say about a connection to ``server`` that failed; ``proxy`` is on the way, or ""."""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLError):
            return _of_tls(cause, server)
    if proxy:
        refusal = next((found for cause in causes if (found := _refusal(cause))), "")
        if refusal.startswith("407"):
            return EnvironmentProblem(
                f"the proxy {shown(proxy)} wants credentials: {refusal}", remedy=_CREDENTIALS
            )
        if refusal:
            return EnvironmentProblem(
                f"the proxy {shown(proxy)} does not let through to {server}: {refusal}",
                remedy="look at its rules; or NO_PROXY, if there is a way without it",
            )
        if any(type(cause).__name__ == "ProxyError" for cause in causes):
            return EnvironmentProblem(
                f"the proxy {shown(proxy)} on the way to {server} does not answer: "
                f"{_words(causes)}",
                remedy="look at proxy-url in the kubeconfig, HTTPS_PROXY and NO_PROXY",
            )
    through = f" through the proxy {shown(proxy)}" if proxy else ""
    return EnvironmentProblem(
        f"the API server {server} does not answer{through}: {_words(causes)}", remedy=_SAME_FILE
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what it came from, the outermost first."""
    seen: set[int] = set()
    while isinstance(error, BaseException) and id(error) not in seen:
        seen.add(id(error))
        yield error
        inner = [getattr(error, name, None) for name in ("reason", "original_error")]
        inner += [*error.args, error.__cause__, error.__context__]
        error = next((each for each in inner if isinstance(each, BaseException)), None)


def _words(causes: Sequence[BaseException]) -> str:
    """The innermost cause that says anything, without urllib3's own addresses before it."""
    for cause in reversed(causes):
        text = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)
        if text:
            return re.sub(r"^HTTPS?Connection(Pool)?\(.*?\): ", "", text)
    return type(causes[0]).__name__


def _refusal(error: BaseException) -> str:
    """A proxy's answer to CONNECT, as http.client words it."""
    found = re.match(r"Tunnel connection failed: (.*)", str(error))
    return found[1] if found else ""


def _of_tls(error: ssl.SSLError, server: str) -> EnvironmentProblem:
    if isinstance(error, ssl.SSLCertVerificationError):
        what, remedy = _CERTIFICATES.get(error.verify_code, ("does not hold", _AUTHORITY))
        return EnvironmentProblem(
            f"the certificate of the API server {server} {what}: {error.verify_message}",
            remedy=remedy,
        )
    text = f"{error.reason or ''} {error}".upper().replace(" ", "_")
    for pattern, what, remedy in _REASONS:
        if re.search(pattern, text):
            return EnvironmentProblem(f"the API server {server} {what}: {error}", remedy=remedy)
    return EnvironmentProblem(
        f"the API server {server} cannot be spoken to by TLS: {error}", remedy=_SAME_FILE
    )
