"""Who answered: node × Pod, as shares with intervals."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from svcproof.history import Backend, Cell
from svcproof.reporters.page.model import Heat, HeatCell, HeatRow
from svcproof.stats import loss_bound, loss_proven

__all__ = ["CONFIDENCE", "decider", "heat", "interval"]

#: Of each bound: the two together are an interval of 95 %.
CONFIDENCE: Final = 0.975


def heat(title: str, cells: Iterable[Cell]) -> Heat | None:
    """How the connections of each node's clients were shared; of no answers, none."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    allowed: set[str] = set()
    names: dict[str, str] = {}
    for cell in cells:
        for backend in cell.promise.allowed:
            allowed.add(backend.pod)
            names[backend.pod] = _name(backend)
        for attempt in cell.answered:
            if attempt.backend is not None:
                names.setdefault(attempt.backend.pod, _name(attempt.backend))
                counts[decider(cell)][attempt.backend.pod] += 1
    if not counts:
        return None
    pods = sorted(names, key=lambda pod: (pod not in allowed, names[pod]))
    rows = tuple(_row(node, counts[node], pods, allowed) for node in sorted(counts))
    fair = 1 / len(allowed) if len(allowed) > 1 else 0.0
    return Heat(title, tuple(names[pod] for pod in pods), rows, fair)


def decider(cell: Cell) -> str:
    """The node whose rules choose the backend: the client's, or the one that is entered."""
    return cell.position.node or cell.target.entry_node or "outside"


def interval(count: int, total: int) -> tuple[float, float]:
    """Clopper and Pearson's interval of a share, 95 %."""
    return loss_proven(count, total, CONFIDENCE), loss_bound(count, total, CONFIDENCE)


def _row(node: str, counts: Counter[str], pods: Sequence[str], allowed: set[str]) -> HeatRow:
    total = counts.total()
    cells = []
    for pod in pods:
        low, high = interval(counts[pod], total)
        due = not allowed or pod in allowed
        cells.append(HeatCell(counts[pod], counts[pod] / total, low, high, due))
    return HeatRow(node, total, tuple(cells))


def _name(backend: Backend) -> str:
    """The Pod's own part of its name is its end; that of its Deployment says nothing here."""
    short = backend.pod.rpartition("-")[2] or backend.pod
    return f"…{short} on {backend.node}" if backend.node and short != backend.pod else backend.pod
