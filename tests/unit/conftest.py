"""Builders for hand-written histories."""

from collections.abc import Generator
from typing import Any

import msgspec
import numpy  # noqa: F401  (a session in a test forgets its imports; these load once only)
import pytest
import scipy.special  # noqa: F401

from svcproof.errors import NotSupported
from svcproof.events import Event
from svcproof.history import (
    VERSION,
    Backend,
    Entry,
    Expectation,
    Header,
    History,
    Observation,
    Outcome,
    Position,
    PositionDeclared,
    Promise,
    Target,
    TargetDeclared,
    encode,
)
from svcproof.history_reader import decode_lines
from svcproof.verdict import NOTHING_JUDGED, Checker, Verdict

RUN = "r1"
#: When a story begins; its attempts are a millisecond apart.
START_NS = 1_700_000_000_000_000_000
STEP_NS = 1_000_000


def backend(name: str, *, run: str = RUN, uid: str | None = None) -> Backend:
    return Backend(
        pod=name, uid=f"uid-{name}" if uid is None else uid, node="n1", namespace="ns", run=run
    )


class Story:
    """A history told attempt by attempt, on a clock of its own; one pair until another is named."""

    backend = staticmethod(backend)

    def __init__(self) -> None:
        self.now_ns = START_NS
        self.position = Position(name="a Pod on n1", kind="pod", node="n1", pod="client-n1")
        self.target = Target(
            name="svc by ClusterIP", service="svc", form="cluster-ip", host="10.96.0.1", port=80
        )
        self.entries: list[Entry] = []
        self._positions: dict[str, Position] = {}
        self._targets: dict[str, Target] = {}

    def at(self, seconds: float) -> "Story":
        """The next entry is of so many seconds after the story's begin."""
        self.now_ns = START_NS + round(seconds * 1e9)
        return self

    def client(self, name: str, **fields: Any) -> "Story":
        """From here on another client sends."""
        self.position = Position(name=name, **({"kind": "pod", "pod": name} | fields))
        return self

    def dials(self, name: str, **fields: Any) -> "Story":
        """From here on another target is dialled."""
        values = {"service": "svc", "form": "cluster-ip", "host": "10.96.0.2", "port": 80} | fields
        self.target = Target(name=name, **values)
        return self

    def expect(self, *pods: str, minimum: int = 4, **fields: Any) -> "Story":
        """From here on these Pods must answer; ``fields`` are an expectation's or its promise's."""
        promised = {"outcome": Outcome.ANSWERED, "rule": "", "allowed": tuple(map(backend, pods))}
        for name in set(fields) & set(Promise.__struct_fields__):
            promised[name] = fields.pop(name)
        self._add(
            Expectation(
                index=len(self.entries),
                at_ns=self.now_ns,
                promise=Promise(**promised),
                **self._pair(),
                **({"minimum": minimum} | fields),
            )
        )
        return self

    def answers(self, *pods: str, run: str = RUN, uid: str | None = None, **fields: Any) -> "Story":
        """One answer by each of the Pods; ``fields`` are an attempt's."""
        for pod in pods:
            answered_by = backend(pod, run=run, uid=uid)
            self.ends(Outcome.ANSWERED, backend=answered_by, **fields)
        return self

    def ends(self, outcome: Outcome, times: int = 1, **fields: Any) -> "Story":
        """So many attempts that end in this way."""
        for _ in range(times):
            index = len(self.entries)
            self._add(
                Observation(
                    index=index, at_ns=self.now_ns, outcome=outcome, **self._pair(), **fields
                )
            )
        return self

    def event(self, event: Event) -> "Story":
        """Something that was done, or seen."""
        self._add(msgspec.structs.replace(event, index=len(self.entries), at_ns=self.now_ns))
        return self

    @property
    def history(self) -> History:
        header = Header(version=VERSION, run=RUN, case="story")
        return History.of(header, dict(self._positions), dict(self._targets), self.entries)

    @property
    def saved(self) -> History:
        """The same history, written and read again."""
        history = self.history
        records = [
            history.header,
            *map(PositionDeclared, history.positions.values()),
            *map(TargetDeclared, history.targets.values()),
            *history.entries,
        ]
        return decode_lines(encode(record) for record in records)

    def verdict(self, check: Checker) -> Verdict:
        """What a check says: the same of the saved history as of the live one, in full words."""
        verdict = check(self.history)
        assert check(self.saved) == verdict
        for finding in verdict.findings:
            assert finding.summary
            assert finding.remedy
            assert finding == NOTHING_JUDGED or finding.where
            assert "None" not in f"{finding.summary}{finding.where}{finding.remedy}"
            assert isinstance(finding.expected, str)
            assert isinstance(finding.seen, str)
            assert set(finding.indices) <= set(range(len(self.entries)))
        for fact in verdict.facts:
            assert fact.name
            assert fact.value
            assert isinstance(fact.where, str)
        return verdict

    def _pair(self) -> dict[str, str]:
        self._positions[self.position.name] = self.position
        self._targets[self.target.name] = self.target
        return {"position": self.position.name, "target": self.target.name}

    def _add(self, entry: Entry) -> None:
        self.entries.append(entry)
        self.now_ns += STEP_NS


@pytest.fixture
def story() -> Story:
    return Story()


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """The plugin under test turns NotSupported into a skip; of a unit test that is a failure."""
    try:
        return (yield)
    except NotSupported as error:
        raise AssertionError(f"not supported: {error}") from error
