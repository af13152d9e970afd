"""Session affinity: kept, lost, redrawn, shared, and what does not tell."""

import pytest

from svcproof.checkers import affinity
from svcproof.history import Outcome
from svcproof.stats import draws_needed, redraws_needed
from svcproof.verdict import Fact, Status

ALL = ("a", "b", "c")
#: So many independent choices of three that are all the same are no accident.
CLIENTS = draws_needed(3)
REDRAWS = redraws_needed(3)


def summaries(verdict):
    return [finding.summary for finding in verdict.findings]


def pinned(story, clients, pod="a", **fields):
    """Each client's own choice, for each the same Pod."""
    for number in range(clients):
        story.client(f"client-{number}").expect(*ALL, affinity="pin", **fields).answers(pod, pod)
    return story


class TestPin:
    def test_one_pod_for_all_connections_passes(self, story):
        verdict = story.expect(*ALL, affinity="pin").answers(*"aaaa").verdict(affinity)
        assert (verdict.status, verdict.judged) == (Status.PASS, 4)
        assert verdict.facts == (
            Fact("sticky connections", "4 of 1 clients"),
            Fact("choices of the clients", "a on n1 (1)"),
        )

    def test_one_connection_to_another_pod_fails(self, story):
        verdict = story.expect(*ALL, affinity="pin").answers(*"aabaa").verdict(affinity)
        (finding,) = verdict.findings
        assert verdict.status is Status.FAIL
        assert finding.summary == "the client changed its Pod 2 times in 5 connections"
        assert finding.seen == "a on n1 (4), b on n1 (1)"
        assert finding.indices == (3, 4)
        assert finding.where == "a Pod on n1 → svc by ClusterIP"

    def test_connections_count_in_the_order_of_their_begins(self, story):
        story.expect(*ALL, affinity="pin")
        for second, pod in ((4, "b"), (2, "a"), (1, "a"), (3, "b")):
            story.at(second).answers(pod)
        assert summaries(story.verdict(affinity)) == [
            "the client changed its Pod 1 times in 4 connections"
        ]

    def test_two_clients_may_have_two_pods(self, story):
        for name, pod in (("x", "a"), ("y", "b")):
            story.client(name).expect(*ALL, affinity="pin").answers(pod, pod)
        assert story.verdict(affinity).status is Status.PASS

    def test_unknown_and_failed_attempts_are_no_switches(self, story):
        story.expect(*ALL, affinity="pin").answers("a").ends(Outcome.UNKNOWN).answers("a")
        story.ends(Outcome.REFUSED)
        verdict = story.verdict(affinity)
        assert (verdict.status, verdict.judged) == (Status.PASS, 2)

    def test_unknown_attempts_alone_never_pass(self, story):
        story.expect(*ALL, affinity="pin").ends(Outcome.UNKNOWN, 9)
        assert story.verdict(affinity).status is Status.INCONCLUSIVE

    def test_an_answer_without_a_name_is_no_evidence(self, story):
        story.expect(*ALL, affinity="pin").ends(Outcome.ANSWERED)
        assert story.verdict(affinity).status is Status.INCONCLUSIVE

    def test_a_connection_that_was_cut_is_no_answer_though_it_says_by_whom(self, story):
        story.expect(*ALL, affinity="pin").answers("a").ends(
            Outcome.RESET, backend=story.backend("b")
        )
        verdict = story.verdict(affinity)
        assert (verdict.status, verdict.judged) == (Status.PASS, 1)

    def test_a_pause_before_it_does_not_matter(self, story):
        for second in (0, 2, 99):
            story.at(second).expect(*ALL, affinity="pin", affinity_ms=10_000).answers("a")
        assert story.verdict(affinity).status is Status.PASS

    def test_cells_that_do_not_ask_are_not_judged(self, story):
        assert story.expect(*ALL).answers(*ALL).verdict(affinity).judged == 0


