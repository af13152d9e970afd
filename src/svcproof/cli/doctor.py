"""``svcproof doctor``: each prerequisite of the embedded cluster, there or not."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Final

import click

from svcproof.cli.options import examples
from svcproof.components.findings import Finding

__all__ = ["doctor"]

_MISSING: Final = 4


@click.command(epilog=examples("svcproof doctor", "svcproof doctor --json"))
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def doctor(as_json: bool) -> None:
    """Show what an embedded cluster needs of this machine, and what is missing.

    The exit code is 0 when all that is required is there, else 4.
    """
    from svcproof.components.diagnosis import examine

    groups = examine()
    lacking = [f for group in groups.values() for f in group if f.required and not f.found]
    if as_json:
        report = {name: [_as_data(each) for each in group] for name, group in groups.items()}
        click.echo(json.dumps({"schema": 1, "ready": not lacking, "findings": report}, indent=2))
    else:
        _print(groups, lacking)
    if lacking:
        raise click.exceptions.Exit(_MISSING)


def _as_data(finding: Finding) -> dict[str, object]:
    return {**asdict(finding), "required": finding.required}


def _print(groups: Mapping[str, Sequence[Finding]], lacking: Sequence[Finding]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else 160)
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, group in groups.items():
        table.add_row("", Text(name, style="bold"))
        for finding in group:
            table.add_row(Text(*_mark(finding)), Text(finding.name), Text(_details(finding)))
    console.print(table)
    if lacking:
        names = ", ".join(finding.name for finding in lacking)
        console.print(Text(f"\nmissing: {names}", style="bold red"))
    else:
        console.print(Text("\nall that an embedded cluster needs is there", style="bold green"))


def _mark(finding: Finding) -> tuple[str, str]:
    """Sign and colour."""
    if finding.found:
        return "✓", "green"
    return ("✗", "red") if finding.required else ("–", "yellow")


def _details(finding: Finding) -> str:
    detail = finding.detail
    if finding.needed_for:
        detail += f" (for {finding.needed_for})"
    return detail if finding.found else f"{detail}\n→ {finding.remedy}".strip()
