"""Were packets lost on the way? Lost SYNs show as connects that took whole seconds.

Linux repeats an unanswered SYN after 1 s and then after twice as long each time
(RFC 6298, tcp_syn_retries): 1, 3 and 7 s after the first. Since 6.5 the first
repetitions are a second apart (tcp_syn_linear_timeouts, 4 of them), and only then
the pauses double: 1, 2, 3, 4, 5 and 7 s. A connection that is made all the same hides
the loss from every check that only looks at the outcome. Between those times lies
what a busy machine does, so only connects close above them count.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from svcproof.history import Cell, History, Observation
from svcproof.verdict import Fact, Finding, Status, Verdict, judged

__all__ = ["latency"]

#: Microseconds after which a kernel, old or new, repeats a SYN, counted from the first.
_REPEATED_AT: Final = (1_000_000, 2_000_000, 3_000_000, 4_000_000, 5_000_000, 7_000_000)
#: How much later than that the answer may come.
_SLACK: Final = 250_000
#: So many lost SYNs, and such a share of the connections, are no accident of a busy machine.
_NOTABLE: Final = 3
_NOTABLE_SHARE: Final = 0.005


def latency(history: History) -> Verdict:
    """Connections are made at once, without a repeated SYN."""
    cells = [cell for cell in history.cells if cell.target.protocol == "tcp"]
    taken = [entry.connect_us for cell in cells for entry in cell.answered if _connected(entry)]
    late = [
        (cell, entry)
        for cell in cells
        for entry in cell.answered
        if (entry.connect_us or 0) >= _REPEATED_AT[0] and _connected(entry) and _is_repeated(entry)
    ]
    return judged(len(taken), _judge(late, len(taken)), _facts(taken))


def _connected(entry: Observation) -> bool:
    return entry.connect_us is not None


def _is_repeated(entry: Observation) -> bool:
    taken = entry.connect_us or 0
    return any(at <= taken < at + _SLACK for at in _REPEATED_AT)


def _judge(late: list[tuple[Cell, Observation]], total: int) -> Iterator[Finding]:
    if len(late) < _NOTABLE or len(late) < _NOTABLE_SHARE * total:
        return
    places = dict.fromkeys(cell.where for cell, _ in late)
    yield Finding(
        status=Status.FAIL,
        summary=f"packets are lost: {len(late)} of {total} connections needed a second SYN",
        where="; ".join(list(places)[:3]) + (" …" if len(places) > 3 else ""),
        expected="a connection is made in milliseconds",
        seen=", ".join(f"{(entry.connect_us or 0) / 1e6:.2f} s" for _, entry in late[:6]),
        indices=tuple(entry.index for _, entry in late),
        remedy="after 1, 2, 3, 4, 5 and 7 s kernels repeat a lost SYN: look for loss on the way "
        "(links, conntrack table full, port races), from the places and nodes that these share",
    )


def _facts(connects: list[int | None]) -> Iterator[Fact]:
    taken = sorted(microseconds or 0 for microseconds in connects)
    if taken:
        quantiles = {q: taken[min(len(taken) - 1, int(q * len(taken)))] for q in (0.5, 0.99)}
        yield Fact(
            "connect time",
            f"median {quantiles[0.5] / 1000:.2f} ms, 99 % {quantiles[0.99] / 1000:.2f} ms, "
            f"longest {taken[-1] / 1000:.1f} ms",
            size=taken[-1] / 1e6,
        )
