"""Which addresses nodes have: the API server knows those that somebody has told it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

from svcproof.errors import NotSupported
from svcproof.history import Position
from svcproof.ports import CanRunInPods, Cluster

__all__ = ["addresses_seen"]

_COMMAND: Final = ("/echo-hostname", "look")


def addresses_seen(cluster: Cluster, positions: Iterable[Position]) -> dict[str, tuple[str, ...]]:
    """Node → all of its addresses that others could use, as clients in its network see them.

    Raises :class:`~svcproof.errors.NotSupported` where that cannot be asked.
    """
    if not isinstance(cluster, CanRunInPods):
        raise NotSupported("programs cannot be run in this cluster's Pods")
    found: dict[str, tuple[str, ...]] = {}
    for position in positions:
        code, output, errors = cluster.run_in_pod(position.namespace, position.pod, _COMMAND)
        addresses = json.loads(output).get("addresses") if code == 0 else None
        if addresses is None:
            raise NotSupported(
                f"the program in {position} does not tell its addresses: {errors.strip() or output}"
            )
        found[position.node] = tuple(addresses)
    return found
