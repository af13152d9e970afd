"""Two runs compared: what got worse, what got better, what is new or gone, what moved.

Verdicts alone decide what is worse. What was measured is told where it moved by more
than chance and a busy machine would move it; it decides nothing.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from svcproof.errors import EXIT_CODES
from svcproof.results import CaseResult, Culprit, FactLine, FindingLine, RunResult

__all__ = ["Comparison", "Difference", "Move", "compare"]

#: How good what was said of a case is; what could not be asked proves as little as no verdict.
_RANK: Final = {
    "PASS": 0,
    "KNOWN": 1,
    "not supported": 1,
    "INCONCLUSIVE": 1,
    "inconclusive": 1,
    "error": 2,
    "FAIL": 2,
}
#: Exit codes of runs that did not ask all that they were meant to.
_INTERRUPTED: Final = 2
_USAGE: Final = 4
#: A time moved if it is so many times the other, and so many seconds apart.
_TIMES: Final = 2.0
_SECONDS: Final = 0.25
#: A share moved by so much of the whole.
_SHARE: Final = 0.05
_SHARES: Final = "shares"
_PERCENT: Final = re.compile(r"(\d+(?:\.\d+)?)\s?%")


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One case of two runs; the case "" is the run itself.

    ``before`` or ``after`` is "" where it was not in that run. The findings, the reason
    and the history are those of the worse of the two.
    """

    case: str
    before: str
    after: str
    promise: str = ""
    findings: tuple[FindingLine, ...] = ()
    reason: str = ""
    history: str = ""


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """Something measured that is not what it was."""

    case: str
    name: str
    before: str
    after: str
    grew: bool


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two runs, side by side. ``settings`` are what differs between the clusters themselves;
    ``culprits`` explain what is red in the second run, ``solved`` what was in the first only."""

    before: str
    after: str
    culprits: tuple[Culprit, ...] = ()
    solved: tuple[Culprit, ...] = ()
    settings: tuple[tuple[str, str, str], ...]
    worse: tuple[Difference, ...]
    better: tuple[Difference, ...]
    new: tuple[Difference, ...]
    gone: tuple[Difference, ...]
    moves: tuple[Move, ...]
    same: int

    @property
    def got_worse(self) -> bool:
        """Whether anything did; a new case that fails is worse than not having asked."""
        return bool(self.worse) or any(_rank(each.after) > 1 for each in self.new)


class _Said(msgspec.Struct, frozen=True):
    """What a run said of one case."""

    word: str
    result: CaseResult | None = None
    reason: str = ""


def compare(before: RunResult, after: RunResult) -> Comparison:
    """What changed from one run to the other. A case is the same wherever its module lies: the
    suites are in ``tests/routing``, or where each environment has installed them."""
    new = _said(after)
    old = _named_alike(_said(before), new)
    both = [name for name in old if name in new]
    changed = [(name, old[name], new[name]) for name in both]
    return Comparison(
        before=before.run,
        after=after.run,
        culprits=after.culprits,
        solved=tuple(each for each in before.culprits if not _is_said(each, after.culprits)),
        settings=tuple(_settings(before, after)),
        worse=tuple(_difference(*each) for each in changed if _step(*each) > 0),
        better=tuple(_difference(*each) for each in changed if _step(*each) < 0),
        new=tuple(_difference(name, None, said) for name, said in new.items() if name not in old),
        gone=tuple(_difference(name, said, None) for name, said in old.items() if name not in new),
        moves=tuple(move for each in changed for move in _moves(*each)),
        same=sum(_step(*each) == 0 for each in changed),
    )


def _named_alike(old: Mapping[str, _Said], new: Mapping[str, _Said]) -> dict[str, _Said]:
    """The first by the names of the second, where no other case of either could be meant."""
    counted = Counter(_without_directory(name) for names in (old, new) for name in names)
    there = {_without_directory(name): name for name in new}
    alone = {short: name for short, name in there.items() if counted[short] <= 2}
    return {
        name if name in new else alone.get(_without_directory(name), name): said
        for name, said in old.items()
    }


def _without_directory(name: str) -> str:
    module, separator, case = name.partition("::")
    return f"{module.rpartition('/')[2]}{separator}{case}"


def _is_said(culprit: Culprit, among: Iterable[Culprit]) -> bool:
    return any(each.statement == culprit.statement for each in among)


def _said(run: RunResult) -> dict[str, _Said]:
    """Case → the worst that the run said of it."""
    said: dict[str, _Said] = {case.case: _Said(case.verdict, case) for case in run.cases}
    for problem in run.problems:
        before = said.get(problem.case)
        if before is None or _rank(problem.word) > _rank(before.word):
            result = before.result if before else None
            said[problem.case] = _Said(problem.word, result, problem.reason)
    if run.exit_code in (_INTERRUPTED, _USAGE):
        reason = f"it ended with exit code {run.exit_code}: {EXIT_CODES[run.exit_code]}"
        said.setdefault("", _Said("error", reason=reason))
    return said


def _rank(word: str) -> int:
    """A word that nobody knows is nothing good."""
    return _RANK.get(word, 2)


def _step(name: str, before: _Said, after: _Said) -> int:
    del name
    return _rank(after.word) - _rank(before.word)


def _difference(name: str, before: _Said | None, after: _Said | None) -> Difference:
    sides = [side for side in (after, before) if side is not None]
    worse = max(sides, key=lambda side: _rank(side.word))
    result = worse.result
    return Difference(
        case=name,
        before=before.word if before else "",
        after=after.word if after else "",
        promise=result.promise if result else "",
        findings=result.findings if result else (),
        reason=worse.reason,
        history=result.history if result else "",
    )


def _settings(before: RunResult, after: RunResult) -> Iterator[tuple[str, str, str]]:
    """What the clusters are, where they are not the same."""
    for name in ("kind", "kubernetes_version", "proxy_mode", "profile", "families", "nodes"):
        old, new = (_text(getattr(run.cluster, name, "none")) for run in (before, after))
        if old != new:
            yield name.replace("_", " "), old, new


def _text(value: object) -> str:
    return " and ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _moves(name: str, before: _Said, after: _Said) -> Iterator[Move]:
    if before.result is None or after.result is None:
        return
    old, new = _largest(before.result.facts), _largest(after.result.facts)
    for fact in old:
        if fact in new and _moved(old[fact], new[fact]):
            yield Move(
                case=name,
                name=fact,
                before=old[fact].value,
                after=new[fact].value,
                grew=_measure(new[fact]) > _measure(old[fact]),
            )


def _largest(facts: Iterable[FactLine]) -> Mapping[str, FactLine]:
    """Of each name the one with the largest measure."""
    by_name: dict[str, list[FactLine]] = defaultdict(list)
    for fact in facts:
        if fact.size > 0 or fact.name == _SHARES:
            by_name[fact.name].append(fact)
    return {name: max(group, key=_measure) for name, group in by_name.items()}


def _moved(before: FactLine, after: FactLine) -> bool:
    old, new = _measure(before), _measure(after)
    if before.name == _SHARES:
        return abs(old - new) > _SHARE
    return abs(old - new) > _SECONDS and max(old, new) > _TIMES * min(old, new)


def _measure(fact: FactLine) -> float:
    """Seconds; of shares, the largest."""
    return max(_shares(fact.value), default=0.0) if fact.name == _SHARES else fact.size


def _shares(text: str) -> Sequence[float]:
    return [float(number) / 100 for number in _PERCENT.findall(text)]
