"""Questions: what contradicts itself is refused where it is asked."""

import pytest

from svcproof.asking import Ask, Asked, ending
from svcproof.errors import UsageError
from svcproof.expect import Promise
from svcproof.history import Outcome, Position, Target
from svcproof.pacing import concurrency_of, size_of
from svcproof.ports import ClusterFacts
from svcproof.stats import failure_size, sample_size

HERE = Position(name="a Pod on node-1", kind="pod", node="node-1")
THERE = Position(name="a Pod on node-2", kind="pod", node="node-2")
WEB = Target(name="web by ClusterIP", service="web", form="cluster-ip", host="192.0.2.1", port=80)
GONE = Target(
    name="gone by ClusterIP", service="gone", form="cluster-ip", host="192.0.2.2", port=80
)


@pytest.mark.parametrize(
    ("asked", "what"),
    [
        ({}, "nothing is asked"),
        ({"pairs": ((HERE, WEB),), "affinity": "pinned"}, "unknown affinity 'pinned'"),
        ({"pairs": ((HERE, WEB),), "affinity": "pin", "choice": True}, "shares are asked for"),
        ({"pairs": ((HERE, WEB),), "keep_alive": True, "choice": True}, "shares are asked for"),
        ({"pairs": ((HERE, WEB),), "failing": ((HERE, WEB),)}, "is to be answered, and is to fail"),
        ({"pairs": ((THERE, WEB),), "failing": ((HERE, GONE),)}, "nothing is to answer the same"),
        ({"failing": ((HERE, GONE),)}, "nothing is to answer the same"),
        ({"pairs": ((HERE, WEB),), "count": -1}, "cannot be negative"),
        ({"pairs": ((HERE, WEB),), "payload": 65_537}, "a payload of 65,537 bytes"),
        (
            {"pairs": ((HERE, WEB),), "ending": ending((Outcome.REFUSED,), "it is closed")},
            "of none that it must",
        ),
    ],
)
def test_what_contradicts_itself_is_refused(asked, what):
    with pytest.raises(UsageError) as caught:
        Ask(**asked)
    assert what in str(caught.value)


def test_the_words_that_there_are_stand_in_the_remedy():
    with pytest.raises(UsageError) as caught:
        Ask(pairs=((HERE, WEB),), affinity="pinned")
    assert "pin, keep, redraw" in caught.value.remedy


def test_a_misspelt_word_is_an_error_where_it_stands():
    with pytest.raises(TypeError, match="affinty"):
        Ask(pairs=((HERE, WEB),), affinty="pin")


def test_how_connections_end_may_be_said_in_several_words():
    promise = ending((Outcome.REFUSED, Outcome.TIMED_OUT), "it is closed")
    assert promise.outcomes == (Outcome.REFUSED, Outcome.TIMED_OUT)


def asked(promise: Promise, *, is_failing: bool = False, **ask) -> Asked:
    pairs = ((HERE, GONE),) if is_failing else ((HERE, WEB),)
    return Asked(
        position=HERE,
        target=WEB,
        promise=promise,
        ask=Ask(pairs=pairs, **ask),
        is_failing=is_failing,
    )


ANSWERED = Promise(outcome=Outcome.ANSWERED, rule="r")
SILENT = Promise(outcome=Outcome.TIMED_OUT, rule="r")
REFUSED = Promise(outcome=Outcome.REFUSED, rule="r")
NAMED = Promise(outcome=Outcome.ANSWERED, rule="r", answers=("a",))


@pytest.mark.parametrize(
    ("one", "size"),
    [
        (asked(ANSWERED), sample_size(0)),
        (asked(ANSWERED, count=500), 500),
        (asked(ANSWERED, count=1), sample_size(0)),
        (asked(REFUSED, is_failing=True, count=500), failure_size()),
        (asked(NAMED), 10),
    ],
)
def test_a_sample_is_never_smaller_than_what_decides(one, size):
    assert size_of(one) == size


def facts(*, limits_refusals: bool) -> ClusterFacts:
    return ClusterFacts(
        "c", "fake", "1.36.0", "iptables", ("ipv4",), ("n",), limits_refusals=limits_refusals
    )


@pytest.mark.parametrize(
    ("one", "hangs", "at_once"),
    [
        (asked(ANSWERED), False, 8),
        (asked(ANSWERED, concurrency=1), False, 1),
        (asked(ANSWERED, concurrency=1), True, 66),
        (asked(ANSWERED, keep_alive=True, concurrency=1), True, 1),
        (asked(SILENT, is_failing=True), False, failure_size()),
        (asked(REFUSED, is_failing=True), False, 1),
    ],
)
def test_what_hangs_hangs_side_by_side(one, hangs, at_once):
    assert concurrency_of(one, facts(limits_refusals=True), 66, hangs=hangs) == at_once


def test_refusals_come_one_by_one_only_where_nodes_limit_them():
    one = asked(REFUSED, is_failing=True)
    assert concurrency_of(one, facts(limits_refusals=False), 10) == failure_size()
