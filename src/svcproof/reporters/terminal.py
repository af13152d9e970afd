"""The end of a run on the terminal: what was proven, in a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import StringIO

from svcproof.results import CaseResult, ClusterLine, RunResult

__all__ = ["render"]

_KINDS = {
    "pod": "Pods",
    "host-network": "host networks",
    "backend": "backends",
    "outside": "outside",
}
_FORMS = {
    "cluster-ip": "ClusterIP",
    "short-name": "short name",
    "fqdn": "FQDN",
    "node-port": "node port",
}


def render(run: RunResult, *, width: int = 100) -> str:
    """The whole summary as text."""
    parts = []
    if run.cluster is not None:
        parts.append(_cluster(run.cluster))
    if run.cases:
        parts.append(_table(run.cases, width))
    parts += [f"not supported  {line}" for line in run.unsupported]
    if run.cases:
        parts.append(f"evidence  {run.evidence} ({len(run.cases)} histories)")
    return "\n".join(parts)


def _cluster(line: ClusterLine) -> str:
    families = " and ".join(family.replace("ip", "IP") for family in line.families)
    start = f", started in {line.start_seconds:.1f} s" if line.start_seconds else ""
    nodes = "1 node" if line.nodes == 1 else f"{line.nodes} nodes"
    return (
        f"cluster  {line.kind} {line.name!r}: Kubernetes {line.kubernetes_version}, "
        f"kube-proxy {line.proxy_mode}, {nodes}, {families}{start}"
    )


def _table(cases: Sequence[CaseResult], width: int) -> str:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False, expand=False)
    table.add_column("promise", ratio=1, overflow="fold")
    table.add_column("from", no_wrap=False)
    table.add_column("to")
    table.add_column("connections", justify="right")
    table.add_column("failed", justify="right")
    table.add_column("verdict", no_wrap=True)
    for promise, group in _grouped(cases).items():
        table.add_row(
            promise,
            _places(group),
            _ways(group),
            f"{sum(case.judged for case in group):,}",
            f"{sum(case.failed for case in group):,}",
            _verdicts(group),
        )
    console = Console(file=StringIO(), width=width, color_system=None, highlight=False)
    with console.capture() as capture:
        console.print(table)
    return capture.get().rstrip()


def _grouped(cases: Iterable[CaseResult]) -> dict[str, list[CaseResult]]:
    groups: dict[str, list[CaseResult]] = {}
    for case in cases:
        groups.setdefault(case.promise, []).append(case)
    return groups


def _places(group: Sequence[CaseResult]) -> str:
    """ "3 Pods, 3 host networks": how many places of each kind."""
    names = {
        kind: {name for case in group if kind in case.kinds for name in case.positions}
        for case in group
        for kind in case.kinds
    }
    return ", ".join(
        _KINDS[kind] if kind == "outside" else f"{len(places)} {_KINDS[kind]}"
        for kind, places in names.items()
    )


def _ways(group: Sequence[CaseResult]) -> str:
    forms = dict.fromkeys(form for case in group for form in case.forms)
    return ", ".join(_FORMS.get(form, form) for form in forms)


def _verdicts(group: Sequence[CaseResult]) -> str:
    words = [case.verdict for case in group]
    if set(words) == {"PASS"}:
        return "PASS"
    return ", ".join(
        f"{words.count(word)} {word}" for word in ("FAIL", "INCONCLUSIVE", "PASS") if word in words
    )
