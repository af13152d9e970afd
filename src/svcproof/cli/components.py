"""``svcproof components``: the programs of the embedded cluster."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from svcproof.cli.options import Group, examples
from svcproof.components.versions import DEFAULT_KUBERNETES

__all__ = ["components"]

_MEBI = 1 << 20

_version_option = click.option(
    "--k8s-version", default=DEFAULT_KUBERNETES, show_default=True, help="Kubernetes minor version."
)
_no_install_option = click.option(
    "--no-install", is_flag=True, help="Never install Go; say what to do instead."
)


@click.group(cls=Group, epilog=examples("svcproof components build", "svcproof components list"))
def components() -> None:
    """The programs of the embedded cluster: build them, find them, pack them."""


@components.command(
    epilog=examples(
        "svcproof components build", "svcproof components build --k8s-version 1.37 --no-install"
    )
)
@_version_option
@_no_install_option
def build(k8s_version: str, no_install: bool) -> None:
    """Build them into the cache unless they are there, and print the directory."""
    from svcproof.components import obtain, open_progress

    with open_progress() as progress:
        found = obtain(k8s_version, allow_install=not no_install, progress=progress)
    click.echo(found.directory)


@components.command(epilog=examples('svcproof run --svc-components "$(svcproof components path)"'))
@_version_option
def path(k8s_version: str) -> None:
    """Print the directory they are in; nothing is built."""
    from svcproof.components.obtain import find
    from svcproof.components.recipe import Target
    from svcproof.errors import ComponentsUnavailable

    target = Target.of(k8s_version)
    found = find(target)
    if found is None:
        raise ComponentsUnavailable(
            f"Kubernetes {target.version.patch} is not built yet (key {target.key})",
            remedy=f"svcproof components build --k8s-version {target.version.minor}",
        )
    click.echo(found.directory)


@components.command(name="list", epilog=examples("svcproof components list"))
def list_() -> None:
    """Show each Kubernetes version, its key, and where it was found."""
    from rich.console import Console
    from rich.table import Table

    from svcproof.components.versions import minors

    table = Table(box=None, pad_edge=False)
    for column in ("kubernetes", "etcd", "containerd", "coredns", "key", "found", "size"):
        table.add_column(column, overflow="fold")
    for minor in minors():
        table.add_row(*_row(minor))
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def _row(minor: str) -> list[str]:
    from svcproof.components.obtain import find
    from svcproof.components.recipe import Target

    target = Target.of(minor)
    pins = target.version.pins()
    found = find(target)
    where = f"{found.source}: {found.directory}" if found else "not built"
    size = sum(file.stat().st_size for file in found.directory.iterdir()) if found else 0
    return [
        target.version.patch,
        *(pins[name] for name in ("etcd", "containerd", "coredns")),
        target.key,
        where,
        f"{size // _MEBI} MiB" if found else "",
    ]


@components.command(
    epilog=examples("svcproof components wheel", "svcproof components wheel --arch arm64")
)
@_version_option
@_no_install_option
@click.option("--arch", default="", help="amd64 or arm64; this machine's by default.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("dist"),
    show_default=True,
    help="Directory for the wheels.",
)
def wheel(k8s_version: str, no_install: bool, arch: str, output: Path) -> None:
    """Pack them as two wheels: pip install instead of a build of minutes."""
    from svcproof.components import open_progress
    from svcproof.components.recipe import Target, checked_architecture
    from svcproof.components.wheels import make_wheels

    target = Target.of(k8s_version, checked_architecture(arch) if arch else None)
    with open_progress() as progress:
        made = make_wheels(target, output, allow_install=not no_install, progress=progress)
    for file in made:
        click.echo(f"{file}  {file.stat().st_size / 1e6:.1f} MB")
