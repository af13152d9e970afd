"""``svcproof run``: pytest on the suites that the installed package brings along."""

from __future__ import annotations

import os
import sys
from importlib.resources import as_file, files
from pathlib import Path

import click

__all__ = ["run"]


@click.command(
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
    add_help_option=False,
)
@click.argument("pytest_arguments", nargs=-1, type=click.UNPROCESSED)
def run(pytest_arguments: tuple[str, ...]) -> None:
    """Judge a cluster's routing: run the suites with pytest.

    All arguments are pytest's, the ``--svc-…`` options among them:
    ``svcproof run -k clusterip --svc-proxy-mode nftables``. ``--help`` is
    pytest's own.
    """
    with as_file(files("svcproof")) as package:
        arguments = [
            f"--config-file={package / 'cli' / 'run.ini'}",
            # Not the package's directory: nothing is to be written there.
            f"--rootdir={Path.cwd()}",
            str(package / "suites"),
            *pytest_arguments,
        ]
        # In this process's place: signals and the exit code are pytest's.
        os.execv(sys.executable, [sys.executable, "-m", "pytest", *arguments])
