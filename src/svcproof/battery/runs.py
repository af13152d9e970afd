"""Making measurements in turns: while one pauses, others are made."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from msgspec import structs

from svcproof.battery.bench import Bench
from svcproof.battery.measurements import Measurement, Question, Steps
from svcproof.battery.topics import Topic
from svcproof.checkers import CHECKS
from svcproof.errors import NotSupported, SvcproofError
from svcproof.events import FaultHealed, FaultInjected, Judged, NotAsked
from svcproof.recorder import Recorder
from svcproof.verdict import Finding, Status, Verdict, compose

__all__ = ["Answer", "Turn", "in_turns"]


@dataclass(frozen=True)
class Answer:
    """The verdict on one topic.

    ``history`` is the file that it rests on, if there is one; ``unsupported``
    says that this cluster cannot be asked.
    """

    topic: Topic
    verdict: Verdict
    history: str = ""
    unsupported: bool = False

    @property
    def status(self) -> Status:
        """The verdict's status."""
        return self.verdict.status

    def checks(self, status: Status) -> tuple[str, ...]:
        """The checks that have a finding of this status, by name."""
        named = (
            found.summary.partition(":")[0]
            for found in self.verdict.findings
            if found.status is status
        )
        return tuple(dict.fromkeys(name for name in named if name in CHECKS))

    @property
    def first(self) -> str:
        """The first finding of those that made the verdict what it is, in one line."""
        for found in self.verdict.findings:
            if found.status is self.status:
                return f"{found.summary} [{found.where}]" if found.where else found.summary
        return ""


class Turn:
    """One measurement under way; ``events`` of another history are repeated in its own first."""

    def __init__(
        self,
        measurement: Measurement,
        bench: Bench,
        recorder: Recorder,
        events: Iterable[FaultInjected | FaultHealed] = (),
    ) -> None:
        self._measurement = measurement
        self._recorder = recorder
        for event in events:
            recorder.event(structs.replace(event, done_at_ns=event.at_ns))
        self._steps: Steps = measurement.act(bench, bench.run(recorder))
        self.resume_at = 0.0

    def go_on(self) -> list[Answer]:
        """Do what can be done now; the answers if that was the end of it."""
        try:
            pause = next(self._steps)
        except StopIteration:
            return self._answers(self._judge)
        except SvcproofError as error:
            untold = _untold(error)
            unsupported = isinstance(error, NotSupported)
            if unsupported:
                self._recorder.event(NotAsked(reason=error.what))
            return self._answers(lambda _: untold, unsupported=unsupported)
        self.resume_at = time.monotonic() + pause
        return []

    def close(self) -> None:
        """End it where it is; what it has to clean up it does."""
        self._steps.close()
        self._recorder.close()

    def _answers(
        self, judge: Callable[[Question], Verdict], *, unsupported: bool = False
    ) -> list[Answer]:
        path = str(self._recorder.path or "")
        return [
            Answer(question.topic, judge(question), path, unsupported)
            for question in self._measurement.questions
        ]

    def _judge(self, question: Question) -> Verdict:
        verdict = compose({name: CHECKS[name] for name in question.checks})(self._recorder.freeze())
        self._recorder.event(Judged(verdict=verdict.status.word, checks=question.checks))
        return verdict


def in_turns(runs: Iterable[Turn]) -> Iterator[Answer]:
    """The answers of all runs, one after the other; one that pauses is resumed in time."""
    waiting = list(runs)
    try:
        while waiting:
            run = min(waiting, key=lambda each: each.resume_at)
            time.sleep(max(0.0, run.resume_at - time.monotonic()))
            answers = run.go_on()
            if answers:
                waiting.remove(run)
                run.close()
            yield from answers
    finally:
        for run in waiting:
            run.close()


def _untold(error: SvcproofError) -> Verdict:
    finding = Finding(status=Status.INCONCLUSIVE, summary=error.what, remedy=error.remedy)
    return Verdict(Status.INCONCLUSIVE, 0, (finding,))
