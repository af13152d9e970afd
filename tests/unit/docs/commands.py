"""The commands of a click group, and the lines that people type."""

from __future__ import annotations

import re

import click

__all__ = ["every_command", "without_comment"]

_COMMENT = re.compile(r"\s+#\s.*$")


def every_command(group: click.Group, name: str = "svcproof") -> dict[str, click.Command]:
    """Each command by all its words, the group itself first."""
    found: dict[str, click.Command] = {name: group}
    context = click.Context(group)
    for word in group.list_commands(context):
        command = group.get_command(context, word)
        if isinstance(command, click.Group):
            found |= every_command(command, f"{name} {word}")
        elif command is not None:
            found[f"{name} {word}"] = command
    return found


def without_comment(line: str) -> str:
    """What a shell would see of a line."""
    return _COMMENT.sub("", line)
