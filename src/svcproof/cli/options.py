"""Command line options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import click

__all__ = [
    "DEFAULT_NAME",
    "Group",
    "cluster_names",
    "cluster_shape",
    "completed",
    "evidence_directory",
    "examples",
    "name_option",
]

#: The name of the cluster that ``svcproof up`` keeps when no other is given.
DEFAULT_NAME: Final = "default"


class Group(click.Group):
    """A command of commands that, asked for one that is not there, names those that are."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it, but for the list."""
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            there_are = ", ".join(self.list_commands(ctx))
            ctx.fail(f"there is no command {args[0]!r}; there are: {there_are}")
        return super().resolve_command(ctx, args)


#: What a shell asks for when it completes a word, and what it gets.
_Completer = Callable[[click.Context, click.Parameter, str], list[str]]

#: Where one run's evidence is, as .svcproof/evidence/RUN; a command takes the latest without.
evidence_directory: Final = click.argument(
    "evidence_directory",
    required=False,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)


def examples(*lines: str) -> str:
    """The end of a command's help: lines to type, never wrapped."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def completed(values: Callable[[], Iterable[str]]) -> _Completer:
    """What a shell offers for an option; the values are asked for only when it does."""

    def matching(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
        return [value for value in values() if value.startswith(incomplete)]

    return matching


def _one_of(argument: str) -> _Completer:
    def values() -> Iterable[str]:
        from svcproof.clusters.options import choices

        return choices()[argument]

    return completed(values)


def _names() -> Iterable[str]:
    from svcproof.clusters.embedded.state import running

    return [directory.name for directory in running()]


cluster_names: Final = completed(_names)

name_option = click.option(
    "--name",
    default=DEFAULT_NAME,
    show_default=True,
    shell_complete=cluster_names,
    help="Which cluster (see svcproof status).",
)

_SHAPE: Final = (
    click.option(
        "--nodes",
        default="3",
        show_default=True,
        shell_complete=_one_of("nodes"),
        help="Number of nodes, 1 to 8.",
    ),
    click.option(
        "--proxy-mode",
        default="iptables",
        show_default=True,
        shell_complete=_one_of("proxy_mode"),
        help="iptables or nftables.",
    ),
    click.option(
        "--ip-families",
        default="ipv4",
        show_default=True,
        shell_complete=_one_of("ip_families"),
        help="ipv4, ipv6 or dual.",
    ),
    click.option(
        "--k8s-version",
        default="1.36",
        show_default=True,
        shell_complete=_one_of("kubernetes_version"),
        help="Kubernetes minor version.",
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
