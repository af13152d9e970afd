"""What answers said, what backends saw, what controls and clocks tell."""

import pytest

from svcproof.checkers import answers, api, control, latency, sources
from svcproof.checkers.answers import comparable
from svcproof.events import ApiAnswer, Other
from svcproof.history import Outcome
from svcproof.verdict import Fact, Status

PAIR = "a Pod on n1 → svc by ClusterIP"
CLIENT = "10.0.1.9"


def summaries(verdict):
    return [finding.summary for finding in verdict.findings]


class TestSources:
    def test_the_clients_own_address_passes_where_it_is_due(self, story):
        story.expect("a", sources=(CLIENT,)).answers(*"aaa", source_address=CLIENT)
        verdict = story.verdict(sources)
        assert (verdict.status, verdict.judged) == (Status.PASS, 3)
        assert verdict.facts == (Fact("source address seen", f"{CLIENT} (3)", PAIR),)

    def test_a_lost_address_fails(self, story):
        story.expect("a", sources=(CLIENT,)).answers("a", source_address=CLIENT)
        story.answers("a", source_address="192.0.2.1").answers("a", source_address="10.9.9.9")
        (finding,) = story.verdict(sources).findings
        assert finding.status is Status.FAIL
        assert finding.summary == (
            "the client's address is lost in 2 of 3 answers: the backend saw 10.9.9.9, 192.0.2.1"
        )
        assert finding.expected == f"the backend sees {CLIENT}"
        assert finding.seen == "10.9.9.9, 192.0.2.1"
        assert finding.indices == (2, 3)
        assert finding.where == PAIR
        assert "rewrites the source" in finding.remedy

    def test_a_kept_address_fails_where_it_must_be_hidden(self, story):
        story.expect("a", not_sources=(CLIENT, "fd00::9")).answers("a", source_address=CLIENT)
        story.answers("a", source_address="192.0.2.1")
        (finding,) = story.verdict(sources).findings
        assert finding.summary.startswith("the client's address is kept in 1 of 2 answers")
        assert finding.expected == f"the backend sees another address than {CLIENT}, fd00::9"
        assert finding.indices == (1,)
        assert "does not rewrite what it must" in finding.remedy

    def test_any_other_address_passes_where_it_must_be_hidden(self, story):
        story.expect("a", not_sources=(CLIENT,)).answers("a", source_address="192.0.2.1")
        assert story.verdict(sources).status is Status.PASS

    def test_an_address_may_be_due_and_others_forbidden(self, story):
        story.expect("a", sources=("10.0.0.1", CLIENT), not_sources=(CLIENT,))
        assert story.answers("a", source_address="10.0.0.1").verdict(sources).status is Status.PASS
        assert story.answers("a", source_address=CLIENT).verdict(sources).status is Status.FAIL

    def test_an_answer_that_does_not_tell_is_inconclusive(self, story):
        story.expect("a", sources=(CLIENT,)).answers("a", source_address=CLIENT).answers("a")
        (finding,) = story.verdict(sources).findings
        assert finding.status is Status.INCONCLUSIVE
        assert finding.summary == "1 answers do not say which address they saw"
        assert (finding.seen, finding.indices) == ("nothing", (2,))
        assert story.verdict(sources).facts[0].value == f"{CLIENT} (1), (not told) (1)"

    def test_where_an_address_is_forbidden_silence_is_no_answer_either(self, story):
        verdict = story.expect("a", not_sources=(CLIENT,)).answers("a").verdict(sources)
        assert verdict.status is Status.INCONCLUSIVE

    def test_an_answer_by_the_clients_own_pod_is_no_evidence(self, story):
        story.client("a").expect("a", "b", sources=(CLIENT,)).answers("a", source_address="1.1.1.1")
        assert story.verdict(sources).status is Status.INCONCLUSIVE
        assert story.verdict(sources).facts[0].value == "no answer"
        story.answers("b", source_address=CLIENT)
        verdict = story.verdict(sources)
        assert (verdict.status, verdict.judged) == (Status.PASS, 1)

    def test_a_client_without_a_pod_has_no_answers_by_itself(self, story):
        story.client("outside", kind="outside", pod="").expect("", sources=(CLIENT,))
        assert story.answers("", source_address="1.1.1.1").verdict(sources).status is Status.FAIL

    def test_failed_unknown_and_nameless_attempts_are_no_evidence(self, story):
        story.expect("a", sources=(CLIENT,)).ends(Outcome.REFUSED).ends(Outcome.UNKNOWN)
        story.ends(Outcome.ANSWERED).ends(Outcome.RESET, backend=story.backend("a"))
        verdict = story.verdict(sources)
        assert (verdict.status, verdict.judged) == (Status.INCONCLUSIVE, 0)

    @pytest.mark.parametrize("fields", [{}, {"sources": (CLIENT,), "outcome": Outcome.REFUSED}])
    def test_cells_that_do_not_ask_are_not_judged(self, story, fields):
        assert story.expect("a", **fields).answers("a").verdict(sources).judged == 0

    def test_no_more_than_four_addresses_are_told(self, story):
        story.expect("a", not_sources=(CLIENT,))
        for number in range(9):
            story.answers("a", source_address=f"192.0.2.{number}")
        assert story.verdict(sources).facts[0].value.count("192.0.2.") == 4


