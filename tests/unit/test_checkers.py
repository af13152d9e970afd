"""Each judge on hand-written histories of a few attempts."""

import time

import pytest

from svcproof.checkers import (
    CHECKS,
    checks_due,
    convergence,
    endpoints,
    judge,
    reachability,
    responders,
)
from svcproof.events import ApiAnswer, Converged, EndpointsSeen, NotConverged, Other
from svcproof.history import Attempt, Backend, Outcome, Promise
from svcproof.recorder import Recorder
from svcproof.verdict import Status, compose

ALL = ("a", "b", "c")
CONVERGED = Converged(
    position="p", target="t", seconds=0.1, attempts=30, streak=30, limit_seconds=60.0
)
NOT_CONVERGED = NotConverged(position="p", target="t", limit_seconds=1.0, last_state="1 lost")


def summaries(verdict):
    return [finding.summary for finding in verdict.findings]


class TestReachability:
    def test_all_answered(self, story):
        verdict = story.expect(*ALL).answers(*ALL, "a").verdict(reachability)
        assert (verdict.status, verdict.judged) == (Status.PASS, 4)

    @pytest.mark.parametrize(
        "outcome",
        [
            Outcome.REFUSED,
            Outcome.RESET,
            Outcome.TIMED_OUT,
            Outcome.UNREACHABLE,
            Outcome.NAME_FAILED,
        ],
    )
    def test_one_lost_connection_fails(self, story, outcome):
        story.expect(*ALL).answers(*ALL, *ALL).ends(outcome, detail="why")
        verdict = story.verdict(reachability)
        (finding,) = verdict.findings
        assert verdict.status is Status.FAIL
        assert finding.summary == f"1 of 7 connections ended {outcome}"
        assert finding.indices == (7,)
        assert finding.where == "a Pod on n1 → svc by ClusterIP"
        assert finding.seen == f"6 answered, 1 {outcome} (why)"
        assert finding.remedy

    def test_silence_beside_refusals_may_be_late_refusals(self, story):
        story.expect(*ALL).ends(Outcome.REFUSED, 6).ends(Outcome.TIMED_OUT, 6)
        refused, silent = story.verdict(reachability).findings
        assert "came too late" in silent.remedy
        assert "came too late" not in refused.remedy

    def test_silence_alone_is_silence(self, story):
        (silent,) = story.expect(*ALL).ends(Outcome.TIMED_OUT, 6).verdict(reachability).findings
        assert "came too late" not in silent.remedy

    def test_a_backend_without_processor_time_proves_nothing(self, story):
        story.expect(*ALL).answers(*ALL).answers("a", connect_us=80, reply_us=5_200_000)
        story.ends(Outcome.TIMED_OUT, 2, connect_us=90)
        verdict = story.verdict(reachability)
        assert verdict.status is Status.INCONCLUSIVE
        assert summaries(verdict) == [
            "2 of 6 connections were made and had no reply in time, while others waited 5.2 s for "
            "theirs"
        ]

    @pytest.mark.parametrize(
        ("reply", "lost"),
        [
            ({"reply_us": 4_000}, {"connect_us": 90}),  # others were served at once
            ({"reply_us": 2_000_000}, {"connect_us": 90}),  # as with lost packets
            ({"reply_us": 5_200_000}, {}),  # no backend was reached
        ],
    )
    def test_packets_that_are_lost_are_no_busy_backend(self, story, reply, lost):
        story.expect(*ALL).answers(*ALL).answers("a", **reply).ends(Outcome.TIMED_OUT, **lost)
        assert story.verdict(reachability).status is Status.FAIL

    def test_a_busy_moment_long_before_explains_nothing(self, story):
        story.expect(*ALL).answers(*ALL).answers("a", reply_us=4_000_000)
        story.at(60).ends(Outcome.TIMED_OUT, connect_us=90)
        assert story.verdict(reachability).status is Status.FAIL

    def test_a_dns_without_processor_time_proves_nothing(self, story):
        story.expect(*ALL).answers(*ALL).answers("a", resolve_us=9_300_000)
        story.ends(Outcome.NAME_FAILED, 2, rcode="TIMEOUT", resolve_us=6_000_000)
        verdict = story.verdict(reachability)
        assert verdict.status is Status.INCONCLUSIVE
        assert summaries(verdict) == [
            "2 of 6 connections had no answer about the name in time, while others waited 9.3 s "
            "for theirs"
        ]

    @pytest.mark.parametrize(
        ("answered", "failed"),
        [
            ({"resolve_us": 4_000}, {"rcode": "TIMEOUT"}),  # others were told at once
            ({"resolve_us": 5_900_000}, {"rcode": "TIMEOUT"}),  # as with lost questions
            ({"resolve_us": 9_300_000}, {"rcode": "NXDOMAIN"}),  # it was answered
        ],
    )
    def test_questions_that_are_lost_are_no_busy_dns(self, story, answered, failed):
        story.expect(*ALL).answers(*ALL).answers("a", **answered)
        story.ends(Outcome.NAME_FAILED, resolve_us=6_000_000, **failed)
        assert story.verdict(reachability).status is Status.FAIL

    def test_the_largest_size_that_passes_is_told_where_several_were_asked(self, story):
        story.expect(*ALL, payload=9_000).ends(Outcome.TIMED_OUT, 3, connect_us=9)
        assert story.verdict(reachability).facts == ()
        story.expect(*ALL, payload=1_472).ends(Outcome.TIMED_OUT, 3, connect_us=9)
        story.expect(*ALL, payload=1_400).answers(*ALL)
        (fact,) = story.verdict(reachability).facts
        assert (fact.name, fact.value) == ("largest size that passes", "1,400 bytes each way")

    def test_unknown_is_no_evidence(self, story):
        story.expect(*ALL).answers(*ALL, *ALL).ends(Outcome.UNKNOWN, 2)
        verdict = story.verdict(reachability)
        assert verdict.status is Status.INCONCLUSIVE
        assert summaries(verdict) == ["2 of 8 connections could not be told"]

    def test_a_failure_outweighs_the_unknown(self, story):
        story.expect(*ALL).answers(*ALL).ends(Outcome.UNKNOWN).ends(Outcome.REFUSED)
        assert story.verdict(reachability).status is Status.FAIL

    def test_too_few(self, story):
        verdict = story.expect(*ALL).answers(*ALL).verdict(reachability)
        assert verdict.status is Status.INCONCLUSIVE
        assert summaries(verdict) == ["too few connections to decide"]

    def test_nothing_at_all(self, story):
        assert story.verdict(reachability).status is Status.INCONCLUSIVE
        assert story.expect(*ALL).verdict(reachability).status is Status.INCONCLUSIVE

    def test_attempts_without_an_expectation_are_not_judged(self, story):
        assert story.answers(*ALL).verdict(reachability).judged == 0

    def test_where_a_refusal_is_promised(self, story):
        story.expect(outcome=Outcome.REFUSED).ends(Outcome.REFUSED, 4)
        assert story.verdict(reachability).status is Status.PASS
        assert story.answers("a").verdict(reachability).status is Status.FAIL
        story.ends(Outcome.TIMED_OUT)
        assert "1 of 6 connections ended timed-out" in summaries(story.verdict(reachability))


