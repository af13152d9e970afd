"""Shares: equal up to chance, skewed, in rotation, or not to be told."""

import pytest

from svcproof.checkers import distribution
from svcproof.history import Outcome
from svcproof.verdict import Fact, Status

ALL = ("a", "b", "c")
#: A random order of three Pods in equal shares: by chance, and not by rotation.
MIXED = "bacabcacbbcaabccabbcacababcbcaccabbaacbbccaabcacbabccbaacb" * 2


def summaries(verdict):
    return [finding.summary for finding in verdict.findings]


class TestRandom:
    def test_equal_shares_pass(self, story):
        verdict = story.expect(*ALL, choice="random").answers(*MIXED).verdict(distribution)
        assert (verdict.status, verdict.judged) == (Status.PASS, len(MIXED))

    def test_what_was_measured_is_told(self, story):
        story.expect(*ALL, choice="random").answers(*MIXED)
        facts = {fact.name: fact for fact in story.verdict(distribution).facts}
        where = "a Pod on n1 → svc by ClusterIP"
        assert facts["choice"] == Fact("choice", "random per connection", where)
        assert facts["shares"].value == (
            "a on n1 32.8%, b on n1 32.8%, c on n1 34.5% of 116 connections"
        )
        assert facts["shares"].where == where
        assert facts["p-value of equal shares"].value == "1"
        assert facts["smallest skew seen with 99 % power"].value == (
            "one backend at 70.8% instead of 33.3%"
        )

    def test_a_sample_that_was_cut_tells_nothing(self, story):
        """Lines are written as connections end: those of a slow Pod are the missing ones."""
        story.expect(*ALL, minimum=200, choice="random").answers(*"aaaaaaaaab" * 9, "c")
        (finding,) = story.verdict(distribution).findings
        assert finding.status is Status.INCONCLUSIVE
        assert finding.summary.endswith("the sample was not made to its end")

    def test_skewed_shares_fail(self, story):
        (finding,) = (
            story.expect(*ALL, choice="random").answers(*"aaaaaaaaab" * 9, "c")
        ).verdict(distribution).findings  # fmt: skip
        assert finding.status is Status.FAIL
        assert finding.summary == (
            "the connections are not shared equally: a on n1 89.0%, b on n1 9.9%, c on n1 1.1%"
        )
        assert finding.expected == "each of 3 backends gets 1/3, up to chance"
        assert finding.seen.startswith("a on n1 89.0%, b on n1 9.9%, c on n1 1.1%; so uneven by")
        assert finding.seen.endswith("(limit 1e-08)")
        assert finding.where == "a Pod on n1 → svc by ClusterIP"
        assert finding.indices == tuple(range(1, 13))

    def test_a_skew_that_chance_could_give_passes(self, story):
        story.expect(*ALL, choice="random").answers(*"aaaaaabbbc" * 2)
        assert story.verdict(distribution).status is Status.PASS

    def test_a_skew_that_no_single_place_shows_fails_over_all_places(self, story):
        for place in range(12):
            story.client(f"c{place}").expect(*ALL, choice="random").answers(*"aaaaaabbbc" * 2)
        (finding,) = story.verdict(distribution).findings
        assert finding.where == "all 12 places together"
        assert "60.0%" in finding.summary
        assert finding.indices == ()

    def test_places_with_other_backends_are_not_added_up(self, story):
        story.client("x").expect("a", "b", choice="random").answers(*"aab" * 4)
        story.client("y").expect("b", "c", choice="random").answers(*"bbc" * 4)
        shares = [f for f in story.verdict(distribution).facts if f.name == "shares"]
        assert [fact.where for fact in shares] == [
            "x → svc by ClusterIP",
            "y → svc by ClusterIP",
        ]

    def test_the_order_in_which_backends_are_named_does_not_matter(self, story):
        story.client("x").expect("a", "b", choice="random").answers(*"aab" * 4)
        story.client("y").expect("b", "a", choice="random").answers(*"aab" * 4)
        (shares,) = [f for f in story.verdict(distribution).facts if f.name == "shares"]
        assert shares.where == "all 2 places together"
        assert shares.value == "a on n1 66.7%, b on n1 33.3% of 24 connections"

    def test_a_sample_too_small_for_any_skew_says_so(self, story):
        story.expect(*ALL, choice="random").answers(*ALL)
        facts = {fact.name: fact.value for fact in story.verdict(distribution).facts}
        assert facts["smallest skew seen with 99 % power"] == "none: too few connections"
        assert facts["choice"] == "undecided"

    def test_answers_by_others_are_not_counted(self, story):
        """Who may not answer is the question of another check."""
        story.expect(*ALL, choice="random").answers(*"abc").answers(*"x" * 50)
        verdict = story.verdict(distribution)
        assert (verdict.status, verdict.judged) == (Status.PASS, 3)

    def test_unknown_and_failed_attempts_are_not_counted(self, story):
        story.expect(*ALL, choice="random").answers("a").ends(Outcome.UNKNOWN, 9).answers("b")
        story.ends(Outcome.ANSWERED).ends(Outcome.REFUSED, backend=story.backend("a")).answers("c")
        assert story.verdict(distribution).judged == 3

    def test_nobody_answered(self, story):
        story.expect(*ALL, choice="random").ends(Outcome.UNKNOWN, 9)
        verdict = story.verdict(distribution)
        assert verdict.status is Status.INCONCLUSIVE
        assert summaries(verdict) == ["shares cannot be told: nobody answered"]
        assert verdict.findings[0].seen == "0 answers"
        assert verdict.facts == ()

    def test_one_backend_is_no_choice(self, story):
        verdict = story.expect("a", choice="random").answers(*"aaa").verdict(distribution)
        assert verdict.status is Status.INCONCLUSIVE
        assert summaries(verdict) == ["shares cannot be told: a choice among one backend is none"]
        assert verdict.findings[0].seen == "3 answers"
        assert verdict.facts == ()

    def test_two_backends_are_a_choice(self, story):
        verdict = (
            story.expect("a", "b", choice="random", minimum=2).answers(*"ab").verdict(distribution)
        )
        assert verdict.status is Status.PASS
        assert verdict.facts[0].name == "choice"

    def test_one_connection_is_all_of_them(self, story):
        facts = story.expect(*ALL, choice="random").answers("a").verdict(distribution).facts
        assert facts[1].value == "a on n1 100.0%, b on n1 0.0%, c on n1 0.0% of 1 connections"

    def test_one_client_that_nobody_answered_is_not_hidden_by_the_others(self, story):
        story.client("x").expect(*ALL, choice="random").answers(*MIXED)
        story.client("y").expect(*ALL, choice="random").ends(Outcome.UNKNOWN)
        assert story.verdict(distribution).status is Status.INCONCLUSIVE