class TestKeep:
    def kept(self, story, *, idle, now="a", then="a", before="pin"):
        story.at(0).expect(*ALL, affinity=before, affinity_ms=10_000).answers(then)
        return story.at(idle).expect(*ALL, affinity="keep", affinity_ms=10_000).answers(now, now)

    def test_the_same_pod_after_a_pause_passes(self, story):
        assert self.kept(story, idle=8).verdict(affinity).status is Status.PASS

    def test_it_is_no_new_choice(self, story):
        facts = self.kept(story, idle=8).verdict(affinity).facts
        assert [fact.name for fact in facts] == ["sticky connections", "choices of the clients"]

    def test_the_pause_ends_with_the_first_connection(self, story):
        self.kept(story, idle=8).at(16).answers("a")
        assert story.verdict(affinity).status is Status.PASS

    def test_another_pod_after_a_pause_fails(self, story):
        (finding,) = self.kept(story, idle=8, now="b").verdict(affinity).findings
        assert finding.status is Status.FAIL
        assert finding.summary == "the affinity was lost too early: a on n1, then b on n1"
        assert (finding.expected, finding.seen) == ("still a on n1", "b on n1")
        assert finding.indices == (3,)

    def test_a_change_within_the_cell_fails_as_well(self, story):
        self.kept(story, idle=8).answers("b")
        assert summaries(story.verdict(affinity)) == [
            "the client changed its Pod 1 times in 3 connections"
        ]

    def test_a_pause_that_was_too_long_tells_nothing(self, story):
        (finding,) = self.kept(story, idle=12, now="b").verdict(affinity).findings
        assert finding.status is Status.INCONCLUSIVE
        assert finding.summary == "the client was idle for 12.00 s, which tells nothing"
        assert finding.expected == "less than the time-out of 10 s"
        assert finding.seen == "12.00 s"
        assert finding.indices == (2,)

    def test_exactly_the_time_out_is_too_long(self, story):
        self.kept(story, idle=10)
        # The expectations take a millisecond each on this clock, before the attempts that follow.
        assert story.verdict(affinity).status is Status.INCONCLUSIVE

    def test_without_a_time_out_every_pause_will_do(self, story):
        story.at(0).expect(*ALL, affinity="pin").answers("a")
        story.at(1e6).expect(*ALL, affinity="keep").answers("a")
        assert story.verdict(affinity).status is Status.PASS

    def test_without_an_earlier_answer_nothing_can_be_told(self, story):
        story.expect(*ALL, affinity="pin").ends(Outcome.UNKNOWN)
        (finding,) = story.expect(*ALL, affinity="keep").answers("a").verdict(affinity).findings
        assert finding.status is Status.INCONCLUSIVE
        assert finding.summary == "nothing says which Pod the client had before"
        assert finding.indices == (2,)

    def test_another_clients_answers_are_not_an_earlier_answer(self, story):
        story.client("x").expect(*ALL, affinity="pin").answers("a")
        story.client("y").expect(*ALL, affinity="keep").answers("a")
        assert summaries(story.verdict(affinity)) == [
            "nothing says which Pod the client had before"
        ]

    def test_without_an_answer_now_nothing_is_said(self, story):
        story.expect(*ALL, affinity="pin").answers("a")
        story.expect(*ALL, affinity="keep").ends(Outcome.REFUSED)
        assert story.verdict(affinity).findings == ()

    def test_a_cell_without_attempts_has_no_pause(self, story):
        story.expect(*ALL, affinity="pin").answers("a")
        story.expect(*ALL, affinity="keep", affinity_ms=1)
        assert story.verdict(affinity).findings == ()

    def test_the_last_answer_before_counts_and_not_the_first(self, story):
        story.expect(*ALL, affinity="redraw").answers("a", "b")
        story.expect(*ALL, affinity="keep").answers("b")
        assert "lost too early" not in " ".join(summaries(story.verdict(affinity)))