class TestResponders:
    def test_exactly_the_right_ones(self, story):
        verdict = story.expect(*ALL).answers(*ALL, "a").verdict(responders)
        assert (verdict.status, verdict.judged) == (Status.PASS, 4)

    def test_a_missing_one_fails_given_enough_answers(self, story):
        verdict = story.expect(*ALL).answers("a", "b", "a", "b").verdict(responders)
        assert verdict.status is Status.FAIL
        assert summaries(verdict) == ["never answered: c on n1"]

    def test_a_missing_one_may_be_chance_with_fewer(self, story):
        verdict = story.expect(*ALL).answers("a", "b", "a").verdict(responders)
        assert verdict.status is Status.INCONCLUSIVE
        assert "3 answers are too few to tell" in summaries(verdict)[0]

    def test_all_seen_is_not_enough_with_too_few_answers(self, story):
        verdict = story.expect(*ALL).answers(*ALL).verdict(responders)
        assert verdict.status is Status.INCONCLUSIVE

    def test_unknown_attempts_are_no_answers(self, story):
        story.expect(*ALL).answers("a", "b").ends(Outcome.UNKNOWN, 10)
        assert story.verdict(responders).status is Status.INCONCLUSIVE

    def test_a_wrong_pod_of_this_run(self, story):
        verdict = story.expect("a", "b").answers("a", "b", "a", "old").verdict(responders)
        (finding,) = verdict.findings
        assert verdict.status is Status.FAIL
        assert finding.summary == "answered by a Pod that should not get traffic: old on n1"
        assert finding.indices == (4,)

    def test_the_same_name_with_another_uid_is_another_pod(self, story):
        story.expect("a").answers("a", "a", "a", "a").answers("a", uid="reborn")
        assert story.verdict(responders).status is Status.FAIL

    def test_without_a_uid_the_name_counts(self, story):
        story.expect("a").answers("a", "a", "a", "a", uid="")
        assert story.verdict(responders).status is Status.PASS

    def test_where_none_is_promised_the_name_counts_as_well(self, story):
        story.expect(allowed=(Backend(pod="a"),)).answers(*"aaaa")
        assert story.verdict(responders).status is Status.PASS
        assert story.answers("b").verdict(responders).status is Status.FAIL

    def test_a_pod_whose_node_is_not_known_is_told_by_its_name(self, story):
        story.expect(allowed=(Backend(pod="a"),), minimum=1)
        story.ends(Outcome.ANSWERED, backend=Backend(pod="x", run="r1"))
        assert summaries(story.verdict(responders)) == [
            "answered by a Pod that should not get traffic: x",
            "never answered: a",
        ]

    @pytest.mark.parametrize("form", ["dns", "health-check"])
    def test_of_answers_by_no_backend_none_is_judged(self, story, form):
        story.dials("it", form=form).expect("a").ends(Outcome.ANSWERED, 4)
        assert story.verdict(responders).judged == 0

    def test_a_stranger_is_a_finding_of_its_own(self, story):
        story.expect(*ALL).answers(*ALL, *ALL).answers("a", run="other")
        (finding,) = story.verdict(responders).findings
        assert finding.summary == "a stranger answered: a on n1, of run 'other'"
        assert finding.status is Status.FAIL

    def test_one_without_a_run_is_a_stranger(self, story):
        story.expect("a").answers("a", "a", "a", "a").answers("x", run="")
        assert "of no run at all" in summaries(story.verdict(responders))[0]

    def test_one_without_a_name_is_a_stranger(self, story):
        story.expect("a").answers("a", "a", "a", "a")
        story.ends(Outcome.ANSWERED, detail="not understood: HTTP 400")
        verdict = story.verdict(responders)
        assert verdict.status is Status.FAIL
        assert "do not say by whom" in summaries(verdict)[0]
        assert verdict.findings[0].seen == "not understood: HTTP 400"

    def test_where_nobody_may_answer(self, story):
        story.expect(outcome=Outcome.REFUSED).ends(Outcome.REFUSED, 4)
        assert story.verdict(responders).status is Status.PASS
        assert story.answers("a").verdict(responders).status is Status.FAIL

    def test_where_nobody_may_answer_unknown_is_no_evidence(self, story):
        story.expect(outcome=Outcome.REFUSED).ends(Outcome.UNKNOWN, 4)
        assert story.verdict(responders).status is Status.INCONCLUSIVE

    def test_a_later_expectation_begins_anew(self, story):
        story.expect("a", "b").answers("a", "b", "a", "b")
        story.expect("a").answers("a", "a", "a", "a")
        assert story.verdict(responders).status is Status.PASS
        story.answers("b")
        assert story.verdict(responders).status is Status.FAIL


