"""A kubeconfig's credential plugin: run once, with a limit, and what it said.

The kubernetes client's own (``ExecProvider``) waits for ever, and has a plugin that wants to
be talked to talk to nobody.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from svcproof.errors import EnvironmentProblem, UsageError

__all__ = ["Credentials", "run_plugin"]

#: Some open a connection or two; none that nobody can talk to needs longer.
_LIMIT_SECONDS: Final = 60.0
_SHOWN_CHARACTERS: Final = 1000


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a plugin gave (``client.authentication.k8s.io``, ExecCredential.status)."""

    token: str = ""
    certificate: str = ""  #: PEM
    key: str = ""  #: PEM
    expires: float | None = None  #: seconds since the epoch


def run_plugin(
    settings: Mapping[str, Any], cluster: Mapping[str, Any], directory: Path
) -> Credentials:
    """Run the plugin of a kubeconfig's user; nobody is there to be asked anything.

    ``settings`` is the user's ``exec``, ``cluster`` the cluster's entry, ``directory`` where
    the kubeconfig is: relative commands are relative to it.

    Raises :class:`~svcproof.errors.EnvironmentProblem` with the plugin's own words.
    """
    try:
        version = str(settings["apiVersion"])
        program = str(settings["command"])
        # With a slash in it, it is looked for beside the kubeconfig, else on PATH.
        program = str(directory / program) if "/" in program else program
        command = [program, *map(str, settings.get("args") or ())]
        variables = {str(each["name"]): str(each["value"]) for each in settings.get("env") or ()}
    except (KeyError, TypeError) as error:
        raise UsageError(f"the kubeconfig's exec lacks {error}") from error
    info = {
        "apiVersion": version,
        "kind": "ExecCredential",
        "spec": {"interactive": False, **_cluster_info(settings, cluster, directory)},
    }
    environment = {**os.environ, **variables, "KUBERNETES_EXEC_INFO": json.dumps(info)}
    words = " ".join(command)
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=environment,
            timeout=_LIMIT_SECONDS,
            check=False,
        )
    except OSError as error:
        raise EnvironmentProblem(
            f"the kubeconfig's exec plugin cannot be run: {words}: {error.strerror}",
            remedy=str(settings.get("installHint") or "install it, or give its whole path"),
        ) from error
    except subprocess.TimeoutExpired as expired:
        raise _failed(words, f"not done after {_LIMIT_SECONDS:g} s", expired.stderr) from expired
    if done.returncode:
        raise _failed(words, f"exit code {done.returncode}", done.stderr)
    return _read(done.stdout, version, words)


def _failed(words: str, how: str, said: bytes | None) -> EnvironmentProblem:
    told = (said or b"").decode(errors="replace").strip()[-_SHOWN_CHARACTERS:]
    return EnvironmentProblem(
        f"the kubeconfig's exec plugin failed: {words}: {how}: {told or 'it said nothing'}",
        remedy="run it by hand; if it wants a log-in, log in first: here nobody can answer it",
    )


def _read(output: bytes, version: str, words: str) -> Credentials:
    """An ExecCredential out of a plugin's output."""
    try:
        answer = json.loads(output)
        status = answer["status"]
        if answer["apiVersion"] != version:
            raise ValueError(f"its apiVersion is {answer['apiVersion']}, asked was {version}")
        expires = status.get("expirationTimestamp")
        found = Credentials(
            token=status.get("token") or "",
            certificate=status.get("clientCertificateData") or "",
            key=status.get("clientKeyData") or "",
            expires=datetime.fromisoformat(expires).timestamp() if expires else None,
        )
        if not (found.token or (found.certificate and found.key)):
            raise ValueError("neither token nor clientCertificateData and clientKeyData")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EnvironmentProblem(
            f"the kubeconfig's exec plugin gave no credentials: {words}: {error}",
            remedy="run it by hand: it must print an ExecCredential with a status",
        ) from error
    return found


def _cluster_info(
    settings: Mapping[str, Any], cluster: Mapping[str, Any], directory: Path
) -> Mapping[str, Any]:
    """What a plugin is told of the cluster, if it wants to know it."""
    if not settings.get("provideClusterInfo"):
        return {}
    info = {name: cluster[name] for name in _TOLD if name in cluster}
    authority = cluster.get("certificate-authority")
    if authority and "certificate-authority-data" not in info:
        data = (directory / authority).read_bytes()
        info["certificate-authority-data"] = base64.b64encode(data).decode()
    for extension in cluster.get("extensions") or ():
        if extension.get("name") == "client.authentication.k8s.io/exec":
            info["config"] = extension.get("extension")
    return {"cluster": info}


_TOLD: Final = (
    "server",
    "tls-server-name",
    "insecure-skip-tls-verify",
    "certificate-authority-data",
    "proxy-url",
)
