"""The kinds of cluster by name, each imported only when it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Final, cast

from svcproof.clusters.options import ClusterOptions
from svcproof.errors import UsageError
from svcproof.ports import Cluster

__all__ = ["Opener", "kinds", "open_cluster", "opener"]

#: Opens a cluster of its kind; progress goes, line by line, to the second argument.
Opener = Callable[[ClusterOptions, Callable[[str], None]], Cluster]

_KINDS: Final = {
    "auto": "svcproof.clusters.automatic:open_cluster",
    "embedded": "svcproof.clusters.embedded:open_cluster",
    "kind": "svcproof.clusters.kind:open_cluster",
    "existing": "svcproof.clusters.existing:open_cluster",
    "fake": "svcproof.clusters.fake:open_cluster",
}


def kinds() -> tuple[str, ...]:
    """The names that :func:`opener` knows."""
    return tuple(_KINDS)


def opener(kind: str) -> Opener:
    """The function that opens clusters of this kind."""
    try:
        module, _, function = _KINDS[kind].partition(":")
    except KeyError:
        raise UsageError(f"cluster kind {kind!r} is unknown; valid: {', '.join(_KINDS)}") from None
    return cast(Opener, getattr(import_module(module), function))


def open_cluster(options: ClusterOptions, report: Callable[[str], None]) -> Cluster:
    """Start or join the wanted cluster."""
    return opener(options.kind)(options, report)