class TestEndpoints:
    @pytest.mark.parametrize(
        ("listed", "due", "status"),
        [
            (["a 1"], ["a 1"], Status.PASS),
            ([], [], Status.PASS),
            (["a 1"], ["a 1", "b 2"], Status.FAIL),
            (["a 1", "b 2"], ["a 1"], Status.FAIL),
            (["a 9"], ["a 1"], Status.FAIL),
        ],
    )
    def test_lists_compare_as_sets(self, story, listed, due, status):
        story.event(EndpointsSeen(service="svc", listed=listed, ready=due))
        assert story.verdict(endpoints).status is status

    def test_both_directions_are_told(self, story):
        story.event(EndpointsSeen(service="svc", listed=("a 9",), ready=("a 1",)))
        lack, surplus = story.verdict(endpoints).findings
        assert lack.summary == "the EndpointSlices lack ready Pods: a 1"
        assert surplus.summary == "the EndpointSlices list Pods that are not ready: a 9"

    @pytest.mark.parametrize(
        ("place", "then", "status"),
        [
            ("API server", ("a 1", "b 2"), Status.INCONCLUSIVE),
            ("API server", ("a 1",), Status.FAIL),
            ("a Pod on n1", ("a 1", "b 2"), Status.FAIL),
        ],
    )
    def test_lists_that_come_late_prove_nothing(self, story, place, then, status):
        story.event(NotConverged(position=place, target="x", limit_seconds=9.0, last_state="y"))
        story.event(EndpointsSeen(service="svc", listed=("a 1",), ready=("a 1", "b 2")))
        story.event(EndpointsSeen(service="svc", listed=then, ready=("a 1", "b 2")))
        verdict = story.verdict(endpoints)
        assert verdict.status is status
        assert ("right soon after" in verdict.findings[0].summary) is (status is not Status.FAIL)

    def test_a_list_that_is_right_since_something_else_is_due_never_came(self, story):
        """As after a selector that is turned, and back again."""
        story.event(
            NotConverged(position="API server", target="x", limit_seconds=9.0, last_state="y")
        )
        for _ in range(2):
            story.event(EndpointsSeen(service="svc", listed=("a 1",), ready=("b 2",)))
        story.event(EndpointsSeen(service="svc", listed=("a 1",), ready=("a 1",)))
        assert story.verdict(endpoints).status is Status.FAIL

    def test_lists_are_told_in_order(self, story):
        some, others = [f"a {n}" for n in range(9)], [f"b {n}" for n in range(9)]
        story.event(EndpointsSeen(service="", listed=some[::-1], ready=others[::-1]))
        for finding in endpoints(story.history).findings:
            assert (finding.expected, finding.seen) == (", ".join(others), ", ".join(some))
            assert finding.summary.endswith((": " + finding.expected, ": " + finding.seen))
            assert finding.where == ""

    def test_never_looked_at(self, story):
        assert story.verdict(endpoints).status is Status.INCONCLUSIVE


