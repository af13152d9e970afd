"""Where an experiment's steps happen: kubectl is run, traffic is sent, and each is checked."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

from svcproof.app import App
from svcproof.asking import Ask, Pair
from svcproof.checkers import checks_due, judge
from svcproof.events import Judged
from svcproof.history import Affinity
from svcproof.measurement import measure
from svcproof.notes.ground import Ground
from svcproof.notes.kubectl import Kubectl
from svcproof.notes.measured import summary, table
from svcproof.notes.model import Kind, Step, StepFailed
from svcproof.ports import Cluster
from svcproof.recorder import Recorder
from svcproof.verdict import Status

__all__ = ["Stage"]

_LIMIT: Final = 60.0
_INTERVAL: Final = 0.3


class Stage:
    """What an experiment's script has in its hands.

    Every step goes to ``tell``; one that does not come out as it must is told, and
    raises :class:`~svcproof.notes.model.StepFailed`.
    """

    def __init__(self, ground: Ground, kubectl: Kubectl, tell: Callable[[Step], None]) -> None:
        self.ground = ground
        self._kubectl = kubectl
        self._tell = tell

    @property
    def cluster(self) -> Cluster:
        """The cluster that all happens in."""
        return self.ground.cluster

    def say(self, text: str) -> None:
        """Words between the steps."""
        self._add("remark", text)

    def correct(self, text: str) -> None:
        """What the notes have that is not so, or not so any more; the step before shows it."""
        self._add("correction", text)

    def manifest(self, file: str, text: str, *, look: str = "") -> None:
        """Show a manifest of the notes."""
        content = (self._kubectl.directory / file).read_text().rstrip()
        self._add("manifest", text, command=file, output=content, look=look)

    def kubectl(
        self,
        line: str,
        text: str,
        *,
        shows: str = "",
        times: int = 0,
        expected: str = "",
        only: str = "",
        pick: str = "",
        look: str = "",
        limit: float = _LIMIT,
        fails: bool = False,
    ) -> str:
        """Run a command, again and again until its output shows what it must.

        ``shows`` is a regular expression that has to match, ``times`` times if that is
        given, and ``expected`` says it in words; without it the command has to end well.
        ``fails``: it must be refused.
        """
        began = time.monotonic()
        while True:
            shown, output, code = self._kubectl.run(line, only=only, pick=pick)
            right = bool(code) == fails and _matches(shows, output, times)
            seconds = time.monotonic() - began
            # What changes something is done once.
            if right or not shows or seconds > limit or not _only_looks(line):
                break
            time.sleep(_INTERVAL)
        wanted = expected or ("is refused" if fails else "it is accepted")
        self._add(
            "command",
            text,
            command=shown,
            output=output,
            look=look,
            expected=wanted,
            seen=_seen(right, code, output, seconds),
            passed=right,
        )
        return output

    def apply(self, file: str, shows: str, text: str = "It is made from the file.") -> None:
        """Make what a file says."""
        self.kubectl(f"apply -f {file}", text, shows=shows, expected="it is there")

    def tidy(self, *files: str) -> None:
        """Delete what files have made."""
        named = " ".join(f"-f {file}" for file in files)
        self.kubectl(
            f"delete {named} --wait=false", "Tidied up.", shows="deleted", expected="it is deleted"
        )

    def value(self, line: str) -> str:
        """Something that a later step needs to know, and nobody has to see."""
        return self._kubectl.run(line)[1].strip()

    def measure(
        self,
        text: str,
        app: App,
        pairs: Iterable[Pair],
        *,
        expected: str,
        look: str = "",
        failing: Iterable[Pair] = (),
        count: int = 0,
        cover: bool = True,
        choice: bool = False,
        about_sources: bool = False,
        affinity: Affinity = "",
        concurrency: int = 0,
        keep_alive: bool = False,
    ) -> None:
        """Send many fresh connections and have the suites' own checks judge them."""
        ask = Ask(
            pairs=tuple(pairs),
            failing=tuple(failing),
            count=count,
            cover=cover,
            choice=choice,
            about_sources=about_sources,
            affinity=affinity,
            concurrency=concurrency,
            keep_alive=keep_alive,
        )
        case = f"notes: {text}"
        described = self.cluster.facts.described()
        path = self.ground.next_history()
        with Recorder(path, run=self.ground.run, case=case, cluster=described) as recorder:
            history = measure(ask, self.ground.context(app, recorder))
            verdict = judge(history)
            checks = tuple(checks_due(history))
            recorder.event(Judged(verdict=verdict.status.word, checks=checks))
        self._add(
            "measured",
            text,
            output=table(history),
            history="" if path is None else str(path),
            look=look,
            expected=expected,
            seen=summary(history, verdict),
            passed=verdict.status is Status.PASS,
        )

    def check(self, text: str, *, expected: str, seen: str, passed: bool) -> None:
        """Something that was found out otherwise."""
        self._add("measured", text, expected=expected, seen=seen, passed=passed)

    def _add(self, kind: Kind, text: str, **fields: Any) -> None:
        step = Step(kind=kind, text=" ".join(text.split()), **fields)
        self._tell(step)
        if not step.passed:
            raise StepFailed(step)


def _matches(shows: str, output: str, times: int) -> bool:
    found = len(re.findall(shows, output, re.MULTILINE))
    return not shows or (found == times if times else found > 0)


def _only_looks(line: str) -> bool:
    return line.split(maxsplit=1)[0] in ("get", "describe", "logs", "explain") or line.startswith(
        "rollout history"
    )


def _seen(right: bool, code: int, output: str, seconds: float) -> str:
    if right:
        return f"after {seconds:.1f} s" if seconds > 1 else ""
    last = output.splitlines()[-1:] or ["nothing"]
    return f"exit code {code} after {seconds:.1f} s, and the output above, which ends: {last[0]}"
