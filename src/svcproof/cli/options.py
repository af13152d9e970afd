"""Command line options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import click

__all__ = ["DEFAULT_NAME", "cluster_shape", "name_option"]

#: The name of the cluster that ``svcproof up`` keeps when no other is given.
DEFAULT_NAME: Final = "default"

name_option = click.option(
    "--name", default=DEFAULT_NAME, show_default=True, help="Which cluster (see svcproof status)."
)

_SHAPE: Final = (
    click.option("--nodes", default="3", show_default=True, help="Number of nodes, 1 to 8."),
    click.option(
        "--proxy-mode", default="iptables", show_default=True, help="iptables or nftables."
    ),
    click.option("--ip-families", default="ipv4", show_default=True, help="ipv4, ipv6 or dual."),
    click.option(
        "--k8s-version", default="1.36", show_default=True, help="Kubernetes minor version."
    ),
    click.option(
        "--components", default="", metavar="DIR", help="Use the components in this directory."
    ),
    click.option(
        "--no-install",
        is_flag=True,
        help="Never install a missing system tool or Go; say what to type.",
    ),
)


def cluster_shape(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say what cluster is wanted; checked by ``cluster_options``."""
    for option in reversed(_SHAPE):
        command = option(command)
    return command
