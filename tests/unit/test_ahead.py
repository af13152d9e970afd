"""Cases that begin before their turn."""

import inspect
import threading
import time
from types import SimpleNamespace

import pytest

from svcproof.context import Context
from svcproof.events import KnownDeviation, NotConverged, Sign
from svcproof.fixtures.ahead import Ahead
from svcproof.fixtures.outcome import CASE, Case
from svcproof.limits import Limits
from svcproof.patience import Patience
from svcproof.recorder import Recorder
from svcproof.verdict import Finding, Status, Verdict

SOON = 5.0


class Item:
    """As much of a pytest item as is asked."""

    def __init__(self, name: str, function, *, quick: bool = False) -> None:
        self.nodeid = self.name = name
        self.function = function
        self.stash = {}
        self._fixtureinfo = SimpleNamespace(argnames=tuple(inspect.signature(function).parameters))
        self._quick = quick

    def get_closest_marker(self, name: str):
        return (name == "svc_quick" and self._quick) or None


def open_run(item: Item, *known: KnownDeviation):
    recorder = Recorder(None, run="r", case=item.nodeid)
    item.stash[CASE] = Case(recorder)
    context = Context(None, recorder, Limits(), Patience(), None, known)
    return SimpleNamespace(recorder=recorder, context=context, name=item.name)


@pytest.fixture
def ahead():
    ahead = Ahead(open_run, at_once=8)
    yield ahead
    ahead.close()


def test_lanes_run_side_by_side_and_a_lane_in_order(ahead):
    log, both = [], threading.Barrier(2)

    def first(run):
        both.wait(SOON)  # another lane is at the same point
        log.append("first")

    def second(run):
        log.append("second")

    def other(run):
        both.wait(SOON)

    items = [Item("first", first), Item("second", second), Item("other", other)]
    ahead.begin([items[:2], items[2:]])
    for item in items:
        assert ahead.take(item).result(SOON) is None
    assert log == ["first", "second"]


def test_what_a_case_raises_is_raised_in_its_turn_and_the_lane_goes_on(ahead):
    def wrong(run):
        raise ValueError("wrong")

    items = [Item("wrong", wrong), Item("right", lambda: None)]
    ahead.begin([items])
    assert ahead.take(items[1]).result(SOON) is None
    with pytest.raises(ValueError, match="wrong"):
        ahead.take(items[0]).result(SOON)


def test_how_a_case_ended_is_taken_once(ahead):
    item = Item("one", lambda: None)
    ahead.begin([[item]])
    assert ahead.take(item) is not None
    assert ahead.take(item) is None  # whoever runs it again, runs it anew


def test_those_that_come_later_let_the_first_have_a_start(ahead):
    log = []

    def quick(run):
        time.sleep(0.1)
        log.append("quick")

    ahead.begin([[Item("quick", quick, quick=True)]])
    late = Item("late", lambda: log.append("late"))
    ahead.begin([[late]], after_seconds=SOON)
    ahead.take(late).result(SOON)
    assert log == ["quick", "late"]


def test_no_more_lanes_are_under_way_than_may_be():
    ahead, under_way, order = Ahead(open_run, at_once=2), threading.Semaphore(2), []

    def case(run):
        assert under_way.acquire(blocking=False), "a third one"
        order.append(run.name)
        time.sleep(0.02)
        under_way.release()

    items = [Item(f"case {n}", case) for n in range(7)]
    ahead.begin([[item] for item in items])
    for item in items:
        assert ahead.take(item).result(SOON) is None
    assert sorted(order) == [item.name for item in items]
    assert set(order[:2]) == {"case 0", "case 1"}
    ahead.close()


def test_the_end_of_a_session_stops_what_is_under_way_and_begins_nothing_else():
    ahead, log, under_way = Ahead(open_run, at_once=8), [], threading.Event()

    def endless(run):
        under_way.set()
        run.context.stopped.wait(SOON)
        log.append("stopped" if run.context.stopped.is_set() else "not stopped")

    lane = [Item("endless", endless), Item("next", lambda: log.append("next"))]
    ahead.begin([lane])
    assert under_way.wait(SOON)
    ahead.close()
    assert log == ["stopped"]
    assert ahead.take(lane[1]).cancelled()


def test_bad_news_is_told_once(ahead):
    def unsettled(run):
        run.recorder.event(
            NotConverged(position="p", target="t", limit_seconds=5.0, last_state="refused")
        )

    items = [Item("one", unsettled), Item("other", unsettled)]
    ahead.begin([items])
    for item in items:
        ahead.take(item).result(SOON)
    assert list(ahead.bad_news()) == ["✗ not so far: p → t: refused"]
    assert list(ahead.bad_news()) == []


def test_what_is_known_of_a_cluster_is_no_news():
    sign = Sign(summary="all refused", where="p → t")
    known = KnownDeviation(slug="s", seen="refused", findings=(sign,))

    def unsettled(run):
        for target in ("t", "other"):
            run.recorder.event(
                NotConverged(position="p", target=target, limit_seconds=5.0, last_state="refused")
            )

    ahead = Ahead(lambda item: open_run(item, known), at_once=8)
    item = Item("known", unsettled)
    ahead.begin([[item]])
    ahead.take(item).result(SOON)
    assert list(ahead.bad_news()) == ["✗ not so far: p → other: refused"]
    ahead.close()


def test_a_case_that_failed_is_told_before_its_turn(ahead):
    finding = Finding(
        status=Status.FAIL, summary="3 of 66 connections ended refused", where="p → t"
    )

    def failing(run):
        item.stash[CASE].verdict = Verdict(Status.FAIL, 66, (finding,))
        raise AssertionError

    item = Item("failing", failing)
    ahead.begin([[item]])
    assert ahead.take(item).exception(SOON)
    assert list(ahead.bad_news()) == ["FAIL  failing: 3 of 66 connections ended refused, p → t"]
    assert list(ahead.bad_news()) == []


def test_how_long_a_case_took_is_its_own_time(ahead):
    item = Item("one", lambda: time.sleep(0.05))
    ahead.begin([[item]])
    ahead.take(item).result(SOON)
    assert item.stash[CASE].seconds >= 0.05
