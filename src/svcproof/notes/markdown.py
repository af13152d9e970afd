"""A tour as Markdown, to be read as a lesson."""

from __future__ import annotations

from collections.abc import Iterator

from svcproof.notes.model import Step, Told, Tour

__all__ = ["anchor", "markdown"]

_INTRODUCTION = """\
Every command below was run, and every output is what it printed: this is the record of one
run of `svcproof notes`, which does it all again on a cluster of its own. After each step stands
what had to come of it (✓: it did). Tables are measurements: many fresh connections from Pods,
from nodes and from a client outside, judged by the checks that `svcproof run` uses. The file
named below each stays with whoever takes the tour; `svcproof judge FILE` judges it anew.

There is no registry here. `nginx:latest` is a small web server that stands in for nginx, and
`nginx:1.11` is an image whose program ends at once. The client in place of `curl` is `probe`, which
prints one JSON line for each connection."""


def markdown(tour: Tour) -> str:
    """The whole document."""
    return "\n".join(_document(tour)).rstrip() + "\n"


def _document(tour: Tour) -> Iterator[str]:
    yield "# The notes' experiments, as they happened"
    yield ""
    yield _INTRODUCTION
    yield ""
    yield f"Cluster: {tour.cluster}. {tour.took}."
    yield ""
    yield "| # | experiment | checked steps | took | |"
    yield "|---|---|---|---|---|"
    for told in tour.experiments:
        how = told.outcome if told.passed else f"**{told.outcome}**"
        link = f"[{told.title}](#{anchor(_heading(told))})"
        yield f"| {told.number} | {link} | {told.checked} | {told.seconds:.1f} s | {how} |"
    for told in tour.experiments:
        yield from _experiment(told)


def _heading(told: Told) -> str:
    return f"{told.number}. {told.title}"


def anchor(heading: str) -> str:
    """What a link to a heading says, as GitHub makes it of the heading's text."""
    kept = "".join(sign for sign in heading.lower() if sign.isalnum() or sign in " -_")
    return kept.replace(" ", "-")


def _experiment(told: Told) -> Iterator[str]:
    yield ""
    yield f"## {_heading(told)}"
    if told.says:
        yield ""
        yield f"**The notes say:** {told.says}"
    for step in told.steps:
        yield ""
        yield from _step(step)
    if told.trouble:
        yield ""
        yield f"**It ended here:** {told.trouble}"
    if told.lacking:
        yield ""
        yield f"**Not supported here, and from here on not taken:** {told.lacking}"


def _step(step: Step) -> Iterator[str]:
    if step.kind == "correction":
        yield f"> **The notes are corrected here.** {step.text}"
        return
    yield step.text
    if step.output or step.command:
        yield ""
        yield from _shown(step)
    if step.history:
        yield ""
        yield f"Every connection: `{step.history}`"
    if step.look:
        yield ""
        yield f"*Look at:* {step.look}"
    if step.expected:
        yield ""
        yield from _verdict(step)


def _shown(step: Step) -> Iterator[str]:
    if step.kind == "manifest":
        yield f"`{step.command}`:"
        yield ""
    yield {"manifest": "```yaml", "command": "```console"}.get(step.kind, "```text")
    if step.kind == "command":
        yield f"$ {step.command}"
    if step.output:
        yield step.output
    yield "```"


def _verdict(step: Step) -> Iterator[str]:
    if step.passed:
        yield f"✓ {step.expected}{f' ({step.seen})' if step.seen else ''}"
        return
    yield f"✗ **Expected:** {step.expected}"
    yield ""
    yield "**Seen:**"
    yield ""
    yield "```text"
    yield step.seen
    yield "```"
