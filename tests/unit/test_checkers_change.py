"""What steady traffic shows while a cluster changes: outages, and how long a change takes."""

import pytest

from svcproof.checkers import (
    answers,
    checks_due,
    judge,
    outages,
    propagation,
    reachability,
    responders,
    sources,
    steadiness,
)
from svcproof.history import Outcome
from svcproof.verdict import Fact, Status

PAIR = "a Pod on n1 → svc by ClusterIP"


def summaries(verdict):
    return [finding.summary for finding in verdict.findings]


class TestTrouble:
    """Failures among answers: many short outages, and one long time of trouble."""

    def traffic(self, story, *, until, allowed_ms=3000):
        story.at(0).expect("a", outage_ms=1000, trouble_ms=allowed_ms)
        for second in range(1, until):
            story.at(second).ends(Outcome.TIMED_OUT).at(second + 0.1).answers("a")
        return story

    def test_as_long_as_allowed_passes(self, story):
        assert self.traffic(story, until=4, allowed_ms=2100).verdict(outages).status is Status.PASS

    def test_a_millisecond_longer_fails(self, story):
        assert self.traffic(story, until=4, allowed_ms=2099).verdict(outages).status is Status.FAIL

    def test_longer_than_allowed_fails_however_short_each_is(self, story):
        (finding,) = self.traffic(story, until=6).verdict(outages).findings
        assert finding.status is Status.FAIL
        assert finding.summary == "connections failed now and then for 4.10 s"
        assert finding.expected == "for at most 3 s"
        assert finding.seen == "5 attempts failed"
        assert len(finding.indices) == 5

    def test_it_alone_allows_an_outage(self, story):
        story.at(0).expect("a", trouble_ms=5000, minimum=1).at(1).ends(Outcome.TIMED_OUT).at(
            4
        ).answers("a")
        assert story.verdict(outages).status is Status.PASS
        assert story.verdict(reachability).status is Status.PASS


class TestSteadiness:
    def traffic(self, story, *, pause, rate=100.0):
        return story.at(0).expect("a", rate=rate).at(0.5).answers("a").at(0.5 + pause).answers("a")

    def test_steady_traffic_passes_and_tells_its_longest_pause(self, story):
        verdict = self.traffic(story, pause=1.5).verdict(steadiness)
        assert (verdict.status, verdict.judged) == (Status.PASS, 2)
        assert verdict.facts == (Fact("longest pause", "1.50 s", PAIR),)

    def test_what_nobody_tried_proves_nothing(self, story):
        (finding,) = self.traffic(story, pause=1.51).verdict(steadiness).findings
        assert finding.status is Status.INCONCLUSIVE
        assert finding.summary == "the traffic paused for 1.51 s"
        assert finding.expected == "100 connections a second"

    def test_the_time_before_the_first_counts(self, story):
        story.at(0).expect("a", rate=100.0).at(1.7).answers("a")
        assert summaries(story.verdict(steadiness)) == ["the traffic paused for 1.70 s"]

    @pytest.mark.parametrize(("pause", "status"), [(4.0, "PASS"), (4.01, "INCONCLUSIVE")])
    def test_rare_turns_are_further_apart(self, story, pause, status):
        verdict = self.traffic(story, pause=pause, rate=5.0).verdict(steadiness)
        assert verdict.status is Status[status]

    def test_traffic_that_was_not_meant_to_be_steady_may_pause(self, story):
        assert self.traffic(story, pause=60.0, rate=0.0).verdict(steadiness).judged == 0

    def test_attempts_count_in_the_order_of_their_begins(self, story):
        """They are recorded as they end."""
        story.at(0).expect("a", rate=100.0).at(1.6).answers("a").at(0.8).answers("a")
        assert story.verdict(steadiness).facts == (Fact("longest pause", "0.80 s", PAIR),)

    def test_of_no_attempts_nothing_is_told(self, story):
        verdict = story.expect("a", rate=1.0).verdict(steadiness)
        assert (verdict.status, verdict.facts) == (Status.INCONCLUSIVE, ())


