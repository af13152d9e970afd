"""``svcproof report``: a run's evidence as one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from svcproof.cli.options import evidence_directory, examples
from svcproof.errors import UsageError
from svcproof.evidence import explained, latest, passed_over, read_history, read_run
from svcproof.files import write_whole

__all__ = ["report"]

_NAME: Final = "report.html"


@click.command(
    "report",
    epilog=examples(
        "svcproof report                      # of the latest run, beside its evidence",
        "svcproof report .svcproof/evidence/4fab5b --output routing.html",
    ),
)
@evidence_directory
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help=f"The file to write (default: {_NAME} beside the evidence).",
)
def report(evidence_directory: Path | None, output: Path | None) -> None:
    """One HTML page of a run: what failed, since when, from where to where, how sure.

    EVIDENCE_DIRECTORY is that of one run, as .svcproof/evidence/RUN; without it, the
    latest run's is taken. The page needs no network and no other file: send it along.
    Of a run that was killed it shows the histories that there are, judged anew, and says so.
    """
    from svcproof.cli.unfinished import is_unfinished, run_of_histories
    from svcproof.reporters.culprit import culprit_lines
    from svcproof.reporters.page import render, view_of

    directory = evidence_directory or latest()
    if is_unfinished(directory):
        run = run_of_histories(directory)
    else:
        run = read_run(directory)
        if note := passed_over(directory):
            click.echo(f"svcproof: {note}", err=True)
    run = explained(run, directory)
    page = render(view_of(run, lambda case: read_history(directory, case)))
    path = output or directory / _NAME
    try:
        write_whole(path, page.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
    for line in culprit_lines(run.culprits, width=0):
        click.echo(line)
    click.echo(str(path))
