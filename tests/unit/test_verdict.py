"""The verdict algebra; its merge table first."""

from itertools import product

import pytest

from svcproof.history import Header, History
from svcproof.verdict import Finding, Status, Verdict, compose, judged, worst

PASS, INCONCLUSIVE, FAIL = Status.PASS, Status.INCONCLUSIVE, Status.FAIL
EMPTY = History(header=Header(version=1, run="r", case="c"), positions={}, targets={}, entries=())

MERGED = {
    (PASS, PASS): PASS,
    (PASS, INCONCLUSIVE): INCONCLUSIVE,
    (PASS, FAIL): FAIL,
    (INCONCLUSIVE, PASS): INCONCLUSIVE,
    (INCONCLUSIVE, INCONCLUSIVE): INCONCLUSIVE,
    (INCONCLUSIVE, FAIL): FAIL,
    (FAIL, PASS): FAIL,
    (FAIL, INCONCLUSIVE): FAIL,
    (FAIL, FAIL): FAIL,
}


def test_the_table_is_complete():
    assert set(MERGED) == set(product(Status, Status))


@pytest.mark.parametrize(("pair", "merged"), MERGED.items(), ids=str)
def test_merge(pair, merged):
    assert worst(pair) is merged
    checkers = {str(i): lambda _, s=status: Verdict(s, 1) for i, status in enumerate(pair)}
    assert compose(checkers)(EMPTY).status is merged


def test_nothing_is_inconclusive():
    assert worst([]) is INCONCLUSIVE
    assert judged(0, ()).status is INCONCLUSIVE
    assert compose({})(EMPTY).status is INCONCLUSIVE
    assert compose({})(EMPTY).findings


def test_nothing_judged_does_not_hide_a_failure():
    assert judged(0, [Finding(status=FAIL, summary="x")]).status is FAIL


def test_evidence_without_findings_passes():
    assert judged(3, ()) == Verdict(PASS, 3)


def test_a_judge_that_crashes_is_inconclusive():
    def crashing(_):
        raise ZeroDivisionError("oops")

    verdict = compose({"good": lambda _: Verdict(PASS, 7), "bad": crashing})(EMPTY)
    assert verdict.status is INCONCLUSIVE
    assert verdict.judged == 7
    assert "bad: the check itself crashed: ZeroDivisionError: oops" in verdict.findings[0].summary


def test_findings_carry_their_checkers_name():
    finding = Finding(status=FAIL, summary="lost", indices=(3,))
    (named,) = compose({"reach": lambda _: judged(1, [finding])})(EMPTY).findings
    assert named.summary == "reach: lost"
    assert named.indices == (3,)
