"""Clusters of kind: nodes are containers of the Docker that runs. Needs ``svcproof[kind]``."""

from __future__ import annotations

from collections.abc import Callable

from svcproof.clusters.options import ClusterOptions
from svcproof.ports import Cluster

__all__ = ["open_cluster"]


def open_cluster(options: ClusterOptions, report: Callable[[str], None]) -> Cluster:
    """Join the kind cluster of that name that was kept, or create one for this run.

    Raises :class:`~svcproof.errors.EnvironmentProblem` when it cannot.
    """
    from svcproof.clusters.kind.start import open_cluster as open_or_join

    return open_or_join(options, report)
