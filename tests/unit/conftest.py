"""Builders for hand-written histories."""

import pytest

from svcproof.history import Attempt, Backend, History, Outcome, Position, Target
from svcproof.recorder import Recorder

RUN = "r1"


def backend(name: str, *, run: str = RUN, uid: str | None = None) -> Backend:
    return Backend(
        pod=name, uid=f"uid-{name}" if uid is None else uid, node="n1", namespace="ns", run=run
    )


class Story:
    """A history of one position and one target, told attempt by attempt."""

    def __init__(self) -> None:
        self.recorder = Recorder(None, run=RUN, case="story")
        self.position = Position(name="a Pod on n1", kind="pod", node="n1")
        self.target = Target(
            name="svc by ClusterIP", service="svc", form="cluster-ip", host="10.96.0.1", port=80
        )

    backend = staticmethod(backend)

    def expect(self, *pods: str, outcome: Outcome = Outcome.ANSWERED, minimum: int = 4) -> "Story":
        self.recorder.expect(
            self.position,
            self.target,
            outcome=outcome,
            allowed=tuple(backend(pod) for pod in pods),
            minimum=minimum,
        )
        return self

    def answers(self, *pods: str, run: str = RUN, uid: str | None = None) -> "Story":
        for pod in pods:
            answer = Attempt(
                at_ns=1, outcome=Outcome.ANSWERED, backend=backend(pod, run=run, uid=uid)
            )
            self.recorder.observe(self.position, self.target, answer)
        return self

    def ends(self, outcome: Outcome, times: int = 1, detail: str = "") -> "Story":
        for _ in range(times):
            attempt = Attempt(at_ns=1, outcome=outcome, detail=detail)
            self.recorder.observe(self.position, self.target, attempt)
        return self

    @property
    def history(self) -> History:
        return self.recorder.freeze()


@pytest.fixture
def story() -> Story:
    return Story()