class TestOutages:
    def traffic(self, story, *, failed_from=2.0, good_again=5.0, allowed_ms=3000):
        story.at(0).expect("a", outage_ms=allowed_ms).at(1).answers("a")
        story.at(failed_from).ends(Outcome.TIMED_OUT).at(failed_from + 1).ends(Outcome.REFUSED)
        if good_again:
            story.at(good_again).answers("a")
        return story

    def test_no_outage_passes(self, story):
        verdict = story.expect("a", outage_ms=0).answers("a", "a").verdict(outages)
        assert (verdict.status, verdict.judged) == (Status.PASS, 2)
        assert verdict.facts == (Fact("outage", "none in 2 attempts", PAIR),)

    def test_exactly_as_long_as_allowed_passes(self, story):
        verdict = self.traffic(story).verdict(outages)
        assert verdict.status is Status.PASS
        assert verdict.facts == (
            Fact("outage", "1, the longest 3.00 s, from 2.00 s after the change", PAIR),
        )

    def test_longer_than_allowed_fails(self, story):
        (finding,) = self.traffic(story, good_again=5.5).verdict(outages).findings
        assert finding.status is Status.FAIL
        assert finding.summary == "no answer for 3.50 s"
        assert finding.expected == "at most 3 s without an answer"
        assert finding.seen == ("2 attempts refused, timed-out, from 2.00 s after the change on")
        assert finding.indices == (2, 3)
        assert finding.where == PAIR

    def test_an_outage_that_is_not_over_fails_however_short(self, story):
        (finding,) = self.traffic(story, good_again=0).verdict(outages).findings
        assert finding.summary == "no answer for 1.00 s, and not over at the end"

    def test_it_lasts_until_the_last_failed_attempt_at_least(self, story):
        self.traffic(story, good_again=0).at(5).ends(Outcome.RESET).at(7).ends(Outcome.RESET)
        assert summaries(story.verdict(outages)) == [
            "no answer for 5.00 s, and not over at the end"
        ]

    def test_the_first_good_answer_in_the_pairs_next_cell_ends_it(self, story):
        self.traffic(story, good_again=0)
        story.at(4).expect("a").at(4.1).ends(Outcome.REFUSED).at(6).answers("a")
        story.at(4.5).answers("a").at(4.4).ends(Outcome.UNKNOWN)
        verdict = story.verdict(outages)
        assert (verdict.status, verdict.judged) == (Status.PASS, 3)
        assert verdict.facts[0].value == "1, the longest 2.50 s, from 2.00 s after the change"

    def test_too_late_in_the_next_cell_is_too_late(self, story):
        self.traffic(story, good_again=0).at(5).expect("a").at(5.5).answers("a")
        assert summaries(story.verdict(outages)) == ["no answer for 3.50 s"]

    def test_what_is_promised_in_the_next_cell_is_good_there(self, story):
        self.traffic(story, good_again=0)
        story.at(4).expect(outcome=Outcome.REFUSED).at(4.5).ends(Outcome.REFUSED)
        assert story.verdict(outages).status is Status.PASS

    @pytest.mark.parametrize("other", ["client", "target", "nothing"])
    def test_without_a_good_answer_of_the_same_pair_it_is_not_over(self, story, other):
        self.traffic(story, good_again=0)
        if other == "client":
            story.client("x")
        elif other == "target":
            story.dials("y")
        story.at(4).expect("a").at(4.5)
        if other == "nothing":
            story.ends(Outcome.REFUSED).ends(Outcome.UNKNOWN)
        else:
            story.answers("a")
        assert summaries(story.verdict(outages)) == [
            "no answer for 1.00 s, and not over at the end"
        ]

    def test_all_endings_are_told_in_order(self, story):
        endings = sorted(set(Outcome) - {Outcome.ANSWERED, Outcome.UNKNOWN})
        story.expect("a", outage_ms=0)
        for ending in reversed(endings):
            story.ends(ending)
        (finding,) = story.verdict(outages).findings
        assert finding.seen.startswith(f"5 attempts {', '.join(endings)}, from")

    def test_each_cell_is_judged_in_its_turn(self, story):
        for name in "xyz":
            self.traffic(story.client(name), good_again=9)
        verdict = story.verdict(outages)
        assert [finding.where[0] for finding in verdict.findings] == ["x", "y", "z"]
        assert [fact.where[0] for fact in verdict.facts] == ["x", "y", "z"]
        assert verdict.judged == 12

    def test_several_outages_are_several(self, story):
        self.traffic(story).at(6).ends(Outcome.RESET).at(10).answers("a")
        verdict = story.verdict(outages)
        assert [finding.indices for finding in verdict.findings] == [(5,)]
        assert verdict.facts[0].value == "2, the longest 4.00 s, from 6.00 s after the change"

    def test_attempts_count_in_the_order_of_their_begins(self, story):
        """One that hung for long is recorded after those that began later."""
        story.at(0).expect("a", outage_ms=1500).at(3).answers("a")
        story.at(2).ends(Outcome.TIMED_OUT).at(1).answers("a")
        assert story.verdict(outages).facts[0].value == (
            "1, the longest 1.00 s, from 2.00 s after the change"
        )

    def test_none_at_all_is_allowed_where_zero_is(self, story):
        story.expect("a", outage_ms=0).answers("a").ends(Outcome.RESET).answers("a")
        assert story.verdict(outages).status is Status.FAIL

    def test_another_ending_that_is_promised_is_no_outage(self, story):
        story.expect("a", outage_ms=0, also=(Outcome.REFUSED,)).ends(Outcome.REFUSED, 3)
        assert story.verdict(outages).status is Status.PASS

    def test_unknown_attempts_neither_begin_nor_end_an_outage(self, story):
        self.traffic(story, good_again=0).at(4.5).ends(Outcome.UNKNOWN).at(5).answers("a")
        assert story.verdict(outages).status is Status.PASS
        story.at(6).ends(Outcome.UNKNOWN)
        assert story.verdict(outages).status is Status.PASS

    def test_unknown_attempts_alone_never_pass(self, story):
        story.expect("a", outage_ms=1000).ends(Outcome.UNKNOWN, 9)
        verdict = story.verdict(outages)
        assert (verdict.status, verdict.judged) == (Status.INCONCLUSIVE, 0)
        assert verdict.facts[0].value == "0 of 9 attempts known"

    def test_cells_that_do_not_ask_are_not_judged(self, story):
        assert story.expect("a").ends(Outcome.RESET).verdict(outages).judged == 0

    def test_reachability_leaves_what_may_happen_to_it(self, story):
        self.traffic(story, good_again=9)
        assert story.verdict(reachability).status is Status.PASS
        story.ends(Outcome.UNKNOWN)
        assert story.verdict(reachability).status is Status.INCONCLUSIVE
        assert judge(story.history).status is Status.FAIL