class TestRedraw:
    def redrawn(self, story, *, clients=REDRAWS, changed=0, idle=12.0):
        """Clients that had Pod a, and after a pause the same or, some, another."""
        for number in range(clients):
            story.client(f"client-{number}").at(0)
            story.expect(*ALL, affinity="redraw", affinity_ms=10_000).answers("a")
        for number in range(clients):
            story.client(f"client-{number}").at(idle)
            story.expect(*ALL, affinity="redraw", affinity_ms=10_000)
            story.answers("b" if number < changed else "a")
        return story

    def test_one_new_choice_among_all_passes(self, story):
        verdict = self.redrawn(story, changed=1).verdict(affinity)
        assert verdict.status is Status.PASS
        assert verdict.facts == (Fact("redrawn after expiry", f"1 of {REDRAWS} got another Pod"),)

    def test_the_old_pod_for_everybody_fails_given_enough_clients(self, story):
        (finding,) = self.redrawn(story).verdict(affinity).findings
        assert finding.status is Status.FAIL
        assert finding.summary == (
            f"none of {REDRAWS} clients was given a new choice after the time-out"
        )
        assert finding.seen == f"the old Pod in {REDRAWS} of {REDRAWS}; by chance: 7.7e-09"
        assert finding.where == "svc by ClusterIP"
        assert len(finding.indices) == 2 * REDRAWS

    def test_with_one_client_less_it_may_be_chance(self, story):
        (finding,) = self.redrawn(story, clients=REDRAWS - 1).verdict(affinity).findings
        assert finding.status is Status.INCONCLUSIVE
        assert finding.summary.endswith("(too few to tell from chance)")

    def test_the_smallest_choice_decides_what_may_be_chance(self, story):
        """Some of the clients had two Pods only to choose from."""
        self.redrawn(story)
        story.client("late").at(0).expect("a", "b", affinity="redraw").answers("a")
        story.at(12).expect("a", "b", affinity="redraw").answers("a")
        assert story.verdict(affinity).status is Status.INCONCLUSIVE

    @pytest.mark.parametrize(("clients", "status"), [(8, Status.FAIL), (7, Status.INCONCLUSIVE)])
    def test_what_chance_gives_as_rarely_as_allowed_fails(self, story, clients, status):
        """Ten Pods, eight redraws: 10^-8, which is the limit itself."""
        for number in range(clients):
            for second in (0, 1):
                story.client(f"client-{number}").at(second)
                story.expect(*"abcdefghij", affinity="redraw").answers("a")
        assert story.verdict(affinity).status is status

    def test_a_client_that_nobody_answers_has_drawn_nothing(self, story):
        story.expect(*ALL, affinity="redraw").answers("a")
        story.expect(*ALL, affinity="redraw").ends(Outcome.REFUSED)
        (finding,) = story.verdict(affinity).findings
        assert finding.seen == "the old Pod in 0 of 0; by chance: 1.0e+00"

    def test_all_targets_are_named(self, story):
        for name in ("x", "y"):
            story.dials(name).expect(*ALL, affinity="redraw").answers("a")
        assert story.verdict(affinity).findings[0].where == "x, y"

    def test_one_pod_to_choose_from_is_no_choice(self, story):
        for second in range(99):
            story.at(second).expect("a", affinity="redraw").answers("a")
        assert story.verdict(affinity).status is Status.INCONCLUSIVE

    def test_a_pause_that_was_too_short_tells_nothing(self, story):
        verdict = self.redrawn(story, idle=9).verdict(affinity)
        assert verdict.status is Status.INCONCLUSIVE
        assert "which tells nothing" in summaries(verdict)[0]
        assert verdict.findings[0].expected == "more than the time-out of 10 s"

    def test_exactly_the_time_out_is_too_short(self, story):
        story.at(0).expect(*ALL, affinity="pin", affinity_ms=10_000).at(1).answers("a")
        story.at(2).expect(*ALL, affinity="redraw", affinity_ms=10_000).at(11).answers("b")
        assert "idle for 10.00 s" in summaries(story.verdict(affinity))[0]

    def test_an_attempt_that_was_lost_may_have_renewed_the_affinity(self, story):
        story.at(0).expect(*ALL, affinity="pin", affinity_ms=10_000).answers("a")
        story.at(9).ends(Outcome.UNKNOWN)
        story.at(12).expect(*ALL, affinity="redraw", affinity_ms=10_000).answers("a")
        assert "the client was idle for 3.00 s, which tells nothing" in summaries(
            story.verdict(affinity)
        )

    def test_a_cell_without_answers_renews_as_well(self, story):
        story.at(0).expect(*ALL, affinity="pin", affinity_ms=10_000).answers("a")
        story.at(9).expect(*ALL, affinity="pin", affinity_ms=10_000).ends(Outcome.UNKNOWN)
        story.at(12).expect(*ALL, affinity="redraw", affinity_ms=10_000).answers("a")
        assert "idle for 3.00 s" in " ".join(summaries(story.verdict(affinity)))

    def test_the_first_connection_counts_as_the_redraw(self, story):
        story.at(0).expect(*ALL, affinity="pin").answers("a")
        story.expect(*ALL, affinity="redraw").at(9).answers("a").at(8).answers("b")
        assert story.verdict(affinity).facts[-1].value == "1 of 1 got another Pod"

    def test_nobody_answered_before(self, story):
        verdict = story.expect(*ALL, affinity="redraw").answers("a").verdict(affinity)
        assert verdict.status is Status.INCONCLUSIVE
        assert summaries(verdict) == [
            "none of 0 clients was given a new choice after the time-out "
            "(too few to tell from chance)"
        ]

    def test_nobody_is_allowed(self, story):
        story.expect(affinity="redraw").answers("a")
        assert story.expect(affinity="redraw").answers("a").verdict(affinity).status is (
            Status.INCONCLUSIVE
        )