class TestRotation:
    def test_one_after_the_other_passes(self, story):
        verdict = story.expect(*ALL, choice="rotation").answers(*"cab" * 30).verdict(distribution)
        assert (verdict.status, verdict.judged) == (Status.PASS, 90)
        assert verdict.facts[0].value == "rotation"

    def test_one_exception_fails(self, story):
        story.expect(*ALL, choice="rotation").answers(*"abcabcacbabc")
        (finding,) = story.verdict(distribution).findings
        assert finding.status is Status.FAIL
        assert finding.summary == "the backends are not chosen in rotation"
        assert finding.seen == "undecided: a on n1 33.3%, b on n1 33.3%, c on n1 33.3%"
        assert finding.indices == tuple(range(1, 13))

    def test_connections_count_in_the_order_of_their_begins(self, story):
        story.expect(*ALL, choice="rotation")
        for second, pod in ((3, "c"), (1, "a"), (4, "a"), (2, "b")):
            story.at(second).answers(pod)
        assert story.verdict(distribution).status is Status.PASS

    def test_rotations_of_several_places_are_not_added_up(self, story):
        for place in ("x", "y"):
            story.client(place).expect(*ALL, choice="rotation").answers(*"abc" * 5)
        verdict = story.verdict(distribution)
        shares = [fact.where for fact in verdict.facts if fact.name == "shares"]
        assert shares == ["x → svc by ClusterIP", "y → svc by ClusterIP"]

    def test_nobody_answered(self, story):
        story.expect(*ALL, choice="rotation").ends(Outcome.UNKNOWN, 9)
        assert story.verdict(distribution).status is Status.INCONCLUSIVE

    def test_one_client_that_nobody_answered_is_not_hidden_by_the_others(self, story):
        story.client("x").expect(*ALL, choice="rotation").answers(*"abc" * 5)
        story.client("y").expect(*ALL, choice="rotation").ends(Outcome.UNKNOWN)
        (finding,) = story.verdict(distribution).findings
        assert finding.status is Status.INCONCLUSIVE
        assert finding.summary == "shares cannot be told: nobody answered"
        assert finding.where == "y → svc by ClusterIP"

    def test_one_backend_is_no_choice(self, story):
        verdict = story.expect("a", choice="rotation").answers(*"aaa").verdict(distribution)
        assert verdict.status is Status.INCONCLUSIVE
        assert summaries(verdict) == ["shares cannot be told: a choice among one backend is none"]


@pytest.mark.parametrize("choice", ["random", "rotation"])
def test_no_attempts_never_pass(story, choice):
    assert story.expect(*ALL, choice=choice).verdict(distribution).status is Status.INCONCLUSIVE


def test_cells_that_do_not_ask_are_not_judged(story):
    assert story.expect(*ALL).answers(*MIXED).verdict(distribution).judged == 0
