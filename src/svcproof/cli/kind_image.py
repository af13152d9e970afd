"""``svcproof kind-image``: a node image for kind, without a registry."""

from __future__ import annotations

from pathlib import Path

import click

from svcproof.cli.options import examples
from svcproof.components.versions import DEFAULT_KUBERNETES

__all__ = ["kind_image"]


@click.command(
    name="kind-image",
    epilog=examples(
        "svcproof kind-image",
        "svcproof kind-image --output node-image.tar   # for docker load elsewhere",
    ),
)
@click.option(
    "--k8s-version", default=DEFAULT_KUBERNETES, show_default=True, help="Kubernetes minor version."
)
@click.option(
    "--no-install", is_flag=True, help="Never install debootstrap or Go; say what to do instead."
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write it to this file, for `docker load` on another machine.",
)
def kind_image(k8s_version: str, no_install: bool, output: Path | None) -> None:
    """Make a node image for kind from distribution packages and Go modules; print its name.

    It is kept in the cache, and given to the Docker that runs, if one does. Clusters of
    `--svc-cluster kind` use it by themselves.
    """
    from svcproof.clusters.kind.docker import Docker
    from svcproof.components import open_progress
    from svcproof.errors import EnvironmentProblem
    from svcproof.kind_image import build_image, build_users, load_image

    with open_progress() as progress:
        image = build_image(k8s_version, allow_install=not no_install, progress=progress)
        build_users(allow_install=not no_install, progress=progress)
    if output is not None:
        _write(image.directory, output)
    try:
        docker = Docker.running()
    except EnvironmentProblem as problem:
        click.echo(f"not given to Docker: {problem.what}", err=True)
    else:
        if not docker.has_image(image.reference):
            click.echo("giving it to Docker", err=True)
            load_image(image)
    click.echo(image.reference)


def _write(directory: Path, output: Path) -> None:
    import subprocess

    command = ["tar", f"--directory={directory}", "--create", f"--file={output}", "."]
    subprocess.run(command, check=True, timeout=600)
