"""What a case asks: a value that is checked where it is made, before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, get_args

from svcproof.errors import UsageError
from svcproof.expect import Promise
from svcproof.history import Affinity, Outcome, Position, Target

__all__ = ["Ask", "Asked", "Pair", "ending"]

#: From where to where.
Pair = tuple[Position, Target]

_LARGEST_PAYLOAD: Final = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One question about some pairs of position and target.

    ``pairs`` must be answered, by whom follows from the rules and the EndpointSlices;
    ``failing`` must fail, as the rules say, or, where ``ending`` is given, as that says
    whatever objects there are. The control of a failing pair is the first of ``pairs``
    with the same position.

    ``count`` connections are made for each of ``pairs``, at least the sample that
    coverage and loss need. ``cover``: every backend has to answer. ``choice``: the shares
    are judged by what the data plane promises. ``about_sources``: the question is which
    address the backends see. ``outage_ms``: the longest time without any answer.

    How it is sent: ``settle`` (else at once), ``concurrency`` connections under way
    (0: as many as do no harm), ``rate`` a second (0: as fast as it goes), ``keep_alive``
    (all requests over one connection), ``payload`` bytes each way. ``within`` seconds a pair
    may take to settle where that is longer than rules take, as what a cache remembers does.

    Raises :class:`~svcproof.errors.UsageError` where these contradict each other.
    """

    pairs: tuple[Pair, ...] = ()
    failing: tuple[Pair, ...] = ()
    ending: Promise | None = None
    count: int = 0
    cover: bool = True
    choice: bool = False
    about_sources: bool = False
    affinity: Affinity = ""
    outage_ms: int | None = None
    settle: bool = True
    concurrency: int = 0
    rate: float = 0.0
    keep_alive: bool = False
    payload: int = 0
    within: float = 0.0

    def __post_init__(self) -> None:
        for wrong, what, remedy in (
            (
                not self.pairs and not self.failing,
                "nothing is asked: there is no pair of position and target",
                "see whether the cluster has the places and addresses that the case means",
            ),
            (
                self.affinity not in get_args(Affinity),
                f"unknown affinity {self.affinity!r}",
                f"there are: {', '.join(word for word in get_args(Affinity) if word)}",
            ),
            (
                self.choice and (bool(self.affinity) or self.keep_alive),
                "shares are asked for, and all connections of a client to go to one backend",
                "ask for choice, or for affinity or keep_alive",
            ),
            (
                self.ending is not None and not self.failing,
                "it is said how connections must fail, and of none that it must",
                "name the pairs: failing=…",
            ),
            (
                min(self.count, self.concurrency, self.rate, self.payload, self.within) < 0,
                "count, concurrency, rate, payload and within cannot be negative",
                "",
            ),
            (
                self.payload > _LARGEST_PAYLOAD,
                f"a payload of {self.payload:,} bytes",
                f"at most {_LARGEST_PAYLOAD:,}",
            ),
        ):
            if wrong:
                raise UsageError(what, remedy=remedy)
        self._check_failing()

    def _check_failing(self) -> None:
        served = {position.name for position, _ in self.pairs}
        for position, target in self.failing:
            if (position, target) in self.pairs:
                raise UsageError(f"{position} → {target} is to be answered, and is to fail")
            if position.name not in served:
                raise UsageError(
                    f"{position} → {target} is to fail, and nothing is to answer the same client: "
                    "a client that is broken itself would look as right",
                    remedy="give it a control: a pair of the same position that must be answered",
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One pair of a question and what it is promised.

    ``control`` is the target that the same client must reach meanwhile, "" where
    ``promise`` is that of an answer.
    """

    position: Position
    target: Target
    promise: Promise
    ask: Ask
    control: str = ""
    is_failing: bool = False  #: the case says that no backend may answer

    @property
    def waits(self) -> bool:
        """Whether most of its time is waiting: no backend may answer."""
        return self.promise.outcome is not Outcome.ANSWERED

    @property
    def is_pinned(self) -> bool:
        """Whether one backend has to answer all, fresh connections as well."""
        return self.promise.affinity_ms > 0 and self.ask.affinity in ("pin", "keep")


def ending(outcomes: tuple[Outcome, ...], rule: str) -> Promise:
    """The promise that connections end in one of these ways, whatever objects there are."""
    outcome, *also = outcomes
    return Promise(outcome=outcome, also=tuple(also), rule=rule)