class TestControl:
    def failing(self, story, *, at=10.0, control_at=10.0):
        """Refusals that are promised, and answers by the control."""
        story.dials("control").expect("a").at(control_at).answers("a")
        story.dials("svc at n2").expect(outcome=Outcome.REFUSED, control="control")
        return story.at(at).ends(Outcome.REFUSED, 2)

    def test_a_control_that_answers_meanwhile_passes(self, story):
        verdict = self.failing(story).verdict(control)
        assert (verdict.status, verdict.judged) == (Status.PASS, 1)

    def test_without_an_answer_by_the_control_failures_prove_nothing(self, story):
        story.dials("control").expect("a").ends(Outcome.REFUSED).ends(Outcome.UNKNOWN)
        story.dials("svc").expect(outcome=Outcome.REFUSED, control="control")
        (finding,) = story.ends(Outcome.REFUSED).verdict(control).findings
        assert finding.status is Status.INCONCLUSIVE
        assert finding.summary == ("connections failed as promised, but its control never answered")
        assert finding.expected == "the same client reaches control meanwhile"
        assert finding.seen == "no answer by the control"
        assert finding.indices == (3,)
        assert finding.where == "a Pod on n1 → svc"

    def test_another_clients_control_is_none(self, story):
        story.client("x").dials("control").expect("a").answers("a")
        story.client("y").dials("svc").expect(outcome=Outcome.REFUSED, control="control")
        assert "never answered" in summaries(story.ends(Outcome.REFUSED).verdict(control))[0]

    def test_another_targets_answers_are_none(self, story):
        story.dials("other").expect("a").answers("a")
        story.dials("svc").expect(outcome=Outcome.REFUSED, control="control")
        assert story.ends(Outcome.REFUSED).verdict(control).status is Status.INCONCLUSIVE

    @pytest.mark.parametrize(
        ("control_at", "seconds"), [(3.999_999_999, "before"), (16.001_000_001, "after")]
    )
    def test_answers_at_another_time_prove_nothing(self, story, control_at, seconds):
        self.failing(story, control_at=control_at)
        (finding,) = story.verdict(control).findings
        assert finding.summary.endswith("its control answered at another time"), seconds
        assert finding.seen == "answers at another time only"

    @pytest.mark.parametrize("control_at", [4.0, 16.001])
    def test_six_seconds_before_and_after_are_meanwhile(self, story, control_at):
        """An attempt's begin is known; its end is up to six seconds later."""
        assert self.failing(story, control_at=control_at).verdict(control).status is Status.PASS

    def test_answers_long_before_and_long_after_prove_nothing(self, story):
        self.failing(story, at=100, control_at=1).dials("control").at(200).answers("a")
        assert story.verdict(control).status is Status.INCONCLUSIVE

    def test_one_answer_meanwhile_is_enough(self, story):
        self.failing(story, at=100, control_at=1).dials("control").at(101).answers("a")
        assert story.verdict(control).status is Status.PASS

    def test_unknown_attempts_need_no_control_and_prove_nothing(self, story):
        story.dials("control").expect("a").answers("a")
        story.dials("svc").expect(outcome=Outcome.REFUSED, control="control")
        verdict = story.ends(Outcome.UNKNOWN, 3).verdict(control)
        assert (verdict.status, verdict.judged) == (Status.INCONCLUSIVE, 0)

    def test_unknown_attempts_do_not_stretch_the_time(self, story):
        self.failing(story, at=100, control_at=1).at(3).ends(Outcome.UNKNOWN)
        assert story.verdict(control).status is Status.INCONCLUSIVE

    def test_each_failing_cell_is_judged(self, story):
        self.failing(story).dials("svc at n3")
        story.expect(outcome=Outcome.REFUSED, control="nobody").ends(Outcome.REFUSED)
        verdict = story.verdict(control)
        assert (verdict.judged, len(verdict.findings)) == (2, 1)

    def test_without_a_control_failures_prove_nothing(self, story):
        story.dials("svc").expect(outcome=Outcome.REFUSED).ends(Outcome.REFUSED)
        (finding,) = story.verdict(control).findings
        assert finding.status is Status.INCONCLUSIVE
        assert finding.summary == "connections failed as promised, but no control was named"

    @pytest.mark.parametrize(
        "fields",
        [
            {"outcome": Outcome.ANSWERED},
            {"outcome": Outcome.NAME_FAILED},
            {"outcome": Outcome.REFUSED, "answers": ()},
            {"outcome": Outcome.REFUSED, "unsettled": True},
        ],
    )
    def test_other_cells_need_none(self, story, fields):
        story.expect(**fields).ends(Outcome.REFUSED)
        assert story.verdict(control).judged == 0


