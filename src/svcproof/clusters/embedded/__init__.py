"""A real multi-node Kubernetes without Docker: upstream's programs in Linux namespaces."""

from __future__ import annotations

from collections.abc import Callable

from svcproof.clusters.options import ClusterOptions
from svcproof.ports import Cluster

__all__ = ["open_cluster"]


def open_cluster(options: ClusterOptions, report: Callable[[str], None]) -> Cluster:
    """Join the cluster that ``svcproof up --name`` keeps, or start one for this run.

    Raises :class:`~svcproof.errors.EnvironmentProblem` when it cannot.
    """
    from svcproof.clusters.embedded.cluster import EmbeddedCluster
    from svcproof.clusters.embedded.reports import NODES_READY
    from svcproof.clusters.embedded.start import fresh_name, require_root, start
    from svcproof.clusters.embedded.state import find_running

    require_root()
    if options.name:
        running = find_running(options.name)
        return EmbeddedCluster(running, allow_install=options.allow_install)
    # The cluster DNS comes up while the first namespace and the app in it do.
    until = "" if options.keep else NODES_READY
    owner, _ = start(options, name=fresh_name(), report=report, until=until)
    if options.keep:
        owner.detach()
        report(f"kept; end it with: svcproof down --name {owner.directory.name}")
        return EmbeddedCluster(owner.directory, allow_install=options.allow_install)
    return EmbeddedCluster(
        owner.directory, owner=owner, report=report, allow_install=options.allow_install
    )
