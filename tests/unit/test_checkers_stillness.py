"""A promise that changes while it is measured: what then looks wrong proves nothing."""

import pytest

from svcproof.checkers import CHECKS, judge
from svcproof.events import PromiseChanged
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