DNS = {"form": "dns", "query": "A", "port": 53, "protocol": "udp"}
RECORDS = ("svc.ns.svc.cluster.local a 10.96.0.1",)


class TestAnswers:
    def test_exactly_the_records_that_are_due_pass_in_any_order(self, story):
        story.dials("A of svc", **DNS).expect(answers=("x A 1", "x A 2"))
        story.ends(Outcome.ANSWERED, answers=("x A 2", "x A 1"))
        verdict = story.verdict(answers)
        assert (verdict.status, verdict.judged) == (Status.PASS, 1)
        assert verdict.facts == (Fact("answer", "x A 2; x A 1", "a Pod on n1 → A of svc"),)

    @pytest.mark.parametrize(
        "said", [(), ("x A 1",), ("x A 1", "x A 2", "x A 3"), ("x A 1", "x A 9")]
    )
    def test_a_record_too_few_or_too_many_or_another_fails(self, story, said):
        story.dials("A of svc", **DNS).expect(answers=("x A 1", "x A 2"))
        story.ends(Outcome.ANSWERED, answers=("x A 1", "x A 2")).ends(
            Outcome.ANSWERED, 2, answers=said
        )
        (finding,) = story.verdict(answers).findings
        seen = "; ".join(said) or "no record"
        assert finding.status is Status.FAIL
        assert finding.summary == f"2 of 3 answers are wrong: {seen}"
        assert (finding.expected, finding.seen) == ("x A 1; x A 2", seen)
        assert finding.indices == (2, 3)
        assert "CoreDNS" in finding.remedy

    def test_what_is_due_and_what_came_is_told_in_order(self, story):
        records = tuple(f"x A {number}" for number in range(9))
        story.dials("A of svc", **DNS).expect(answers=records[::-1])
        for record in records[::-1]:
            story.ends(Outcome.ANSWERED, answers=(record,))
        verdict = story.verdict(answers)
        assert verdict.findings[0].expected == "; ".join(records)
        assert verdict.facts[0].value == " | ".join(records)

    def test_each_wrong_answer_is_a_finding_of_its_own(self, story):
        story.dials("A of svc", **DNS).expect(answers=("x A 1",))
        story.ends(Outcome.ANSWERED, answers=("x A 2",)).ends(Outcome.ANSWERED, answers=())
        assert len(story.verdict(answers).findings) == 2

    def test_no_record_passes_where_none_is_due(self, story):
        verdict = (
            story.dials("AAAA of svc", **DNS).expect(answers=()).ends(Outcome.ANSWERED)
        ).verdict(answers)  # fmt: skip
        assert verdict.status is Status.PASS
        assert verdict.facts[0].value == "none"

    def test_a_record_where_none_is_due_fails(self, story):
        story.dials("AAAA of svc", **DNS).expect(answers=())
        (finding,) = story.ends(Outcome.ANSWERED, answers=("x A 1",)).verdict(answers).findings
        assert finding.expected == "no record"

    def test_the_code_that_is_due_passes_and_another_fails(self, story):
        story.dials("A of nobody", **DNS)
        story.expect(outcome=Outcome.NAME_FAILED, answers=(), rcode="NXDOMAIN")
        story.ends(Outcome.NAME_FAILED, rcode="NXDOMAIN")
        assert story.verdict(answers).status is Status.PASS
        assert story.verdict(answers).facts[0].value == "NXDOMAIN"
        story.ends(Outcome.NAME_FAILED, rcode="SERVFAIL").ends(Outcome.TIMED_OUT)
        (other,) = story.verdict(answers).findings  # silence is no answer: reachability's
        assert other.summary == "1 of 3 answers are wrong: name-failed SERVFAIL"
        assert (other.expected, other.indices) == ("NXDOMAIN", (2,))

    def test_without_a_code_that_is_due_failures_are_reachabilitys_to_judge(self, story):
        story.dials("A of svc", **DNS).expect(answers=RECORDS)
        assert story.ends(Outcome.NAME_FAILED, rcode="SERVFAIL").verdict(answers).findings == ()

    def test_priority_and_weight_of_a_port_are_the_servers_choice(self, story):
        due = "_web._tcp.svc SRV 0 100 80 svc.ns.svc.cluster.local"
        story.dials("SRV of svc", **DNS).expect(answers=(due,))
        story.ends(Outcome.ANSWERED, answers=(due.replace("0 100", "10 5"),))
        assert story.verdict(answers).status is Status.PASS
        story.ends(Outcome.ANSWERED, answers=(due.replace("80 svc", "81 svc"),))
        assert story.verdict(answers).status is Status.FAIL

    def test_what_is_compared_of_a_record(self):
        assert comparable("o SRV 0 100 80 host") == "o SRV 80 host"
        assert comparable("o A 10.0.0.1") == "o A 10.0.0.1"
        assert comparable("status 200") == "status 200"
        assert comparable("SRV o 0 100") == "SRV o 0 100"

    def test_a_wrong_health_check_points_at_kube_proxy(self, story):
        story.dials("health", form="health-check").expect(answers=("status 200",))
        (finding,) = story.ends(Outcome.ANSWERED, answers=("status 503",)).verdict(answers).findings
        assert "kube-proxy" in finding.remedy

    def test_unknown_attempts_are_no_evidence(self, story):
        story.dials("A of svc", **DNS).expect(answers=RECORDS, rcode="NXDOMAIN")
        verdict = story.ends(Outcome.UNKNOWN, 9).verdict(answers)
        assert (verdict.status, verdict.judged) == (Status.INCONCLUSIVE, 0)

    def test_cells_that_do_not_ask_are_not_judged(self, story):
        assert story.expect("a").answers("a").verdict(answers).judged == 0