class TestConvergence:
    def test_settled(self, story):
        story.event(CONVERGED)
        assert story.verdict(convergence).status is Status.PASS

    def test_not_settled(self, story):
        story.event(NOT_CONVERGED)
        (finding,) = story.verdict(convergence).findings
        assert finding.status is Status.INCONCLUSIVE
        assert finding.where == "p → t"
        assert finding.seen == "1 lost"

    def test_other_events_are_no_waits(self, story):
        assert story.event(Other(kind="scaled")).verdict(convergence).judged == 0

    def test_never_waited(self, story):
        assert story.verdict(convergence).status is Status.INCONCLUSIVE


class TestSilenceIsNeverSuccess:
    def test_an_empty_history_passes_no_check(self, story):
        for name, check in CHECKS.items():
            assert check(story.history).status is Status.INCONCLUSIVE, name
        assert judge(story.history).status is Status.INCONCLUSIVE

    def test_an_empty_set_of_checks_passes_nothing(self, story):
        story.expect("a").answers(*"aaaa")
        assert compose({})(story.history).status is Status.INCONCLUSIVE

    def test_a_history_with_no_observations_never_passes(self, story):
        asked(story)
        assert set(checks_due(story.history)) >= {"reachability", "responders", "control"}
        assert judge(story.history).status is Status.INCONCLUSIVE
        for name, check in checks_due(story.history).items():
            assert check(story.history).status is Status.INCONCLUSIVE, name

    def test_a_position_that_could_not_probe_never_passes_beside_others_that_could(self, story):
        story.client("able").expect("a").answers(*"aaaa")
        story.client("unable").expect("a")
        verdict = judge(story.history)
        assert verdict.status is Status.INCONCLUSIVE
        assert {finding.where for finding in verdict.findings} == {"unable → svc by ClusterIP"}

    def test_exec_output_lost_never_passes(self, story):
        """All that is left of the attempts is that they were made."""
        asked(story, unknown=9)
        assert judge(story.history).status is Status.INCONCLUSIVE
        for name, check in checks_due(story.history).items():
            assert check(story.history).status is Status.INCONCLUSIVE, name

    def test_exec_output_lost_in_the_middle_never_passes(self, story):
        story.expect("a").answers(*"aaaa").ends(Outcome.UNKNOWN).answers(*"aaaa")
        assert judge(story.history).status is Status.INCONCLUSIVE

    def test_attempts_outside_any_cell_never_pass(self, story):
        assert judge(story.answers(*"aaaa").history).status is Status.INCONCLUSIVE

    def test_a_lost_wait_never_passes_though_all_is_well_now(self, story):
        story.expect("a").answers(*"aaaa")
        assert judge(story.history).status is Status.PASS
        story.event(NOT_CONVERGED)
        assert judge(story.history).status is Status.INCONCLUSIVE


