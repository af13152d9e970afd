"""``svcproof diff``: two runs compared."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click
import msgspec

from svcproof.cli.options import examples
from svcproof.comparison import Comparison, compare
from svcproof.errors import UsageError
from svcproof.evidence import explained, passed_over, read_run
from svcproof.files import write_whole
from svcproof.reporters.differences import describe_differences

__all__ = ["diff"]

_WORSE: Final = 1


@click.command(
    "diff",
    epilog=examples(
        "svcproof diff .svcproof/evidence/4fab5b .svcproof/evidence/922f4b",
        "svcproof diff --html upgrade.html .svcproof/evidence/4fab5b .svcproof/evidence/922f4b",
    ),
)
@click.argument("before", type=click.Path(exists=True, path_type=Path))
@click.argument("after", type=click.Path(exists=True, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.option(
    "--html",
    "page",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write it as one HTML page, too.",
)
def diff(before: Path, after: Path, as_json: bool, page: Path | None) -> None:
    """Two runs compared: what got worse, and the evidence; what got better, new, gone, moved.

    BEFORE and AFTER are evidence directories of one run each, or their results.json. For
    upgrades of a CNI, of kube-proxy's mode or of Kubernetes. The exit code is 1 if a
    verdict got worse or a new case fails, 0 otherwise; what was measured is told only.
    """
    found = compare(*(explained(read_run(path), _directory(path)) for path in (before, after)))
    for note in filter(None, map(passed_over, (before, after))):
        click.echo(f"svcproof: {note}", err=True)
    if page is not None:
        _write(found, page)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=1).decode())
    else:
        click.echo(describe_differences(found))
    raise click.exceptions.Exit(_WORSE if found.got_worse else 0)


def _directory(path: Path) -> Path:
    return path if path.is_dir() else path.parent


def _write(found: Comparison, path: Path) -> None:
    from svcproof.reporters.page import render_differences

    try:
        write_whole(path, render_differences(found).encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
