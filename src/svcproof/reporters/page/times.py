"""Connect times by kind of entry, and how long nodes took until they were steady."""

from __future__ import annotations

from collections import defaultdict
from math import log10
from statistics import median
from typing import Final

from svcproof.events import Converged
from svcproof.history import History
from svcproof.reporters.page.model import ConvergenceRow, LatencyRow
from svcproof.reporters.page.moments import duration

__all__ = ["FIRST_US", "LAST_US", "Times"]

#: The scale of the pictures: 10 µs to 10 s, in steps of a sixth of a decade.
FIRST_US: Final = 10
LAST_US: Final = 10_000_000
_STEPS: Final = 6
_BARS: Final = 6 * _STEPS


class Times:
    """Collects times from one history after the other."""

    def __init__(self) -> None:
        self._connects: dict[str, list[int]] = defaultdict(list)
        self._steady: dict[str, list[float]] = defaultdict(list)

    def add(self, history: History) -> None:
        """Take over what one history tells."""
        for cell in history.cells:
            self._connects[cell.target.form] += [
                attempt.connect_us for attempt in cell.answered if attempt.connect_us is not None
            ]
        for event in history.events:
            if isinstance(event, Converged) and event.position in history.positions:
                node = history.positions[event.position].node
                self._steady[node or "outside"].append(event.seconds)

    def latencies(self, names: dict[str, str]) -> tuple[LatencyRow, ...]:
        """A row for each kind of entry; ``names`` is what people call them."""
        filled = ((form, sorted(values)) for form, values in self._connects.items() if values)
        return tuple(_latency(names.get(form, form), values) for form, values in filled)

    def convergence(self) -> tuple[ConvergenceRow, ...]:
        """A row for each node."""
        longest = max((max(values) for values in self._steady.values()), default=0.0) or 1.0
        return tuple(
            ConvergenceRow(
                node, len(values), median(values), max(values), round(max(values) / longest * 100)
            )
            for node, values in sorted(self._steady.items())
        )


def _latency(form: str, ordered: list[int]) -> LatencyRow:
    counts = [0] * _BARS
    for value in ordered:
        place = int(log10(max(value, FIRST_US) / FIRST_US) * _STEPS)
        counts[min(place, _BARS - 1)] += 1
    highest = max(counts)
    return LatencyRow(
        form=form,
        count=len(ordered),
        median=duration(ordered[len(ordered) // 2]),
        most=duration(ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]),
        longest=duration(ordered[-1]),
        # What is there once must be seen as well.
        bars=tuple(max(3, round(count / highest * 100)) if count else 0 for count in counts),
    )
