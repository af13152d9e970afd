"""How many connections of one pair are under way at once. Pure."""

from __future__ import annotations

from typing import Final

from svcproof.asking import Asked
from svcproof.history import Outcome
from svcproof.ports import ClusterFacts
from svcproof.stats import failure_size, sample_size

__all__ = ["concurrency_of", "size_of"]

#: Where connections are answered at once, more would only stand in each other's way.
_ANSWERED: Final = 8
#: Where they hang, they hang side by side: the sample is the same, and made in one time-out.
_HANGING: Final = 128
#: Questions to the DNS, and to a health check, of one pair.
_QUESTIONS: Final = 10
#: Of a client that keeps its port: one flow, of which no packet goes another way than the first.
_KEPT: Final = 3


def size_of(asked: Asked) -> int:
    """The fewest connections that decide the question, or as many as it wants."""
    promise = asked.promise
    if promise.answers is not None:
        fewest = _QUESTIONS
    elif asked.target.source_port:
        fewest = _KEPT
    elif promise.outcome is Outcome.ANSWERED:
        fewest = sample_size(len(promise.allowed))
    else:
        fewest = failure_size()
    return fewest if asked.is_failing else max(asked.ask.count, fewest)


def concurrency_of(asked: Asked, facts: ClusterFacts, count: int, *, hangs: bool = False) -> int:
    """How many of ``count`` connections at once; ``hangs``: some were seen to be waited for.

    Refusals one at a time where nodes limit them: of several at once, six are sent and
    then one a second, which leaves some to time out, and that they do not. Silence has no
    such limit: it is waited for at once.
    """
    promise = asked.promise
    if promise.outcome is Outcome.ANSWERED or promise.answers is not None:
        # Where backends take turns their order is evidence; where each connection draws, whoever
        # began first has drawn first, however many are under way.
        takes_turns = asked.ask.choice and facts.proxy_mode == "ipvs"
        wanted = asked.ask.concurrency or (1 if takes_turns else _ANSWERED)
        # Each worker keeps a connection of its own: more of them would be another question.
        side_by_side = hangs and not asked.ask.keep_alive and not takes_turns
        return min(count, max(wanted, _HANGING)) if side_by_side else wanted
    if promise.outcome is not Outcome.TIMED_OUT and facts.limits_refusals:
        return 1
    return asked.ask.concurrency or failure_size()
