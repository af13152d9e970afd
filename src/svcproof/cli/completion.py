"""``svcproof completion``: what a shell needs to complete svcproof's words."""

from __future__ import annotations

from typing import Final

import click

from svcproof.cli.options import examples

__all__ = ["completion"]

#: The variable that asks the program itself for words; click derives it from the program's name.
_VARIABLE: Final = "_SVCPROOF_COMPLETE"


@click.command(
    epilog=examples(
        'eval "$(svcproof completion bash)"     # in ~/.bashrc',
        'eval "$(svcproof completion zsh)"      # in ~/.zshrc',
        "svcproof completion fish > ~/.config/fish/completions/svcproof.fish",
    )
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a script that completes commands, options and their values in SHELL."""
    from click.shell_completion import get_completion_class

    from svcproof.cli import group

    found = get_completion_class(shell)
    if found is None:
        raise LookupError(f"click completes no words in {shell}")
    click.echo(found(group, {}, "svcproof", _VARIABLE).source())
