"""``svcproof notes``: the study notes' experiments, one after the other, on a real cluster."""

from __future__ import annotations

import secrets
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from svcproof.cli.options import cluster_shape, examples
from svcproof.cli.session import opened, terminated_as_interrupted
from svcproof.errors import UsageError

if TYPE_CHECKING:
    from svcproof.notes.catalogue import Experiment
    from svcproof.notes.ground import Ground
    from svcproof.notes.kubectl import Kubectl
    from svcproof.notes.model import Step, Told, Tour
    from svcproof.ports import Cluster

__all__ = ["notes", "prepared"]

_FAILED: Final = 1
_UNDECIDED: Final = 3
_OUTPUT: Final = Path(".svcproof") / "notes-tour.md"
#: Beside the histories of the suites, a directory a tour.
_EVIDENCE: Final = Path(".svcproof") / "evidence"
_STYLES: Final[dict[str, dict[str, Any]]] = {
    "": {},
    "bold": {"bold": True},
    "dim": {"dim": True},
    "good": {"fg": "green"},
    "bad": {"fg": "red", "bold": True},
    "note": {"fg": "yellow"},
}


@click.command(
    epilog=examples(
        "svcproof notes                              # all of them, on a fresh cluster",
        "svcproof notes --only 9,policy-local --pause",
        "svcproof notes --name default --output lesson.md    # and lesson.html",
        "svcproof notes --proxy-mode nftables",
        "svcproof notes --list",
    )
)
@click.option(
    "--name",
    default="",
    metavar="CLUSTER",
    help="A cluster that svcproof up keeps; without this, a fresh one that ends with the tour.",
)
@click.option(
    "--cluster",
    "kind",
    type=click.Choice(["embedded", "kind"]),
    default="embedded",
    show_default=True,
    help="Kind of the fresh cluster.",
)
@cluster_shape
@click.option("--only", default="", metavar="N,…", help="These only, by number or by name.")
@click.option("--list", "show_list", is_flag=True, help="List the experiments and do nothing.")
@click.option("--pause", is_flag=True, help="Wait for a key after each step.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.md",
    default=_OUTPUT,
    show_default=True,
    help="Save all that was done and seen as Markdown, and as HTML beside it.",
)
def notes(
    name: str, only: str, show_list: bool, pause: bool, output: Path, **shape: Any
) -> int | None:
    """Take the study notes' thirteen experiments: Pods, Deployments, Services.

    Each is a few real steps, and each step is checked. The exit code is 0 only if all
    that was to happen did; it is 3 if this cluster cannot do all of it. The connections of
    its measurements are kept as histories below .svcproof/evidence: svcproof judge judges
    them anew.
    """
    from svcproof.notes.catalogue import chosen

    experiments = chosen(only)
    if show_list:
        for each in experiments:
            click.echo(f"{each.number:>3} {each.slug:<14} {each.title}")
        return None
    evidence = _EVIDENCE / f"notes-{secrets.token_hex(3)}"
    with (
        terminated_as_interrupted(),
        opened(name, shape) as cluster,
        prepared(cluster, evidence=evidence) as (ground, kubectl),
    ):
        return _Guided(ground, kubectl, output, pause=pause).run(experiments)


@contextmanager
def prepared(cluster: Cluster, *, evidence: Path | None = None) -> Iterator[tuple[Ground, Kubectl]]:
    """The namespaces and images, and a kubectl that works in the notes' namespace."""
    import svcproof
    from svcproof.cli.tour_programs import programs_for
    from svcproof.notes.ground import NAMESPACE, Ground
    from svcproof.notes.kubectl import Kubectl

    manifests = Path(svcproof.__file__).parent / "manifests" / "notes"
    programs = programs_for(cluster)
    ground = Ground(cluster, manifests, evidence=evidence)
    with tempfile.TemporaryDirectory(prefix="svcproof-notes-") as temporary:
        kubeconfig = Path(temporary) / "kubeconfig"
        kubeconfig.write_bytes(programs.kubeconfig.read_bytes())
        kubectl = Kubectl(programs.kubectl, kubeconfig, manifests)
        kubectl.run(f"config set-context --current --namespace={NAMESPACE}")
        try:
            ground.prepare(programs.echo_hostname, Path(temporary))
            yield ground, kubectl
        finally:
            ground.clear()


class _Guided:
    """One tour: steps to the terminal as they happen, all of it to a file."""

    def __init__(self, ground: Ground, kubectl: Kubectl, output: Path, *, pause: bool) -> None:
        self._ground = ground
        self._kubectl = kubectl
        self._output = output
        self._pause = pause and sys.stdin.isatty()
        self._told: list[Told] = []

    def run(self, experiments: Sequence[Experiment]) -> int:
        """Take them; the exit code."""
        from svcproof.notes.guide import tour
        from svcproof.notes.terminal import result

        for told in tour(
            experiments, self._ground, self._kubectl, begun=_announce, tell=self._tell
        ):
            self._told.append(told)
            if told.trouble:
                click.secho(f"  ✗ {told.trouble}", **_STYLES["bad"])
            if told.lacking:
                click.secho(f"  not supported: {told.lacking}", **_STYLES["note"])
            self._save()
        click.echo()
        for told in self._told:
            style = "good" if told.passed else "bad" if told.failed else "note"
            click.secho(result(told), **_STYLES[style])
        click.echo(self._tour.took)
        click.echo(f"to be read as a lesson: {self._output} and {self._page}")
        if any(told.failed for told in self._told):
            return _FAILED
        return _UNDECIDED if any(told.lacking for told in self._told) else 0

    def _tell(self, step: Step) -> None:
        from svcproof.notes.terminal import lines

        for text, style in lines(step):
            click.secho(text, **_STYLES[style])
        if self._pause:
            click.pause("  (a key for the next step)")

    @property
    def _tour(self) -> Tour:
        from svcproof.notes.model import Tour

        return Tour(cluster=self._ground.described, experiments=self._told)

    @property
    def _page(self) -> Path:
        return self._output.with_suffix(".html")

    def _save(self) -> None:
        from svcproof.files import write_whole
        from svcproof.notes.html import html
        from svcproof.notes.markdown import markdown

        document = markdown(self._tour)
        try:
            write_whole(self._output, document.encode())
            write_whole(self._page, html(document).encode())
        except OSError as error:
            raise UsageError(f"cannot write {self._output}: {error.strerror}") from error


def _announce(experiment: Experiment) -> None:
    from svcproof.notes.terminal import heading

    click.secho(heading(experiment.number, experiment.title, experiment.says), **_STYLES["bold"])
