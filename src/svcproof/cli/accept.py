"""``svcproof accept``: what a run showed, written down as known of this cluster."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
import msgspec

from svcproof.cli.options import evidence_directory, examples
from svcproof.deviations import Deviation, decode, sign_of
from svcproof.errors import UsageError
from svcproof.evidence import latest, read_run
from svcproof.files import write_whole
from svcproof.results import CaseResult, RunResult

__all__ = ["accept", "deviations_of"]

_HEAD: Final = """\
# Deviations of this cluster that are known: svcproof accept wrote them. Say in `seen` what is
# wrong and in `reference` where it is being mended; docs/known-deviations.md has the rest.
"""


@click.command(
    "accept",
    epilog=examples(
        "svcproof accept                      # what failed in the latest run",
        "svcproof accept .svcproof/evidence/4fab5b --output known-deviations.yaml",
    ),
)
@evidence_directory
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("known-deviations.yaml"),
    show_default=True,
    help="The file to add them to.",
)
def accept(evidence_directory: Path | None, output: Path) -> None:
    """Write down what failed in a run as known: the same in a later run fails nothing.

    EVIDENCE_DIRECTORY is that of one run, as .svcproof/evidence/RUN; without it, the
    latest run's is taken. Where a later run shows exactly this the case is KNOWN. What is
    more, less or elsewhere fails, and what is no longer seen is told. A case that is in the
    file already gets the findings of this run.
    """
    run = read_run(evidence_directory or latest())
    found = tuple(deviations_of(run))
    if not found:
        raise UsageError(
            f"run {run.run}: no case failed, so there is nothing to accept",
            remedy="what is inconclusive or not supported cannot be: it proves nothing",
        )
    try:
        before = (
            decode(output.read_text(errors="surrogateescape"), source=str(output))
            if output.exists()
            else ()
        )
        slugs = {row.slug for row in found}
        rows = (*(row for row in before if row.slug not in slugs), *found)
        write_whole(output, _HEAD.encode() + _as_yaml(rows))
    except OSError as error:
        raise UsageError(f"cannot write {output}: {error.strerror}") from error
    for row in found:
        click.echo(f"{row.slug}: {row.seen}")
    click.echo(f"{output}: {len(found)} of this run, {len(rows)} in all")


def deviations_of(run: RunResult) -> Iterator[Deviation]:
    """A row for each case of a run that failed, on its data plane and minor version."""
    cluster = run.cluster
    minor = ".".join(cluster.kubernetes_version.lstrip("v").split(".")[:2]) if cluster else ""
    for case in run.cases:
        if case.verdict == "FAIL":
            yield Deviation(
                slug=_slug(case),
                seen=f"not so: {case.promise}",
                case=_case(case),
                data_planes=(cluster.proxy_mode,) if cluster else (),
                versions=f"=={minor}.*" if minor else "",
                findings=tuple(
                    dict.fromkeys(
                        sign_of(found.summary, found.where)
                        for found in case.findings
                        if found.status == "FAIL"
                    )
                ),
            )


def _case(case: CaseResult) -> str:
    """The node id; that of a suite which svcproof brings along from its file's name on."""
    path, separator, name = case.case.partition("::")
    is_own = "svcproof/suites/" in path or path.startswith("tests/routing/")
    return f"{path.rpartition('/')[2] if is_own else path}{separator}{name}"


def _slug(case: CaseResult) -> str:
    name = _case(case).replace(".py::", "-").replace("test_", "")
    return "-".join("".join(c if c.isalnum() else " " for c in name).split())


def _as_yaml(rows: tuple[Deviation, ...]) -> bytes:
    return msgspec.yaml.encode(msgspec.to_builtins(rows), order=None)
