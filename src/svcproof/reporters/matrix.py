"""The matrix of faults and questions: as Markdown, and for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from svcproof.matrix import CellLine, CheckLine, FaultLine, Matrix

__all__ = ["SIGNS", "check_table", "grid", "markdown", "summary"]

SIGNS = {"red": "✗", "green": "·", "untold": "?", "unsupported": "–"}

_LEGEND = (
    "✗ the question found the fault · it stayed green ? it could tell nothing – it cannot be asked "
    "here. **Bold**: not as declared. A fault is caught when every question that must find it did, "
    "no other went red, and all were green after healing."
)


def summary(matrix: Matrix) -> str:
    """The result in one sentence."""
    tried = [fault for fault in matrix.faults if not fault.unplanted]
    caught = sum(fault.caught for fault in tried)
    end = "" if matrix.complete else "; the run was broken off"
    return f"{caught} of {len(tried)} planted faults were caught as declared{end}"


def grid(matrix: Matrix) -> tuple[list[str], list[list[str]]]:
    """Heads and rows of the matrix, as plain text."""
    heads = ["fault", *matrix.topics, "caught"]
    return heads, [_row(matrix, fault) for fault in matrix.faults]


def markdown(matrix: Matrix) -> str:
    """The whole report."""
    lines = [
        "# What the checks can find",
        "",
        f"{summary(matrix)}, in {matrix.seconds:.0f} s.",
        "",
        _where(matrix),
        "",
        *_table(matrix),
        "",
        _LEGEND,
        "",
        "## Which check found which fault",
        "",
        *check_table([matrix]),
        "",
        "## What was found",
    ]
    for fault in matrix.faults:
        lines += ["", *_section(fault)]
    return "\n".join(lines) + "\n"


def check_table(matrices: Sequence[Matrix]) -> list[str]:
    """Check → the faults that it must find → how many of them it found, for each proxy mode.

    Several reports of one mode are added up.
    """
    modes = list(dict.fromkeys(matrix.cluster.proxy_mode for matrix in matrices))
    heads = ["check", "must find", *modes, "failed as well under", "could tell nothing under"]
    checks = dict.fromkeys(line.check for matrix in matrices for line in matrix.checks)
    rows = [_check_row(check, modes, matrices) for check in checks]
    return [_line(heads), _line(["---"] * len(heads)), *map(_line, rows)]


def _check_row(check: str, modes: Sequence[str], matrices: Sequence[Matrix]) -> list[str]:
    lines = [(matrix, line) for matrix in matrices for line in matrix.checks if line.check == check]
    due = _slugs(line.due for _, line in lines)
    also = [slug for slug in _slugs(line.also for _, line in lines) if slug not in due]
    counts = [
        _detection([line for matrix, line in lines if matrix.cluster.proxy_mode == mode])
        for mode in modes
    ]
    undecided = _slugs(line.undecided for _, line in lines)
    return [check, ", ".join(due) or "–", *counts, ", ".join(also), ", ".join(undecided)]


def _slugs(groups: Iterable[Iterable[str]]) -> list[str]:
    return list(dict.fromkeys(slug for group in groups for slug in group))


def _detection(lines: Sequence[CheckLine]) -> str:
    due = sum(len(line.due) for line in lines)
    found = sum(len(line.found) for line in lines)
    return f"{found} of {due}" if due else "–"


def _where(matrix: Matrix) -> str:
    cluster = matrix.cluster
    return (
        f"svcproof {matrix.svcproof}, run {matrix.run}, on {cluster.kind} {cluster.name}: "
        f"Kubernetes {cluster.kubernetes_version}, kube-proxy {cluster.proxy_mode}, "
        f"{cluster.nodes} nodes, {' and '.join(cluster.families)}. Faults of one node were planted "
        f"on {matrix.node}; the single Pod is on {matrix.home}."
    )


def _row(matrix: Matrix, fault: FaultLine) -> list[str]:
    name = f"{fault.number} {fault.slug}"
    if fault.unplanted:
        return [name, *("" for _ in matrix.topics), "not planted"]
    cells = {cell.topic: cell for cell in fault.planted}
    signs = [_sign(cells[topic]) if topic in cells else "" for topic in matrix.topics]
    return [name, *signs, "yes" if fault.caught else "NO"]


def _sign(cell: CellLine) -> str:
    sign = SIGNS[cell.answer]
    expected = cell.declared in (cell.answer, "any") or cell.answer == "unsupported"
    return sign if expected else f"**{sign}**"


def _table(matrix: Matrix) -> Iterator[str]:
    heads, rows = grid(matrix)
    yield _line(heads)
    yield _line(["---", *(":-:" for _ in heads[1:])])
    yield from map(_line, rows)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _section(fault: FaultLine) -> Iterator[str]:
    yield f"### {fault.number} {fault.slug}: {fault.title}"
    yield ""
    yield f"{fault.symptom[:1].upper()}{fault.symptom[1:]}."
    yield ""
    if fault.unplanted:
        yield f"Not planted: {fault.unplanted}."
        return
    yield from _findings(fault.planted)
    for surprise in fault.surprises:
        yield f"* **not as declared**: {_flat(surprise)}"


def _findings(cells: Iterable[CellLine]) -> Iterator[str]:
    for cell in cells:
        if cell.answer in ("red", "untold"):
            yield f"* {SIGNS[cell.answer]} {cell.topic}: {_flat(cell.finding)}"


def _flat(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