def asked(story, *, unknown=0):
    """A story that asks everything that an expectation can, and gets no answer."""
    for name, fields in {
        "svc": {
            "choice": "random",
            "affinity": "pin",
            "sources": ("10.0.0.1",),
            "outage_ms": 10,
        },
        "failing": {"outcome": Outcome.REFUSED, "control": "svc"},
        "name": {"answers": ("x A 1",)},
    }.items():
        story.dials(name).expect(*(["a", "b"] if name == "svc" else []), **fields)
        story.ends(Outcome.UNKNOWN, unknown)
    return story


class TestChecksDue:
    """The evidence itself says which questions there are."""

    def due(self, story):
        assert set(checks_due(story.saved)) == set(checks_due(story.history))
        return set(checks_due(story.history))

    def test_a_plain_expectation_asks_for_two(self, story):
        assert self.due(story.expect("a").answers("a")) == {"reachability", "responders"}

    def test_of_no_evidence_reachability_is_due(self, story):
        assert self.due(story) == {"reachability"}

    @pytest.mark.parametrize(
        ("fields", "check"),
        [
            ({"choice": "random"}, "distribution"),
            ({"choice": "rotation"}, "distribution"),
            ({"affinity": "pin"}, "affinity"),
            ({"affinity": "keep"}, "affinity"),
            ({"affinity": "redraw"}, "affinity"),
            ({"sources": ("10.0.0.1",)}, "sources"),
            ({"not_sources": ("10.0.0.1",)}, "sources"),
            ({"outcome": Outcome.REFUSED}, "control"),
            ({"answers": ("x A 1",)}, "answers"),
            ({"answers": ()}, "answers"),
            ({"outage_ms": 0}, "outages"),
            ({"trouble_ms": 0}, "outages"),
            ({"rate": 1.0}, "steadiness"),
            ({"unsettled": True}, "propagation"),
        ],
    )
    def test_each_kind_of_expectation_asks_for_its_check(self, story, fields, check):
        assert self.due(story.expect("a", **fields)) == {"reachability", "responders", check}

    @pytest.mark.parametrize(
        ("event", "check"),
        [
            (EndpointsSeen(service="svc", listed=(), ready=()), "endpoints"),
            (CONVERGED, "convergence"),
            (NOT_CONVERGED, "convergence"),
        ],
    )
    def test_each_kind_of_event_asks_for_its_check(self, story, event, check):
        assert self.due(story.event(event)) == {"reachability", check}

    def test_the_api_server_alone_needs_no_connection(self, story):
        assert self.due(story.event(ApiAnswer(request="r", expected="", answer=""))) == {"api"}
        assert self.due(story.expect("a")) == {"api", "reachability", "responders"}

    def test_other_events_ask_for_nothing(self, story):
        story.expect("a").event(Other(kind="scaled"))
        assert self.due(story) == {"reachability", "responders"}

    @pytest.mark.parametrize("form", ["dns", "health-check"])
    def test_of_answers_by_no_backend_nobody_asks_which(self, story, form):
        story.dials("it", form=form).expect(answers=()).ends(Outcome.ANSWERED, connect_us=1)
        assert self.due(story) == {"reachability", "answers"}

    def test_connections_whose_time_is_known_ask_for_it(self, story):
        assert "latency" in self.due(story.expect("a").answers("a", connect_us=0))

    @pytest.mark.parametrize(
        ("target", "expected", "attempt"),
        [
            ({"protocol": "udp"}, {}, {"connect_us": 1}),
            ({}, {"outcome": Outcome.REFUSED}, {"connect_us": 1}),
            ({}, {}, {}),
        ],
    )
    def test_others_do_not(self, story, target, expected, attempt):
        story.dials("it", **target).expect("a", **expected).answers("a", **attempt)
        assert "latency" not in self.due(story)

    def test_one_cell_among_many_is_enough(self, story):
        story.expect("a").dials("other").expect("a", choice="random").dials("third").expect("a")
        assert "distribution" in self.due(story)

    def test_the_checks_that_there_are(self):
        assert set(CHECKS) == {
            "reachability", "responders", "endpoints", "convergence", "distribution", "affinity",
            "sources", "control", "answers", "api", "outages", "steadiness",
            "propagation", "latency", "clients", "objects", "crowd",
        }  # fmt: skip

    def test_a_saved_history_gives_the_same_verdict(self, story):
        asked(story).dials("svc").client("c").expect("a", "b", choice="random", minimum=2)
        story.answers(*"abab", connect_us=900, source_address="10.0.0.1")
        story.event(EndpointsSeen(service="svc", listed=("a 1",), ready=("a 1", "b 2")))
        story.event(CONVERGED)
        assert judge(story.saved) == judge(story.history)
        assert judge(story.history).status is Status.FAIL


def test_a_million_observations_are_judged_in_five_seconds(story):
    """A tenth of it here, in half a second."""
    recorder = Recorder(None, run="r1", case="big")
    pods = tuple(story.backend(pod) for pod in ALL)
    promise = Promise(outcome=Outcome.ANSWERED, rule="", allowed=pods)
    recorder.expect(story.position, story.target, promise, minimum=60)
    for number in range(100_000):
        answer = Attempt(at_ns=1, outcome=Outcome.ANSWERED, backend=pods[number % 3])
        recorder.observe(story.position, story.target, answer)
    history = recorder.freeze()
    started = time.process_time()
    checks = {"reachability": reachability, "responders": responders}
    assert compose(checks)(history).status is Status.PASS
    assert time.process_time() - started < 0.5
