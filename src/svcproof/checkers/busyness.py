"""Was a backend too busy to answer? Then a missing reply says nothing about routing.

A connection that was made reached a backend: the kernel there took it. If no reply
comes, packets of its size are lost, or the server has no processor time. In the
second case other replies come late at the same time, and later than lost packets make them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from svcproof.history import History

if TYPE_CHECKING:
    from svcproof.attempts import Attempts

__all__ = ["seconds_busy"]

#: No reply takes so long and comes all the same, unless its server has to wait for a processor:
#: a packet that is lost four times is there after 3 s, five times after more than an attempt may
#: take (RFC 6298; Linux begins with 200 ms and doubles).
_SLOW_REPLY_US: Final = 3_500_000
#: An attempt is waited for this long, so one that began so much earlier was under way.
_WINDOW_NS: Final = 6_000_000_000


def seconds_busy(history: History, timed_out: Attempts) -> float | None:
    """How long replies took meanwhile, where busy backends explain all of the attempts that
    timed out; None where they do not: some were not even connected, or others were served."""
    if (timed_out.connect_us < 0).any():
        return None
    slow = history.attempts.where(history.attempts.reply_us >= _SLOW_REPLY_US)
    begin, end = slow.at_ns, slow.at_ns + slow.reply_us * 1_000
    for at in timed_out.at_ns.tolist():
        if not ((begin <= at + _WINDOW_NS) & (at <= end)).any():
            return None
    return float((end - begin).max()) / 1e9
