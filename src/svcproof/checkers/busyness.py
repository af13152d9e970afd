"""Was a backend too busy to answer? Then a missing reply says nothing about routing.

A connection that was made reached a backend: the kernel there took it. If no reply
comes, packets of its size are lost, or the server has no processor time. In the
second case other replies take seconds as well, and connecting, which is the kernel's, does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from svcproof.history import Cell

if TYPE_CHECKING:
    from svcproof.attempts import Attempts

__all__ = ["seconds_busy"]

#: No reply takes so long, unless its server has to wait for a processor: four
#: retransmissions of a lost packet take less.
_SLOW_REPLY_US: Final = 3_500_000
#: A connect that needed another SYN: packets are lost.
_SECOND_SYN_US: Final = 900_000
#: An attempt is waited for this long, so one that began so much earlier was under way.
_WINDOW_NS: Final = 6_000_000_000


def seconds_busy(cell: Cell, timed_out: Attempts) -> float | None:
    """How long replies took meanwhile, where a busy backend explains all of the attempts that
    timed out; None where it does not.

    All of them have to be connected, and none may have needed a second SYN: where first
    packets are lost, so are others.
    """
    from svcproof.attempts import NONE

    if (timed_out.connect_us == NONE).any() or (cell.attempts.connect_us >= _SECOND_SYN_US).any():
        return None
    slow = [
        (each.at_ns, each.at_ns + each.reply_us * 1_000)
        for each in cell.answered
        if each.reply_us is not None and each.reply_us >= _SLOW_REPLY_US
    ]
    for at in timed_out.at_ns.tolist():
        if not any(begin <= at + _WINDOW_NS and at <= end for begin, end in slow):
            return None
    return max(end - begin for begin, end in slow) / 1e9
