"""Any cluster that a kubeconfig leads to: how svcproof outgrows one machine."""

from __future__ import annotations

from collections.abc import Callable

from svcproof.clusters.options import ClusterOptions
from svcproof.ports import Cluster

__all__ = ["open_cluster"]


def open_cluster(options: ClusterOptions, report: Callable[[str], None]) -> Cluster:
    """Look at the cluster, say what will be made there, and be ready to make it.

    Raises :class:`~svcproof.errors.EnvironmentProblem` before anything is made.
    """
    from svcproof.clusters.existing.opening import join

    return join(options, report)
