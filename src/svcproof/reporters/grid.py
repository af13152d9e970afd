"""A whole run in one small table: client × entry, and whether what was seen is as promised."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Final

from svcproof.results import CellLine, RunResult
from svcproof.verdict import WORDS

__all__ = ["grid_lines"]

_KINDS: Final = {"pod": "Pod on ", "host-network": "host network ", "backend": "backend on "}
_OUTSIDE: Final = "outside"
#: Forms in the order of the columns, and their heads. Names and addresses of one
#: Service share theirs where people would not look for them apart.
_HEADS: Final = {
    "cluster-ip": "ClusterIP",
    "short-name": "name",
    "fqdn": "name",
    "node-port": "node port",
    "load-balancer": "external",
    "external-ip": "external",
    "health-check": "health",
    "connect": "API",
    "pod-ip": "Pod",
    "dns": "DNS",
}
#: So many nodes have a column of their own for their node ports.
_NODES: Final = 4
#: … if their names are no longer than this: the table has to fit.
_NAME: Final = 9
#: "host network" above the node's name; between two columns.
_NARROWEST_CLIENT: Final = len("host network")
_GAP: Final = "  "
#: So many rows; on a large cluster those that are all as promised are left out first.
_ROWS: Final = 16
LEGEND: Final = "✓ as promised   ✗ not, and in how many connections   ? could not be told"
_KNOWN: Final = "! not as promised, and known"
_MARKS: Final = {"PASS": "✓", "KNOWN": "!", "INCONCLUSIVE": "?"}


@dataclass
class _Sum:
    """All cells of one client and one entry."""

    failed: int = 0
    worst: str = "PASS"

    def add(self, cell: CellLine) -> None:
        self.failed += cell.failed
        self.worst = min(self.worst, cell.verdict, key=WORDS.index)

    @property
    def shown(self) -> str:
        if self.worst == "FAIL":
            return f"✗ {self.failed:,}" if self.failed else "✗"
        return _MARKS[self.worst]


def grid_lines(run: RunResult, *, width: int = 80) -> list[str]:
    """The table and its legend; of a run without any pair, nothing."""
    cells = [cell for case in run.cases for cell in case.cells]
    sums = _sums(cells, apart=True)
    if not sums:
        return []
    heads = _ordered(sums)
    if _width(heads) > width:
        sums = _sums(cells, apart=False)
        heads = _ordered(sums)
    clients = sorted({client for client, _ in sums}, key=_place)
    shown, hidden = _shown(clients, sums)
    lines = _table(
        ["", *heads],
        [
            [
                client,
                *(sums[client, head].shown if (client, head) in sums else "" for head in heads),
            ]
            for client in shown
        ],
        width,
    )
    if hidden:
        lines.append(f"and {hidden} more clients, all of them ✓")
    known = any(total.worst == "KNOWN" for total in sums.values())
    return [*lines, LEGEND, *([_KNOWN] if known else [])]


def _width(heads: Iterable[str]) -> int:
    """The least that a table with these columns takes without a head that is broken."""
    words = (max(map(len, head.split("\n"))) for head in heads)
    return _NARROWEST_CLIENT + sum(word + len(_GAP) for word in words)


def _sums(cells: Sequence[CellLine], *, apart: bool) -> dict[tuple[str, str], _Sum]:
    """``apart``: the node ports of each node have a column, where those are few enough."""
    entered = {cell.entry_node for cell in cells if cell.form == "node-port"}
    apart = apart and 1 < len(entered) <= _NODES and max(map(len, entered)) <= _NAME
    sums: dict[tuple[str, str], _Sum] = {}
    for cell in cells:
        head = _HEADS.get(cell.form, cell.form)
        if apart and cell.form == "node-port":
            head = f"port of\n{cell.entry_node}"
        sums.setdefault((_client(cell), head), _Sum()).add(cell)
    return sums


def _client(cell: CellLine) -> str:
    return f"{_KINDS[cell.kind]}{cell.node}" if cell.kind in _KINDS else _OUTSIDE


def _place(client: str) -> tuple[int, str]:
    """Pods, host networks, backends, outside."""
    kinds = [kind for kind in _KINDS.values() if client.startswith(kind)]
    return (list(_KINDS.values()).index(kinds[0]) if kinds else len(_KINDS), client)


def _ordered(sums: Iterable[tuple[str, str]]) -> list[str]:
    order = list(dict.fromkeys(_HEADS.values()))
    heads = {head for _, head in sums}
    apart = [head for head in sorted(heads) if "\n" in head]
    order[order.index(_HEADS["node-port"]) : order.index(_HEADS["node-port"])] = apart
    return [*(head for head in order if head in heads), *sorted(heads.difference(order))]


def _shown(clients: Sequence[str], sums: dict[tuple[str, str], _Sum]) -> tuple[Sequence[str], int]:
    if len(clients) <= _ROWS:
        return clients, 0
    bad = {client for (client, _), total in sums.items() if total.worst != "PASS"}
    kept = [client for client in clients if client in bad] or list(clients[:1])
    return kept, len(clients) - len(kept)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for head in heads:
        table.add_column(head, overflow="fold", vertical="bottom")
    for row in rows:
        table.add_row(*row)
    out = StringIO()
    Console(file=out, width=max(width, 40), color_system=None, highlight=False).print(table)
    return [line.rstrip() for line in out.getvalue().splitlines()]
