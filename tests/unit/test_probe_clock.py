"""A client's times on this machine's clock."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svcproof.history import Attempt, Outcome
from svcproof.probes import clock as clocks
from svcproof.probes.clock import ClientClock

SECOND = 10**9
MS = 10**6
START = 1_700_000_000 * SECOND


class Wire:
    """Orders and lines that take time, between two clocks."""

    def __init__(self, monkeypatch, *, ahead, line=2 * MS):
        self.now = START
        self.ahead, self.line = ahead, line
        monkeypatch.setattr(clocks, "now_ns", lambda: self.now)
        self.clock = ClientClock()

    def attempt(self, *, after=5 * MS, reply_ms=1):
        """One that begins so long after what was before: its time, and the time told."""
        began = self.now + after
        self.now = began + reply_ms * MS + self.line
        made = Attempt(
            at_ns=began + self.ahead, outcome=Outcome.ANSWERED, reply_us=reply_ms * 1_000
        )
        return began, self.clock.ours(made).at_ns


@pytest.mark.parametrize("ahead", [0, MS, -4 * MS])
def test_clocks_that_may_be_one_are_taken_for_one(monkeypatch, ahead):
    wire = Wire(monkeypatch, ahead=ahead)
    for _ in range(3):
        began, told = wire.attempt()
        assert told == began + ahead


@pytest.mark.parametrize("ahead", [20 * SECOND, -20 * SECOND, SECOND, -3 * SECOND, 20 * MS])
def test_clocks_that_differ_are_put_right_but_for_the_time_of_a_line(monkeypatch, ahead):
    wire = Wire(monkeypatch, ahead=ahead)
    for _ in range(3):
        began, told = wire.attempt()
        assert told == began + wire.line


def test_the_line_that_came_soonest_tells_best(monkeypatch):
    wire = Wire(monkeypatch, ahead=20 * SECOND)
    wire.line = 900 * MS
    began, told = wire.attempt()
    assert told - began == 900 * MS
    wire.line = 3 * MS
    began, told = wire.attempt()
    assert told - began == 3 * MS
    wire.line = 900 * MS
    began, told = wire.attempt()
    assert told - began == 3 * MS


def test_the_time_of_the_connection_itself_is_none_of_the_line(monkeypatch):
    wire = Wire(monkeypatch, ahead=-20 * SECOND)
    began, told = wire.attempt(reply_ms=3_000)
    assert told - began == wire.line


@pytest.mark.parametrize("step", ["resolve_us", "connect_us", "reply_us"])
def test_each_step_of_a_connection_is_none_of_the_line(monkeypatch, step):
    monkeypatch.setattr(clocks, "now_ns", lambda: START)
    clock = ClientClock()
    made = Attempt(at_ns=START - 20 * SECOND, outcome=Outcome.ANSWERED, **{step: 3_000_000})
    assert clock.ours(made).at_ns == START - 3 * SECOND


def test_no_time_is_before_all_time(monkeypatch):
    monkeypatch.setattr(clocks, "now_ns", lambda: 5)
    clock = ClientClock()
    made = Attempt(at_ns=2 * SECOND, outcome=Outcome.ANSWERED, reply_us=1_000)
    assert clock.ours(made).at_ns == 0


@given(
    ahead=st.integers(-100 * SECOND, 100 * SECOND),
    waits=st.lists(st.tuples(st.integers(1, SECOND), st.integers(0, SECOND)), min_size=1),
)
def test_nothing_is_told_before_it_was_ordered_or_after_it_came(ahead, waits):
    with pytest.MonkeyPatch.context() as patch:
        wire = Wire(patch, ahead=ahead)
        for after, line in waits:
            wire.line = line
            _, told = wire.attempt(after=after)
            assert START <= told <= wire.now
