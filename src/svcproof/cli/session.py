"""What commands have in common that work on a cluster for a while."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import click

from svcproof.ports import Cluster

__all__ = ["opened", "terminated_as_interrupted"]


@contextmanager
def opened(name: str, shape: dict[str, Any]) -> Iterator[Cluster]:
    """The kept cluster of that name, or a fresh one of that shape (``cluster_shape``)."""
    from svcproof.clusters.options import cluster_options
    from svcproof.clusters.registry import open_cluster

    options = cluster_options(
        kind=shape.get("kind", "embedded"),
        name=name,
        nodes=shape["nodes"],
        proxy_mode=shape["proxy_mode"],
        ip_families=shape["ip_families"],
        kubernetes_version=shape["k8s_version"],
        components_directory=shape["components"],
        allow_install=not shape["no_install"],
    )
    cluster = open_cluster(options, lambda line: click.echo(f"svcproof: {line}", err=True))
    try:
        yield cluster
    finally:
        cluster.close()


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM ends the block as Ctrl-C does: what was done to the cluster is undone first."""

    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