class TestCollapse:
    def test_all_clients_on_one_pod_fail_given_enough_of_them(self, story):
        (finding,) = pinned(story, CLIENTS).verdict(affinity).findings
        assert finding.status is Status.FAIL
        assert finding.summary == f"all {CLIENTS} clients share one Pod: a on n1"
        assert finding.expected == "different clients are spread over 3 Pods"
        assert finding.seen == "one Pod for all; by chance: 7.7e-09"
        assert finding.where == "svc by ClusterIP"
        assert finding.indices == tuple(range(0, 3 * CLIENTS, 3))

    def test_with_one_client_less_it_may_be_chance(self, story):
        assert pinned(story, CLIENTS - 1).verdict(affinity).status is Status.PASS

    def test_one_client_on_another_pod_is_enough(self, story):
        pinned(story, CLIENTS).client("other").expect(*ALL, affinity="pin").answers("b")
        verdict = story.verdict(affinity)
        assert verdict.status is Status.PASS
        assert Fact("choices of the clients", f"a on n1 ({CLIENTS}), b on n1 (1)") in verdict.facts

    def test_where_there_is_one_pod_sharing_it_is_right(self, story):
        for number in range(CLIENTS):
            story.client(f"c{number}").expect("a", affinity="pin").answers("a")
        assert story.verdict(affinity).status is Status.PASS

    def test_the_smallest_choice_decides(self, story):
        pinned(story, CLIENTS).client("late").expect("a", "b", affinity="pin").answers("a")
        assert story.verdict(affinity).status is Status.PASS

    def test_two_pods_are_a_choice(self, story):
        for number in range(draws_needed(2)):
            story.client(f"c{number}").expect("a", "b", affinity="pin").answers("a")
        assert "share one Pod" in summaries(story.verdict(affinity))[0]

    @pytest.mark.parametrize(("clients", "status"), [(9, Status.FAIL), (8, Status.PASS)])
    def test_what_chance_gives_as_rarely_as_allowed_fails(self, story, clients, status):
        """Ten Pods, nine clients: 10^-8, which is the limit itself."""
        for number in range(clients):
            story.client(f"c{number}").expect(*"abcdefghij", affinity="pin").answers("a")
        assert story.verdict(affinity).status is status

    def test_where_nobody_is_allowed_nothing_is_chosen(self, story):
        for number in range(CLIENTS):
            story.client(f"c{number}").expect(affinity="pin").answers("a")
        assert story.verdict(affinity).findings == ()

    def test_a_choice_that_was_kept_is_no_second_one(self, story):
        pinned(story, CLIENTS - 1).client("late").expect(*ALL, affinity="keep").answers("a")
        assert "share one Pod" not in " ".join(summaries(story.verdict(affinity)))

    def test_one_client_asked_again_and_again_is_one_choice(self, story):
        """By another name of the Service as well: kube-proxy remembers client and port."""
        for number in range(CLIENTS):
            story.dials(f"way {number}").expect(*ALL, affinity="pin").answers("a")
        assert story.verdict(affinity).status is Status.PASS

    @pytest.mark.parametrize("field", ["service", "port_name", "entry_node"])
    def test_another_service_or_port_or_node_is_another_choice(self, story, field):
        for number in range(CLIENTS):
            story.dials(f"way {number}", **{field: f"x{number}"})
            story.expect(*ALL, affinity="pin").answers("a")
        assert f"all {CLIENTS} clients" in summaries(story.verdict(affinity))[0]

    def test_each_family_is_another_choice(self, story):
        for number in range(CLIENTS):
            for family in ("ipv4", "ipv6"):
                story.client(f"c{number}").dials(f"by {family}", family=family)
                story.expect(*ALL, affinity="pin").answers("a")
        assert f"all {2 * CLIENTS} clients" in summaries(story.verdict(affinity))[0]

    def test_a_first_cell_without_answers_does_not_hide_the_second(self, story):
        pinned(story, CLIENTS - 1).client("late")
        story.expect(*ALL, affinity="pin").ends(Outcome.REFUSED)
        story.expect(*ALL, affinity="pin").answers("a")
        assert f"all {CLIENTS} clients" in summaries(story.verdict(affinity))[0]

    def test_places_are_named_once_each(self, story):
        pinned(story, CLIENTS).dials("svc at n2").client("c").expect(*ALL, affinity="pin")
        (finding,) = story.answers("a").verdict(affinity).findings
        assert finding.where == "svc by ClusterIP, svc at n2"
