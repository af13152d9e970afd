"""Times of a client's clock, put on this machine's: the two may differ, and jump meanwhile."""

from __future__ import annotations

import msgspec

from svcproof.history import Attempt
from svcproof.recorder import now_ns

__all__ = ["ClientClock"]

_NS_PER_US = 1_000


class ClientClock:
    """How far a client's clock is ahead of this machine's, as its attempts prove (nanoseconds).

    An attempt began after it was ordered, and its line came after it had ended. As long as
    both are true by one clock, it is taken for one. Else the client's is ahead by what the line
    that came soonest shows: too little by the time that a line takes. A client's clock does
    not jump within one order, during which it counts on from the begin.
    """

    def __init__(self) -> None:
        self._ordered_ns = now_ns()
        self._least: int | None = None
        self._most: int | None = None

    def ours(self, attempt: Attempt) -> Attempt:
        """The attempt that has just arrived, by this machine's clock."""
        steps = (attempt.resolve_us, attempt.connect_us, attempt.reply_us)
        ended_ns = attempt.at_ns + _NS_PER_US * sum(step or 0 for step in steps)
        least, most = ended_ns - now_ns(), attempt.at_ns - self._ordered_ns
        self._least = least if self._least is None else max(self._least, least)
        self._most = most if self._most is None else min(self._most, most)
        if self._least <= 0 <= self._most:
            return attempt
        return msgspec.structs.replace(attempt, at_ns=max(0, attempt.at_ns - self._least))
