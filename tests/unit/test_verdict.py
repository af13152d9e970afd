"""The verdict algebra; its merge table first."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svcproof.history import Header, History
from svcproof.verdict import (
    NOTHING_JUDGED,
    Fact,
    Finding,
    Status,
    Verdict,
    compose,
    judged,
    worst,
)

PASS, KNOWN, INCONCLUSIVE, FAIL = (
    Status.PASS,
    Status.KNOWN,
    Status.INCONCLUSIVE,
    Status.FAIL,
)
EMPTY = History.of(Header(version=1, run="r", case="c"), {}, {}, ())

MERGED = {
    (PASS, PASS): PASS,
    (PASS, INCONCLUSIVE): INCONCLUSIVE,
    (PASS, FAIL): FAIL,
    (PASS, KNOWN): KNOWN,
    (KNOWN, PASS): KNOWN,
    (KNOWN, KNOWN): KNOWN,
    (KNOWN, INCONCLUSIVE): INCONCLUSIVE,
    (KNOWN, FAIL): FAIL,
    (INCONCLUSIVE, KNOWN): INCONCLUSIVE,
    (FAIL, KNOWN): FAIL,
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


# --- the algebra, for any verdicts -------------------------------------------------------------

VERDICTS = [
    judged(count, [Finding(status=status, summary=f"{status.word} {n}") for n, status in found])
    for count in (0, 1, 7)
    for found in map(
        list, map(enumerate, [(), (FAIL,), (INCONCLUSIVE,), (FAIL, INCONCLUSIVE), (FAIL, FAIL)])
    )
]
verdicts = st.sampled_from(VERDICTS)
named = st.lists(verdicts, max_size=5).map(lambda told: {str(n): v for n, v in enumerate(told)})


def composed(told: dict[str, Verdict]) -> Verdict:
    return compose({name: lambda _, v=verdict: v for name, verdict in told.items()})(EMPTY)


@given(named)
def test_the_order_of_the_checks_does_not_change_the_status(told):
    backwards = dict(reversed(told.items()))
    assert composed(backwards).status is composed(told).status
    assert composed(backwards).judged == composed(told).judged
    assert sorted(map(repr, composed(backwards).findings)) == sorted(
        map(repr, composed(told).findings)
    )


@given(named)
def test_a_check_asked_twice_changes_nothing_but_the_number_of_findings(told):
    twice = told | {f"{name} again": verdict for name, verdict in told.items()}
    assert composed(twice).status is composed(told).status
    assert len(composed(twice).findings) == 2 * len(composed(told).findings) or not told


@given(named)
def test_no_verdict_is_better_than_its_worst_part(told):
    for verdict in told.values():
        assert composed(told).status >= verdict.status
    assert composed(told).status is worst(verdict.status for verdict in told.values())


@given(named, named)
def test_composing_in_two_steps_is_composing_in_one(some, others):
    all_at_once = composed(
        {f"1{k}": v for k, v in some.items()} | {f"2{k}": v for k, v in others.items()}
    )
    parts = [composed(part) for part in (some, others) if part]
    assert all_at_once.status is worst(part.status for part in parts)


@given(verdicts)
def test_a_pass_has_evidence_and_no_findings(verdict):
    assert verdict.status is not PASS or (verdict.judged and not verdict.findings)
    assert verdict.status is PASS or verdict.findings


def test_the_evidence_is_the_largest_that_any_check_judged():
    assert (
        composed({"a": Verdict(PASS, 3), "b": Verdict(PASS, 7), "c": Verdict(PASS, 5)}).judged == 7
    )


def test_facts_are_joined_and_kept_whatever_the_verdict():
    fact, other = Fact("choice", "random"), Fact("shares", "equal", "p → t")
    assert judged(0, (), iter([fact])).facts == (fact,)
    assert judged(1, [Finding(status=FAIL, summary="x")], [fact]).facts == (fact,)
    told = {"a": judged(1, (), [fact]), "b": judged(1, (), [other])}
    assert composed(told).facts == (fact, other)


def test_no_evidence_is_a_finding_of_its_own_unless_others_say_why():
    assert judged(0, ()) == Verdict(INCONCLUSIVE, 0, (NOTHING_JUDGED,))
    assert (NOTHING_JUDGED.summary, NOTHING_JUDGED.seen) == ("nothing was judged", "none")
    why = Finding(status=INCONCLUSIVE, summary="lost")
    assert judged(0, [why]) == Verdict(INCONCLUSIVE, 0, (why,))


def test_a_crash_is_a_fault_of_the_harness():
    def crashing(_):
        raise KeyError("oops")

    verdict = compose({"bad": crashing})(EMPTY)
    assert (verdict.status, verdict.judged) == (INCONCLUSIVE, 0)
    (finding,) = verdict.findings
    assert finding.status is INCONCLUSIVE
    assert "fault of the harness" in finding.remedy


def test_a_status_has_a_word():
    assert [status.word for status in Status] == ["PASS", "KNOWN", "INCONCLUSIVE", "FAIL"]