class TestUnsettled:
    """While a change is under way any Pod of the run may answer, and must."""

    def changed(self, story):
        """From Pods a and b to b and c, with a second in between."""
        story.at(0).expect("a", "b", minimum=2).answers("a", "b")
        story.at(10).expect(unsettled=True, minimum=1)
        for second, pod in ((10.25, "a"), (10.5, "c"), (10.75, "a"), (10.9, "b")):
            story.at(second).answers(pod)
        return story.at(11).expect("b", "c", minimum=2).answers("b", "c")

    def test_any_pod_of_the_run_may_answer(self, story):
        assert self.changed(story).verdict(responders).status is Status.PASS

    def test_a_stranger_may_not(self, story):
        story.expect(unsettled=True).answers("a", run="other")
        assert story.verdict(responders).status is Status.FAIL

    def test_after_it_the_rules_are_strict_again(self, story):
        self.changed(story).answers("a")
        assert story.verdict(responders).status is Status.FAIL

    def test_every_connection_must_be_answered_meanwhile(self, story):
        story.expect(unsettled=True).answers("a").ends(Outcome.REFUSED)
        assert story.verdict(reachability).status is Status.FAIL

    def test_an_attempt_that_began_during_the_change_belongs_to_it(self, story):
        self.changed(story).at(10.95).answers("a")
        during, after = story.history.cells[1:]
        assert [len(during.observations), len(after.observations)] == [5, 2]
        assert story.verdict(responders).status is Status.PASS

    def test_a_slow_pod_that_answers_when_the_change_has_begun_did_answer(self, story):
        """Else only the quick ones would have, whenever a machine is busy."""
        story.at(0).expect("a", "b", minimum=2).answers("a", "a")
        story.at(10).expect(unsettled=True, minimum=1).answers("a")
        assert summaries(story.verdict(responders)) == ["never answered: b on n1"]
        story.at(9.9).answers("b")
        assert story.verdict(responders).status is Status.PASS

    def test_what_a_clock_says_is_no_answer_where_nothing_changed(self, story):
        story.at(10).expect("a", "b", minimum=2).answers("a", "a")
        story.at(20).expect("a", "b", minimum=2).answers("a").at(15).answers("b")
        assert summaries(story.verdict(responders))[0] == "never answered: b on n1"

    def test_one_that_answers_only_since_the_change_began_did_not(self, story):
        story.at(0).expect("a", "b", minimum=2).answers("a", "a")
        story.at(10).expect(unsettled=True, minimum=1).answers("a", "b")
        assert summaries(story.verdict(responders)) == ["never answered: b on n1"]

    def test_an_attempt_that_began_with_what_follows_does_not(self, story):
        self.changed(story).at(11).answers("a")
        assert story.verdict(responders).status is Status.FAIL

    def test_it_does_so_after_any_number_of_later_cells(self, story):
        self.changed(story).at(12).expect("b", "c", minimum=2).answers("b", "c")
        story.at(10.6).answers("a")
        assert [len(cell.observations) for cell in story.history.cells] == [2, 5, 2, 2]
        assert story.verdict(responders).status is Status.PASS

    def test_only_a_change_keeps_what_began_in_it(self, story):
        """Between two settled cells the order of the history decides."""
        story.at(0).expect("a", minimum=1).answers("a")
        story.at(5).expect("b", minimum=1).at(4).answers("b")
        assert story.verdict(responders).status is Status.PASS

    def test_addresses_and_records_are_not_asked_for_meanwhile(self, story):
        story.expect(unsettled=True, sources=("10.0.0.1",), answers=("x A 1",)).answers("a")
        assert not {"sources"} & set(checks_due(story.history))
        assert story.verdict(sources).judged == 0
        assert story.verdict(answers).judged == 0


