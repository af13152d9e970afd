"""The ``svcproof`` command. Each subcommand's module is imported when it is called."""

from __future__ import annotations

import sys
import traceback
from importlib import import_module
from typing import Final, cast

import click

from svcproof import __version__
from svcproof.cli.options import Group, examples
from svcproof.errors import SvcproofError

__all__ = ["group", "main"]

#: Subcommand → module and name of the click command in it.
_COMMANDS: Final = {
    "run": "svcproof.cli.run:run",
    "prove": "svcproof.cli.prove:prove",
    "notes": "svcproof.cli.notes:notes",
    "judge": "svcproof.cli.judge:judge_files",
    "report": "svcproof.cli.report:report",
    "diff": "svcproof.cli.diff:diff",
    "accept": "svcproof.cli.accept:accept",
    "matrix": "svcproof.cli.matrix:matrix",
    "up": "svcproof.cli.up:up",
    "status": "svcproof.cli.cluster:status",
    "kubectl": "svcproof.cli.cluster:kubectl",
    "kubeconfig": "svcproof.cli.cluster:kubeconfig",
    "logs": "svcproof.cli.cluster:logs",
    "shell": "svcproof.cli.cluster:shell",
    "down": "svcproof.cli.cluster:down",
    "rights": "svcproof.cli.existing:rights",
    "sweep": "svcproof.cli.existing:sweep",
    "kind-image": "svcproof.cli.kind_image:kind_image",
    "doctor": "svcproof.cli.doctor:doctor",
    "components": "svcproof.cli.components:components",
    "completion": "svcproof.cli.completion:completion",
}

_USAGE_OR_ENVIRONMENT: Final = 4
_INTERRUPTED: Final = 2
_INCONCLUSIVE: Final = 3


class _LazyGroup(Group):
    """Lists commands without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name].partition(":")
        return cast(click.Command, getattr(import_module(module), name))


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples(
        "svcproof run",
        "svcproof run --svc-kubeconfig ~/.kube/config",
        "svcproof report",
        "svcproof COMMAND --help     # each command's own examples",
    ),
)
@click.version_option(__version__, prog_name="svcproof")
def group() -> None:
    """Proof that a cluster's Services route as Kubernetes promises.

    \b
    svcproof run          start a real 3-node cluster, judge its routing, end it
    svcproof run --svc-kubeconfig FILE    judge a cluster that is there
    svcproof up           start a cluster and keep it; run --svc-name NAME uses it
    svcproof doctor       what this machine has, and what it lacks

    Exit codes: 0 pass, 1 fail, 2 interrupted, 3 inconclusive, 4 usage or environment.
    """


def main() -> None:
    """Entry point: errors become one clear message and the exit codes of the project."""
    try:
        code = group.main(prog_name="svcproof", standalone_mode=False)
    except SvcproofError as error:
        click.echo(f"svcproof: {error}", err=True)
        sys.exit(_USAGE_OR_ENVIRONMENT)
    except PermissionError as error:
        click.echo(
            f"svcproof: {error.filename}: {error.strerror}\n  what to do: run it as root, whose "
            "embedded clusters are, or set HOME to a directory of yours",
            err=True,
        )
        sys.exit(_USAGE_OR_ENVIRONMENT)
    except click.exceptions.Abort:
        click.echo("svcproof: interrupted", err=True)
        sys.exit(_INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(_USAGE_OR_ENVIRONMENT)
    except (
        Exception
    ):  # a fault of ours says nothing of a cluster: Python's own code would be FAIL's
        traceback.print_exc()
        sys.exit(_INCONCLUSIVE)
    sys.exit(code if isinstance(code, int) else 0)