class TestApi:
    def answered(self, story, *, due="", said=""):
        return story.event(ApiAnswer(request="a Service", expected=due, answer=said))

    @pytest.mark.parametrize(
        ("due", "said"), [("", ""), ("provided port", "The provided port is not in the range")]
    )
    def test_what_is_due_passes(self, story, due, said):
        verdict = self.answered(story, due=due, said=said).verdict(api)
        assert (verdict.status, verdict.judged) == (Status.PASS, 1)
        assert verdict.facts == (Fact("API server on a Service", said or "accepted"),)

    def test_a_refusal_where_acceptance_is_due_fails(self, story):
        (finding,) = self.answered(story, said="no").verdict(api).findings
        assert finding.status is Status.FAIL
        assert finding.summary == "the API server refused a Service"
        assert (finding.expected, finding.seen) == ("that it is accepted", "no")
        assert (finding.where, finding.indices) == ("API server", (0,))

    def test_acceptance_where_a_refusal_is_due_fails(self, story):
        (finding,) = self.answered(story, due="range").verdict(api).findings
        assert finding.summary == "the API server accepted a Service"
        assert finding.expected == "a refusal with the words: range"
        assert finding.seen == "it was accepted"

    def test_a_refusal_in_other_words_fails(self, story):
        assert self.answered(story, due="range", said="quota").verdict(api).status is Status.FAIL

    def test_other_events_are_not_judged(self, story):
        assert story.event(Other(kind="scaled")).verdict(api).status is Status.INCONCLUSIVE