class TestPropagation:
    def test_how_long_a_change_took_is_told_and_passes(self, story):
        story = TestUnsettled().changed(story)
        story.at(10.6).ends(Outcome.REFUSED).at(10.3).ends(Outcome.REFUSED)
        story.at(10.7).ends(Outcome.UNKNOWN)
        verdict = story.verdict(propagation)
        assert (verdict.status, verdict.judged) == (Status.PASS, 6)
        assert verdict.facts == (
            Fact("first answer by a new Pod", "0.500 s after the change began", PAIR),
            Fact("last answer by an old Pod", "0.750 s after the change began", PAIR),
            Fact("last failed connection", "0.600 s after the change began", PAIR),
        )

    def test_an_old_pod_may_show_itself_after_the_change(self, story):
        TestUnsettled().changed(story).at(12).answers("a")
        assert story.verdict(propagation).facts[1].value == "2.000 s after the change began"

    def test_where_nobody_is_new_and_nobody_gone_nothing_is_told(self, story):
        story.expect("a").answers("a").expect("a", unsettled=True).answers("a")
        verdict = story.expect("a").answers("a").verdict(propagation)
        assert (verdict.status, verdict.facts) == (Status.PASS, ())

    def test_each_pair_has_its_own_times(self, story):
        for name in ("x", "y"):
            TestUnsettled().changed(story.client(name))
        told = [fact.where for fact in story.verdict(propagation).facts]
        assert told == ["x → svc by ClusterIP"] * 2 + ["y → svc by ClusterIP"] * 2

    @pytest.mark.parametrize("last", ["nothing", "a change"])
    def test_a_change_without_a_before_or_an_after_is_not_told(self, story, last):
        story.expect("a", unsettled=True).answers("a")
        if last == "a change":
            story.expect("a").answers("a").expect("b", unsettled=True).answers("b")
        assert story.verdict(propagation).status is Status.INCONCLUSIVE

    def test_unknown_attempts_alone_never_pass(self, story):
        story.expect("a").answers("a").expect("a", unsettled=True).ends(Outcome.UNKNOWN, 9)
        assert story.expect("b").answers("b").verdict(propagation).status is Status.INCONCLUSIVE
