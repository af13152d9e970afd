"""From a run's results and histories to what the page shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from svcproof import __version__
from svcproof.history import History
from svcproof.reporters.counts import ended
from svcproof.reporters.culprit import coverage
from svcproof.reporters.facts import told
from svcproof.reporters.page.attempts import attempts
from svcproof.reporters.page.findings import cell_of, groups, guilty, rules
from svcproof.reporters.page.grid import Pairs, grid, merge, pairs
from svcproof.reporters.page.heat import heat
from svcproof.reporters.page.model import (
    CaseView,
    FindingGroup,
    FindingPlace,
    Heat,
    Lack,
    Page,
    PromiseView,
)
from svcproof.reporters.page.moments import day
from svcproof.reporters.page.reproduce import again, commands
from svcproof.reporters.page.since import begin_ns
from svcproof.reporters.page.themes import themes
from svcproof.reporters.page.timeline import changes, timeline
from svcproof.reporters.page.times import Times
from svcproof.reporters.terminal import FORMS
from svcproof.results import CaseResult, FindingLine, Problem, RunResult, unjudged
from svcproof.verdict import WORDS

__all__ = ["Reader", "view_of"]

#: The history of a case, or why there is none to read.
Reader = Callable[[CaseResult], History | str]

_ENDS: Final = {
    "FAIL": "At least one promise was broken.",
    "INCONCLUSIVE": "Nothing was seen to be wrong, but not everything could be told.",
    "PASS": "Every promise that was asked was kept.",
    "ERROR": "The run did not come to a verdict.",
}


def view_of(run: RunResult, read: Reader) -> Page:
    """Everything on the page; each history is read once, and none is kept."""
    builder = _Builder(run)
    for case in run.cases:
        builder.add(case, read(case))
    return builder.page()


class _Builder:
    """Takes one case after the other."""

    def __init__(self, run: RunResult) -> None:
        self._run = run
        self._times = Times()
        self._troubled: list[CaseView] = []
        self._changes: list[CaseView] = []
        self._heats: list[Heat] = []
        self._pairs: dict[str, list[Pairs]] = {}
        self._began: list[int] = []
        self._unread: Counter[str] = Counter()

    def add(self, case: CaseResult, history: History | str) -> None:
        """A case and its history."""
        passed = case.verdict == "PASS"
        if isinstance(history, str):
            if not passed:
                self._troubled.append(_unread(self._run, case, history, len(self._troubled)))
            return
        if history.entries:
            self._began.append(begin_ns(history))
        self._times.add(history)
        self._unread.update({each.what for each in history.unread})
        content = pairs(history.cells, case.findings)
        self._pairs.setdefault(case.promise, []).append(content)
        self._note_shares(case, history)
        if not passed:
            key = f"case-{len(self._troubled) + 1}"
            self._troubled.append(_view(self._run, case, history, content, key))
        elif changes(history):
            key = f"change-{len(self._changes) + 1}"
            self._changes.append(_view(self._run, case, history, content, key))

    def _note_shares(self, case: CaseResult, history: History) -> None:
        chosen = [cell for cell in history.cells if cell.expectation.choice]
        picture = heat(case.promise, chosen)
        if picture is not None:
            self._heats.append(picture)

    def page(self) -> Page:
        """All of it."""
        run = self._run
        bad = tuple(case for case in run.cases if case.verdict not in ("PASS", "KNOWN"))
        verdict = _verdict(run)
        troubled = tuple(sorted(self._troubled, key=lambda view: WORDS.index(view.verdict)))
        return Page(
            run=run.run,
            verdict=verdict,
            sentence=_ENDS[verdict],
            counts=_counts(run),
            judged=sum(case.judged for case in run.cases),
            ended=ended(run.cases),
            unjudged=unjudged(run.cases, run.problems),
            began=day(min(self._began)) if self._began else "",
            version=run.svcproof or __version__,
            cluster=run.cluster,
            themes=themes(troubled),
            troubled=troubled,
            changes=tuple(self._changes),
            promises=_promises(run.cases, self._pairs),
            heats=tuple(self._heats),
            lacks=_lacks(run.problems),
            latencies=self._times.latencies(FORMS),
            convergence=self._times.convergence(),
            reproduce=tuple(commands(run, bad)),
            culprits=tuple((found, coverage(found)) for found in run.culprits),
            unread=tuple(self._unread.most_common()),
        )


def _view(run: RunResult, case: CaseResult, history: History, content: Pairs, key: str) -> CaseView:
    rows, hidden = attempts(history, case.findings)
    return CaseView(
        key=key,
        case=case.case,
        promise=case.promise,
        verdict=case.verdict,
        judged=case.judged,
        ended=ended([case]),
        named=len({index for line in case.findings for index in line.indices}),
        history=case.history,
        command=again(run, case),
        began=day(begin_ns(history)) if history.entries else "",
        groups=groups(history, case.findings),
        rules=rules(history, case.findings),
        attempts=tuple(rows),
        hidden_attempts=hidden,
        grid=grid(content),
        heat=_who(history, case.findings),
        timeline=timeline(history, guilty(case.findings)),
    )


def _who(history: History, findings: Sequence[FindingLine]) -> Heat | None:
    """Who answered where the finding was made, and in the pairs of the same promise."""
    about = [cell for found in findings if (cell := cell_of(history, found)) is not None]
    promised = {cell.promise.allowed for cell in about}
    alike = [
        cell
        for cell in history.cells
        if cell.promise.allowed in promised and not cell.expectation.unsettled
    ]
    return heat("While that was promised which the finding is about.", alike) if about else None


def _unread(run: RunResult, case: CaseResult, why: str, number: int) -> CaseView:
    """A case whose history is gone: what the results say of it."""
    found = tuple(
        FindingGroup(
            status=line.status,
            check=line.summary.partition(": ")[0],
            summary=line.summary.partition(": ")[2] or line.summary,
            remedy=line.remedy,
            since="",
            at_ns=0,
            places=(FindingPlace(line.where, line.expected, line.seen, "", "", "", (), 0),),
        )
        for line in case.findings
    )
    return CaseView(
        key=f"case-{number + 1}",
        case=case.case,
        promise=case.promise,
        verdict=case.verdict,
        judged=case.judged,
        ended=ended([case]),
        named=len({index for line in case.findings for index in line.indices}),
        history=case.history,
        command=again(run, case),
        began="",
        groups=found,
        rules=(),
        attempts=(),
        hidden_attempts=0,
        grid=None,
        heat=None,
        timeline=None,
        unreadable=why,
    )


def _promises(
    cases: Iterable[CaseResult], content: dict[str, list[Pairs]]
) -> tuple[PromiseView, ...]:
    together: dict[str, list[CaseResult]] = {}
    for case in cases:
        together.setdefault(case.promise, []).append(case)
    views = [
        PromiseView(
            promise=promise,
            verdict=_worst(group),
            cases=len(group),
            judged=sum(case.judged for case in group),
            ended=ended(group),
            facts=tuple(told(fact for case in group for fact in case.facts)),
            grid=grid(merge(content.get(promise, ()))),
        )
        for promise, group in together.items()
    ]
    return tuple(sorted(views, key=lambda view: WORDS.index(view.verdict)))


def _worst(group: Sequence[CaseResult]) -> str:
    words = {case.verdict for case in group}
    return next(word for word in WORDS if word in words)


def _verdict(run: RunResult) -> str:
    """The run's, of its cases and of what prevented some: silence is no pass."""
    words = {case.verdict for case in run.cases} | {problem.word for problem in run.problems}
    if "FAIL" in words:
        return "FAIL"
    if "error" in words or (run.exit_code not in (0, 1, 3)):
        return "ERROR"
    if words & {"INCONCLUSIVE", "inconclusive"} or not run.cases:
        return "INCONCLUSIVE"
    return "PASS" if run.exit_code == 0 else "ERROR"


def _counts(run: RunResult) -> tuple[tuple[str, int], ...]:
    words = [case.verdict for case in run.cases]
    counted = [(word, words.count(word)) for word in WORDS if word != "KNOWN" or word in words]
    others = [problem.word for problem in run.problems]
    return (*counted, *((word, others.count(word)) for word in dict.fromkeys(others)))


def _lacks(problems: Iterable[Problem]) -> tuple[Lack, ...]:
    together: dict[tuple[str, str, str], list[str]] = {}
    for problem in problems:
        key = (problem.word, problem.reason, problem.remedy)
        together.setdefault(key, []).append(problem.case)
    return tuple(
        Lack(word, reason, remedy, tuple(case for case in cases if case))
        for (word, reason, remedy), cases in together.items()
    )