class TestLatency:
    def connects(self, story, *seconds, **fields):
        for taken in seconds:
            story.answers("a", connect_us=round(taken * 1e6), **fields)
        return story

    def test_quick_connections_pass(self, story):
        verdict = self.connects(story.expect("a"), 0.001, 0.002, 0.003, 0.004).verdict(latency)
        assert (verdict.status, verdict.judged) == (Status.PASS, 4)
        assert verdict.facts == (
            Fact("connect time", "median 3.00 ms, 99 % 4.00 ms, longest 4.0 ms"),
        )

    def test_quantiles_of_many(self, story):
        self.connects(story.expect("a"), *(n / 1000 for n in reversed(range(1, 201))))
        assert story.verdict(latency).facts[0].value == (
            "median 101.00 ms, 99 % 199.00 ms, longest 200.0 ms"
        )

    def test_repeated_syns_fail(self, story):
        self.connects(story.expect("a"), *[0.001] * 7, 1.0, 3.1, 7.2)
        (finding,) = story.verdict(latency).findings
        assert finding.status is Status.FAIL
        assert finding.summary == "packets are lost: 3 of 10 connections needed a second SYN"
        assert finding.seen == "1.00 s, 3.10 s, 7.20 s"
        assert finding.indices == (8, 9, 10)
        assert finding.where == PAIR

    @pytest.mark.parametrize(
        "seconds", [1.0, 1.249_999, 2.01, 3.0, 3.249_999, 4.0, 5.0, 7.0, 7.249_999]
    )
    def test_what_counts_as_repeated(self, story, seconds):
        assert self.connects(story.expect("a"), *[seconds] * 3).verdict(latency).status is (
            Status.FAIL
        )

    @pytest.mark.parametrize(
        "seconds",
        [0.9, 0.999_999, 1.25, 1.999_999, 2.999_999, 3.25, 5.25, 6.0, 6.999_999, 7.25, 15.0],
    )
    def test_what_is_only_slow(self, story, seconds):
        assert self.connects(story.expect("a"), *[seconds] * 9).verdict(latency).status is (
            Status.PASS
        )

    def test_where_as_many_wait_any_other_time_a_machine_may_be_busy(self, story):
        self.connects(story.expect("a"), *[0.001] * 20, 1.0, 1.1, 2.2, 0.4, 0.7)
        assert story.verdict(latency).status is Status.FAIL
        (finding,) = self.connects(story, 1.5).verdict(latency).findings
        assert finding.status is Status.INCONCLUSIVE
        assert finding.summary == (
            "packets are lost, or a machine was busy: 6 of 26 connections had to wait, "
            "3 of them as long as with a lost SYN"
        )

    def test_a_long_way_is_no_wait(self, story):
        self.connects(story.expect("a"), *[0.3] * 20, 1.0, 1.1, 2.2)
        assert story.verdict(latency).status is Status.FAIL

    def test_two_lost_syns_are_an_accident(self, story):
        assert self.connects(story.expect("a"), 1.0, 1.0).verdict(latency).status is Status.PASS

    def test_three_are_not_unless_they_are_few_among_very_many(self, story):
        self.connects(story.expect("a"), 1.0, 1.0, 1.0, *[0.001] * 597)
        assert story.verdict(latency).status is Status.FAIL
        assert self.connects(story, 0.001).verdict(latency).status is Status.PASS

    def test_places_are_named_up_to_three(self, story):
        for name in "wxyz":
            self.connects(story.client(name).expect("a"), 1.0)
            if name == "y":
                assert story.verdict(latency).findings[0].where == "; ".join(
                    f"{place} → svc by ClusterIP" for place in "wxy"
                )
        assert story.verdict(latency).findings[0].where.endswith("y → svc by ClusterIP …")

    def test_no_more_than_six_times_are_listed(self, story):
        self.connects(story.expect("a"), *[1.0] * 9)
        assert story.verdict(latency).findings[0].seen == ", ".join(["1.00 s"] * 6)

    def test_only_answers_over_tcp_whose_time_is_known_are_judged(self, story):
        story.expect("a").answers("a").ends(Outcome.RESET, 3, connect_us=1_000_000)
        story.ends(Outcome.UNKNOWN, 3, connect_us=1_000_000)
        self.connects(story.dials("udp", protocol="udp").expect("a"), 1.0, 1.0, 1.0)
        verdict = story.verdict(latency)
        assert (verdict.status, verdict.judged, verdict.facts) == (Status.INCONCLUSIVE, 0, ())

    def test_connections_that_took_no_time_at_all(self, story):
        assert self.connects(story.expect("a"), 0, 0).verdict(latency).facts[0].value == (
            "median 0.00 ms, 99 % 0.00 ms, longest 0.0 ms"
        )
