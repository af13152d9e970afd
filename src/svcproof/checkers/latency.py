"""Were packets lost on the way? Lost SYNs show as connects that took whole seconds.

Linux repeats an unanswered SYN after 1 s and then after twice as long each time
(RFC 6298, tcp_syn_retries): 1, 3 and 7 s after the first. Since 6.5 the first
repetitions are a second apart (tcp_syn_linear_timeouts, 4 of them), and only then
the pauses double: 1, 2, 3, 4, 5 and 7 s. A connection that is made all the same hides
the loss from every check that only looks at the outcome. Between those times lies
what a busy machine does, so only connects close above them count; and only if there are
more of them than of those between, because a machine that is busy for seconds keeps
connections waiting for any time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Final

from svcproof.history import Cell, History
from svcproof.verdict import Fact, Finding, Status, Verdict, judged

if TYPE_CHECKING:
    from svcproof.attempts import Attempts

__all__ = ["latency"]

#: Microseconds after which a kernel, old or new, repeats a SYN, counted from the first.
_REPEATED_AT: Final = (1_000_000, 2_000_000, 3_000_000, 4_000_000, 5_000_000, 7_000_000)
#: How much later than that the answer may come.
_SLACK: Final = 250_000
#: A connect that takes so much longer than most had to wait, with or without a lost SYN.
_SLOW: Final = 100_000
#: So many lost SYNs, and such a share of the connections, are no accident of a busy machine.
_NOTABLE: Final = 3
_NOTABLE_SHARE: Final = 0.005


_LOST: Final = "packets are lost: {number} of {total} connections needed a second SYN"
_LOST_REMEDY: Final = (
    "after 1, 2, 3, 4, 5 and 7 s kernels repeat a lost SYN: look for loss on the way "
    "(links, conntrack table full, port races), from the places and nodes that these share"
)
_BUSY: Final = (
    "packets are lost, or a machine was busy: {slow} of {total} connections had to wait, "
    "{number} of them as long as with a lost SYN"
)
_BUSY_REMEDY: Final = "run it again on machines that have processor time"


def latency(history: History) -> Verdict:
    """Connections are made at once, without a repeated SYN."""
    cells = [cell for cell in history.cells if cell.target.protocol == "tcp"]
    late = [(cell, _repeated(cell.attempts.timed)) for cell in cells]
    total = sum(len(cell.attempts.timed) for cell in cells)
    slow = _slow([cell.attempts.timed for cell in cells])
    return judged(total, _judge([each for each in late if each[1]], total, slow), _facts(cells))


def _slow(timed: Sequence[Attempts]) -> int:
    """How many connections took longer than most by what no network needs."""
    import numpy as np

    taken = [attempts.connect_us for attempts in timed if len(attempts)]
    if not taken:
        return 0
    every = np.concatenate(taken)
    return int((every - np.median(every) >= _SLOW).sum())


def _repeated(timed: Attempts) -> Attempts:
    """Those that took as long as it takes with a repeated SYN."""
    slow = timed.where(timed.connect_us >= _REPEATED_AT[0])
    taken = slow.connect_us
    return slow.where(reduce(or_, [(at <= taken) & (taken < at + _SLACK) for at in _REPEATED_AT]))


def _judge(late: Sequence[tuple[Cell, Attempts]], total: int, slow: int) -> Iterator[Finding]:
    number = sum(len(attempts) for _, attempts in late)
    if number < _NOTABLE or number < _NOTABLE_SHARE * total:
        return
    status, summary, remedy = Status.FAIL, _LOST, _LOST_REMEDY
    if slow - number >= number:
        status, summary, remedy = Status.INCONCLUSIVE, _BUSY, _BUSY_REMEDY
    places = list(dict.fromkeys(cell.where for cell, _ in late))
    taken = [us for _, attempts in late for us in attempts.connect_us.tolist()]
    yield Finding(
        status=status,
        summary=summary.format(number=number, slow=slow, total=total),
        where="; ".join(places[:3]) + (" …" if len(places) > 3 else ""),
        expected="a connection is made in milliseconds",
        seen=", ".join(f"{us / 1e6:.2f} s" for us in taken[:6]),
        indices=tuple(index for _, attempts in late for index in attempts.indices),
        remedy=remedy,
    )


def _facts(cells: Sequence[Cell]) -> Iterator[Fact]:
    timed = [cell.attempts.timed for cell in cells]
    if not any(map(len, timed)):
        return
    taken = timed[0].followed_by(*timed[1:]).connect_us.copy()
    median, most, longest = len(taken) // 2, int(0.99 * len(taken)), len(taken) - 1
    taken.partition([median, most, longest])
    yield Fact(
        "connect time",
        f"median {taken[median] / 1000:.2f} ms, 99 % {taken[most] / 1000:.2f} ms, "
        f"longest {taken[longest] / 1000:.1f} ms",
        size=float(taken[longest]) / 1e6,
    )
