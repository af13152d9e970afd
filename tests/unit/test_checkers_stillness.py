"""A promise that changes while it is measured: what then looks wrong proves nothing."""

import pytest

from svcproof.checkers import CHECKS, judge
from svcproof.events import NotConverged, PromiseChanged, SettledLate
from svcproof.history import Outcome
from svcproof.verdict import Status


def changed(story):
    named = {"position": story.position.name, "target": story.target.name}
    return story.event(PromiseChanged(before="answered by a", after="answered by b", **named))


def test_what_was_not_as_promised_is_inconclusive(story):
    story.expect("a").answers(*"aab").ends(Outcome.REFUSED)
    assert judge(story.history).status is Status.FAIL
    changed(story)
    verdict = story.verdict(CHECKS["responders"])
    assert verdict.status is Status.INCONCLUSIVE
    finding = verdict.findings[0]
    assert "answered by a Pod that should not" in finding.summary
    assert "changed meanwhile" in finding.summary
    assert "answered by b" in finding.expected
    assert finding.indices[-1] == len(story.entries) - 1
    assert story.verdict(CHECKS["reachability"]).status is Status.INCONCLUSIVE


def test_who_kept_to_the_promise_passes(story):
    changed(story.expect("a").answers(*"aaaa"))
    assert judge(story.history).status is Status.PASS


def test_a_stranger_is_wrong_whatever_is_promised(story):
    changed(story.expect("a").answers("a", "a", "a").answers("x", run="another"))
    assert story.verdict(CHECKS["responders"]).status is Status.FAIL


@pytest.mark.parametrize("before", [True, False])
def test_another_measurement_of_the_same_pair_is_not_excused(story, before):
    if before:
        story.expect("a").answers(*"aaab")
        changed(story.expect("a").answers(*"aaaa"))
    else:
        changed(story.expect("a").answers(*"aaaa"))
        story.expect("a").answers(*"aaab")
    assert judge(story.history).status is Status.FAIL


def test_another_pair_is_not_excused(story):
    story.expect("a").answers(*"aaab")
    changed(story.client("another").expect("a").answers(*"aaaa"))
    assert judge(story.history).status is Status.FAIL


def late(story):
    return story.event(SettledLate(position=story.position.name, target=story.target.name))


def test_a_pair_that_was_late_is_not_blamed(story):
    story.expect("a").ends(Outcome.REFUSED, 3).at(1).answers(*"aaa")
    assert judge(story.history).status is Status.FAIL
    late(story)
    (finding,) = story.verdict(CHECKS["reachability"]).findings
    assert finding.status is Status.INCONCLUSIVE
    assert "it was right soon after" in finding.summary


def test_a_pair_that_never_was_right_while_it_was_measured_may_be_late_too(story):
    late(story.expect("a").ends(Outcome.REFUSED, 6))
    assert story.verdict(CHECKS["reachability"]).status is Status.INCONCLUSIVE


def test_what_is_wrong_now_and_then_is_not_late(story):
    """One lucky look afterwards excuses no loss."""
    story.expect("a")
    for second in range(6):
        story.at(second).answers("a").at(second + 0.5).ends(Outcome.TIMED_OUT)
    late(story)
    assert story.verdict(CHECKS["reachability"]).status is Status.FAIL


def test_a_wait_that_ran_out_is_no_contradiction_where_the_pair_was_right_soon_after(story):
    story.event(
        NotConverged(
            position=story.position.name,
            target=story.target.name,
            limit_seconds=15.0,
            last_state="refused",
        )
    )
    story.expect("a").answers(*"aaaa")
    assert story.verdict(CHECKS["convergence"]).status is Status.INCONCLUSIVE
    late(story)
    assert story.verdict(CHECKS["convergence"]).status is Status.PASS
