"""Kubeconfigs: one per client of the API server, with everything embedded in the file."""

from __future__ import annotations

import base64
import json
from pathlib import Path

__all__ = ["write_kubeconfig"]


def write_kubeconfig(path: Path, *, cluster: str, server: str, pki: Path, user: str) -> None:
    """Write a kubeconfig for the client certificate ``user`` in ``pki``, mode 0600.

    Certificates are embedded, so the file can be copied to anywhere that
    reaches ``server``. JSON is YAML, and quicker.
    """
    path.touch(mode=0o600)
    path.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [
                    {
                        "name": cluster,
                        "cluster": {
                            "server": server,
                            "certificate-authority-data": _encoded(pki / "ca.crt"),
                        },
                    }
                ],
                "users": [
                    {
                        "name": user,
                        "user": {
                            "client-certificate-data": _encoded(pki / f"{user}.crt"),
                            "client-key-data": _encoded(pki / f"{user}.key"),
                        },
                    }
                ],
                "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": user}}],
                "current-context": cluster,
            },
            indent=1,
        )
    )


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
