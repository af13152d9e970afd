"""Was a server too busy to answer? Then a missing reply says nothing about routing.

A connection that was made reached a backend: the kernel there took it. If no reply
comes, packets of its size are lost, or the server has no processor time. In the
second case other replies come late at the same time, and later than lost packets make them.
So it is with the cluster's DNS.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from svcproof.history import Cell, History, Outcome

if TYPE_CHECKING:
    from svcproof.attempts import Attempts

__all__ = ["seconds_busy", "seconds_resolving"]

#: No reply takes so long and comes all the same, unless its server has to wait for a processor:
#: a packet that is lost four times is there after 3 s, five times after more than an attempt may
#: take (RFC 6298; Linux begins with 200 ms and doubles).
_SLOW_REPLY_US: Final = 3_500_000
#: An attempt is waited for this long, so one that began so much earlier was under way.
_WINDOW_NS: Final = 6_000_000_000
#: No lookup takes so long and succeeds all the same because of lost questions: a client gives
#: up after 6 s of silence, or little more where the search list has other names
#: (``echo-hostname/internal/resolve``).
_SLOW_LOOKUP_US: Final = 8_000_000


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


def seconds_resolving(history: History, cell: Cell, failed: Attempts) -> float | None:
    """How long lookups took meanwhile that succeeded, where a busy DNS explains all that
    failed; None where it does not: it said something else, or others were answered soon."""
    lookups = cell.each(failed)
    if not all(each.rcode == "TIMEOUT" or cell.target.query for each in lookups):
        return None
    slow = [
        each
        for each in history.observations
        if each.outcome is not Outcome.NAME_FAILED and (each.resolve_us or 0) >= _SLOW_LOOKUP_US
    ]
    ends = [(each.at_ns, each.at_ns + (each.resolve_us or 0) * 1_000) for each in slow]
    for lookup in lookups:
        begin, end = lookup.at_ns, lookup.at_ns + (lookup.resolve_us or 0) * 1_000
        if not any(other <= end and begin <= until for other, until in ends):
            return None
    return max(until - at for at, until in ends) / 1e9
