"""Is each fresh connection led to each backend as often as the data plane promises?

Asked of cells whose expectation says how the choice is made. *Random*: the counts
fit equal shares (a test with a fixed false-alarm rate), in each cell and over all
cells of the same Service together. *Rotation*: strictly one after the other. How
the choice seems to be made is told in any case, and the smallest skew that the run
would not have missed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from typing import TYPE_CHECKING, Final

from svcproof.checkers.responders import describe, rightful
from svcproof.history import Backend, Cell, History
from svcproof.stats import CELL_ALPHA, classify, goodness_of_fit, rotation, smallest_skew
from svcproof.verdict import Fact, Finding, Status, Verdict, judged

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["distribution"]

#: Indices that a finding names: the choices are evidence together, and not one by one.
_SHOWN: Final = 12
#: The number of a Pod that is not among them: another check's business.
_NONE: Final = -1


@dataclass(frozen=True, eq=False)
class _Sample:
    """The Pods that were chosen, in the order of the connections' begins, and among whom."""

    where: str
    backends: tuple[Backend, ...]
    choices: NDArray[np.int64]  #: numbers of Pods, by name
    first: tuple[int, ...]  #: their indices, of the first of them
    is_whole: bool = True  #: Of one that was cut the slowest are missing, which may be one Pod's.

    @cached_property
    def counts(self) -> list[int]:
        """Connections per backend, in the order of ``backends``."""
        import numpy as np

        numbers = _numbers(self.backends)
        counted = np.bincount(self.choices, minlength=len(numbers))
        return [int(counted[numbers[backend.pod]]) for backend in self.backends]


def distribution(history: History) -> Verdict:
    """Every cell that says how a backend is chosen is chosen from that way."""
    cells = [cell for cell in history.cells if cell.expectation.choice]
    samples = [_sample(cell) for cell in cells]
    random = [s for s, c in zip(samples, cells, strict=True) if c.expectation.choice == "random"]
    rotating = [s for s, c in zip(samples, cells, strict=True) if c.expectation.choice != "random"]
    pooled = _pooled([sample for sample in random if sample.is_whole])
    findings = [
        *(found for sample in (*random, *pooled) for found in _judge_shares(sample)),
        *(found for sample in rotating for found in _judge_rotation(sample)),
    ]
    facts = [
        *(fact for sample in samples for fact in _facts_of_choice(sample)),
        *(fact for sample in pooled or samples for fact in _facts_of_shares(sample)),
    ]
    return judged(sum(len(sample.choices) for sample in samples), findings, facts)


def _sample(cell: Cell) -> _Sample:
    allowed = cell.promise.allowed
    numbers = _numbers(allowed)

    def number(backend: Backend) -> int:
        due = rightful(backend, allowed)
        return numbers[due.pod] if due and due.pod else _NONE

    choices = cell.attempts.choices
    pods = choices.backend_numbers(number)
    of_these = choices.where(pods != _NONE)
    first = of_these.where(slice(_SHOWN)).indices
    is_whole = len(cell.attempts) >= cell.expectation.minimum
    return _Sample(cell.where, allowed, pods[pods != _NONE], first, is_whole)


def _numbers(backends: Iterable[Backend]) -> dict[str, int]:
    """A number for each Pod, the same wherever the same Pods are."""
    names = sorted({backend.pod for backend in backends})
    return {name: number for number, name in enumerate(names)}


def _pooled(samples: Sequence[_Sample]) -> list[_Sample]:
    """All places together: a skew that no single place could show."""
    import numpy as np

    groups: dict[tuple[str, ...], list[_Sample]] = defaultdict(list)
    for sample in samples:
        groups[tuple(sorted(backend.pod for backend in sample.backends))].append(sample)
    return [
        _Sample(
            f"all {len(group)} places together",
            group[0].backends,
            np.concatenate([sample.choices for sample in group]),
            (),
        )
        for group in groups.values()
        if len(group) > 1
    ]


def _judge_shares(sample: _Sample) -> Iterator[Finding]:
    why = _untellable(sample)
    if why:
        yield _undecided(sample, why)
        return
    fit = goodness_of_fit(sample.counts)
    if fit.p_value >= CELL_ALPHA:
        return
    yield Finding(
        status=Status.FAIL,
        summary=f"the connections are not shared equally: {_shares(sample)}",
        where=sample.where,
        expected=f"each of {len(sample.backends)} backends gets 1/{len(sample.backends)}, up to "
        "chance",
        seen=f"{_shares(sample)}; so uneven by chance: {fit.p_value:.1e} (limit {CELL_ALPHA:.0e})",
        indices=sample.first,
        remedy="look at the rules of the entered node for this Service: the probabilities "
        "(iptables-save | grep statistic; nft list table ip kube-proxy), a backend that is there "
        "twice, a topology hint, or another proxy in front of it",
    )


def _judge_rotation(sample: _Sample) -> Iterator[Finding]:
    why = _untellable(sample)
    if why:
        yield _undecided(sample, why)
        return
    if rotation(sample.choices, len(sample.backends)).strict:
        return
    yield Finding(
        status=Status.FAIL,
        summary="the backends are not chosen in rotation",
        where=sample.where,
        expected="one backend after the other, always in the same order",
        seen=f"{_word(sample)}: {_shares(sample)}",
        indices=sample.first,
        remedy="only one client, one node and one address at a time see the rotation; look at the "
        "scheduler of the virtual server",
    )


def _untellable(sample: _Sample) -> str:
    """Why nothing can be said about this choice; "" if something can."""
    if len(sample.backends) < 2:
        return "a choice among one backend is none"
    if not len(sample.choices):
        return "nobody answered"
    return "" if sample.is_whole else "the sample was not made to its end"


def _undecided(sample: _Sample, why: str) -> Finding:
    return Finding(
        status=Status.INCONCLUSIVE,
        summary=f"shares cannot be told: {why}",
        where=sample.where,
        expected="answers by at least two backends",
        seen=f"{len(sample.choices)} answers",
        remedy="see in the history how the connections ended",
    )


def _word(sample: _Sample) -> str:
    return str(classify(sample.choices, len(sample.backends)).algorithm)


def _shares(sample: _Sample) -> str:
    total = max(1, len(sample.choices))
    return ", ".join(
        f"{describe(backend)} {count / total:.1%}"
        for backend, count in zip(sample.backends, sample.counts, strict=True)
    )


def _facts_of_choice(sample: _Sample) -> Iterator[Fact]:
    if len(sample.backends) > 1 and len(sample.choices):
        yield Fact("choice", _word(sample), sample.where)


def _facts_of_shares(sample: _Sample) -> Iterator[Fact]:
    connections, backends = len(sample.choices), len(sample.backends)
    if backends < 2 or not connections:
        return
    skew = smallest_skew(connections, backends)
    fit = goodness_of_fit(sample.counts)
    yield Fact("shares", f"{_shares(sample)} of {connections:,} connections", sample.where)
    yield Fact("p-value of equal shares", f"{fit.p_value:.2g}", sample.where)
    yield Fact(
        "smallest skew seen with 99 % power",
        f"one backend at {(1 + skew) / backends:.1%} instead of {1 / backends:.1%}"
        if isfinite(skew)
        else "none: too few connections",
        sample.where,
    )
