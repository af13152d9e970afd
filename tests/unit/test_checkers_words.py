"""A finding says what was expected, what came, where, and which entries show it: word by word."""

import pytest

from svcproof.checkers import (
    affinity,
    answers,
    convergence,
    distribution,
    endpoints,
    latency,
    outages,
    propagation,
    reachability,
    responders,
    sources,
)
from svcproof.events import EndpointsSeen, NotConverged, Other
from svcproof.history import Backend, Outcome
from svcproof.verdict import Finding, Status

PAIR = "a Pod on n1 → svc by ClusterIP"
ALL = ("a", "b", "c")


def told(story, check) -> list[tuple]:
    """The findings without their advice, which nobody decides by."""
    return [without_advice(finding) for finding in story.verdict(check).findings]


def without_advice(finding: Finding) -> tuple:
    return (
        finding.status,
        finding.summary,
        finding.where,
        finding.expected,
        finding.seen,
        finding.indices,
    )


def test_a_connection_that_ended_otherwise(story):
    story.expect("a", rule="as the rules say", also=(Outcome.REFUSED,)).answers(*"aaaa")
    story.ends(Outcome.REFUSED).ends(Outcome.RESET).ends(Outcome.RESET, detail="not the first")
    assert told(story, reachability) == [
        (
            Status.FAIL,
            "2 of 7 connections ended reset",
            PAIR,
            "every connection answered or refused (as the rules say)",
            "4 answered, 1 refused, 2 reset",
            (6, 7),
        )
    ]


def test_a_connection_that_was_lost(story):
    story.expect("a").answers(*"aaaa").ends(Outcome.UNKNOWN, detail="exec broke off")
    assert told(story, reachability) == [
        (
            Status.INCONCLUSIVE,
            "1 of 5 connections could not be told",
            PAIR,
            "every connection answered",
            "4 answered, 1 unknown (exec broke off)",
            (5,),
        )
    ]


def test_too_few_connections(story):
    story.expect("a").answers(*"aaa")
    assert told(story, reachability) == [
        (
            Status.INCONCLUSIVE,
            "too few connections to decide",
            PAIR,
            "at least 4 connections",
            "3",
            (0,),
        )
    ]


def test_too_little_evidence(story):
    story.expect("a").answers(*"aaa").ends(Outcome.UNKNOWN, 3)
    assert told(story, responders) == [
        (
            Status.INCONCLUSIVE,
            "too little evidence to say that only the right Pods answer",
            PAIR,
            "at least 4 connections that tell",
            "3",
            (0,),
        )
    ]


@pytest.mark.parametrize(("number", "status"), [(4, Status.FAIL), (3, Status.INCONCLUSIVE)])
def test_pods_that_never_answered(story, number, status):
    story.expect("c", "a", "b").answers(*"aaaa"[:number])
    few = "" if status is Status.FAIL else " (but 3 answers are too few to tell)"
    assert told(story, responders) == [
        (
            status,
            f"never answered: b on n1, c on n1{few}",
            PAIR,
            "answers by each of a on n1, b on n1, c on n1 within 4 connections",
            f"{number} answers, none by b on n1, c on n1",
            (0,),
        )
    ]


def test_a_pod_that_should_not_get_traffic(story):
    story.expect().answers("old", "old")
    assert told(story, responders)[0] == (
        Status.FAIL,
        "answered by a Pod that should not get traffic: old on n1",
        PAIR,
        "answers only by nobody",
        "2 answers by old on n1",
        (1, 2),
    )


@pytest.mark.parametrize(("run", "whose"), [("r2", "run 'r2'"), ("", "no run at all")])
def test_a_stranger(story, run, whose):
    story.expect("a").answers(*"aaaa").answers("a", "a", run=run)
    assert told(story, responders) == [
        (
            Status.FAIL,
            f"a stranger answered: a on n1, of {whose}",
            PAIR,
            "answers only by Pods of this run, 'r1'",
            "2 answers by a on n1 in namespace 'ns'",
            (5, 6),
        )
    ]


@pytest.mark.parametrize(
    ("detail", "seen"), [("HTTP 400", "HTTP 400"), ("", "an answer without an identity")]
)
def test_somebody_without_a_name(story, detail, seen):
    story.expect("a").answers(*"aaaa").ends(Outcome.ANSWERED, 2, detail=detail)
    assert told(story, responders) == [
        (
            Status.FAIL,
            "a stranger answered: 2 answers do not say by whom",
            PAIR,
            "each answer names its Pod, as the app under test does",
            seen,
            (5, 6),
        )
    ]


def test_only_a_stranger_of_the_right_name_is_not_the_pod_that_is_due(story):
    story.expect("a", minimum=1).answers("a", run="other")
    assert [finding[1] for finding in told(story, responders)] == [
        "a stranger answered: a on n1, of run 'other'",
        "never answered: a on n1",
    ]


def test_nobody_has_to_answer_but_somebody(story):
    story.expect(*ALL, cover=False).answers(*"aaaa")
    assert told(story, responders) == []
    story.expect(*ALL, cover=False).ends(Outcome.REFUSED, 4)
    assert [finding[1] for finding in told(story, responders)] == [
        "never answered: a on n1, b on n1, c on n1 (but 0 answers are too few to tell)"
    ]


def test_a_wait_that_ran_out(story):
    facts = {"position": "p", "target": "t", "limit_seconds": 5.0, "last_state": "1 lost"}
    story.event(NotConverged(**facts)).event(NotConverged(**facts, remedy="wait longer"))
    expected = (
        Status.INCONCLUSIVE,
        "did not settle within 5.0 s",
        "p → t",
        "the state that is due, steadily",
        "1 lost",
    )
    assert told(story, convergence) == [(*expected, (0,)), (*expected, (1,))]
    general, own = (finding.remedy for finding in story.verdict(convergence).findings)
    assert "kube-proxy" in general
    assert own == "wait longer"
    assert story.verdict(convergence).judged == 2


@pytest.mark.parametrize(
    ("listed", "due", "summary", "expected", "seen"),
    [
        (["b", "a"], [], "the EndpointSlices list Pods that are not ready: a, b",
         "no endpoint", "a, b"),
        ([], ["d", "c"], "the EndpointSlices lack ready Pods: c, d", "c, d", "no endpoint"),
    ],
)  # fmt: skip
def test_lists_that_differ(story, listed, due, summary, expected, seen):
    story.event(Other(kind="scaled"))
    story.event(EndpointsSeen(service="svc", listed=listed, ready=due))
    assert told(story, endpoints) == [(Status.FAIL, summary, "svc", expected, seen, (1,))]
    assert story.verdict(endpoints).judged == 1


def test_each_ending_has_advice_of_its_own(story):
    for outcome in set(Outcome) - {Outcome.ANSWERED}:
        story.expect("a").ends(outcome, 4)
    story.expect("a", outcome=Outcome.REFUSED).answers(*"aaaa")
    advice = {finding.remedy for finding in story.verdict(reachability).findings}
    assert len(advice) == len(Outcome)
    assert all(remedy.strip("X") == remedy for remedy in advice)


def test_all_addresses_that_are_due_are_named(story):
    story.expect("a", sources=("10.0.0.1", "10.0.0.2")).answers("a", source_address="10.0.0.3")
    assert told(story, sources)[0][3] == "the backend sees 10.0.0.1, 10.0.0.2"


def test_all_answers_that_came_are_told(story):
    story.dials("a name", form="dns").expect(answers=())
    story.ends(Outcome.ANSWERED, answers=("x A 1",))
    story.ends(Outcome.NAME_FAILED, rcode="NXDOMAIN")
    assert story.verdict(answers).facts[0].value == "NXDOMAIN | x A 1"


def test_a_rotation_that_is_none_is_told_by_its_first_twelve(story):
    story.expect(*ALL, choice="rotation").answers(*"aabbcc" * 5)
    assert told(story, distribution) == [
        (
            Status.FAIL,
            "the backends are not chosen in rotation",
            PAIR,
            "one backend after the other, always in the same order",
            "undecided: a on n1 33.3%, b on n1 33.3%, c on n1 33.3%",
            tuple(range(1, 13)),
        )
    ]


def test_a_change_is_told_with_its_length_so_that_the_longest_can_be_found(story):
    story.at(0).expect("a").answers("a").at(10).expect(unsettled=True).at(12.5).answers("b")
    story.at(20).expect("b").answers("b")
    assert [fact.size for fact in story.verdict(propagation).facts] == [2.5]


def test_answers_that_do_not_tell_an_address(story):
    story.expect("a", sources=("10.0.0.1",)).answers("a", "a")
    assert told(story, sources) == [
        (
            Status.INCONCLUSIVE,
            "2 answers do not say which address they saw",
            PAIR,
            "each answer tells the client's address as the backend saw it",
            "nothing",
            (1, 2),
        )
    ]


def test_shares_that_cannot_be_told(story):
    story.expect("a", "b", choice="random").ends(Outcome.REFUSED)
    assert told(story, distribution) == [
        (
            Status.INCONCLUSIVE,
            "shares cannot be told: nobody answered",
            PAIR,
            "answers by at least two backends",
            "0 answers",
            (),
        )
    ]


def test_one_answer_is_all_of_them(story):
    story.expect("a", "b", choice="random").answers("a")
    (shares,) = [f for f in story.verdict(distribution).facts if f.name == "shares"]
    assert shares.value == "a on n1 100.0%, b on n1 0.0% of 1 connections"


def test_lost_packets(story):
    story.expect("a").answers(*"aaa", connect_us=3_010_000)
    assert told(story, latency) == [
        (
            Status.FAIL,
            "packets are lost: 3 of 3 connections needed a second SYN",
            PAIR,
            "a connection is made in milliseconds",
            "3.01 s, 3.01 s, 3.01 s",
            (1, 2, 3),
        )
    ]


def test_connect_times_are_told_with_the_longest(story):
    for taken in (900_000, 500_000, 100_000):
        story.expect("a").answers("a", connect_us=taken)
    assert [fact.size for fact in story.verdict(latency).facts] == [0.9]


def test_an_outage_that_is_not_over_lasts_until_its_last_attempt(story):
    story.at(0).expect("a", outage_ms=0)
    for second in (1, 2, 4):
        story.at(second).ends(Outcome.REFUSED)
    verdict = story.verdict(outages)
    assert told(story, outages) == [
        (
            Status.FAIL,
            "no answer for 3.00 s, and not over at the end",
            PAIR,
            "at most 0 s without an answer",
            "3 attempts refused, from 1.00 s after the change on",
            (1, 2, 3),
        )
    ]
    assert [fact.size for fact in verdict.facts] == [3.0]


def test_a_client_that_does_not_keep_its_pod(story):
    story.expect(*ALL, affinity="pin").answers(*"ab")
    assert told(story, affinity) == [
        (
            Status.FAIL,
            "the client changed its Pod 1 times in 2 connections",
            PAIR,
            "one and the same Pod for all connections of a client (sessionAffinity ClientIP)",
            "a on n1 (1), b on n1 (1)",
            (2,),
        )
    ]


def test_clients_that_are_never_given_a_new_choice(story):
    for target in ("svc at n1", "svc at n2"):
        story.dials(target).expect("a", "b", affinity="redraw").answers("a")
        story.expect("a", "b", affinity="redraw").answers("a")
    assert told(story, affinity) == [
        (
            Status.INCONCLUSIVE,
            "none of 2 clients was given a new choice after the time-out "
            "(too few to tell from chance)",
            "svc at n1, svc at n2",
            "the affinity has expired: a new choice, by chance the old Pod once in 2",
            "the old Pod in 2 of 2; by chance: 2.5e-01",
            (0, 2, 4, 6),
        )
    ]


def test_clients_that_share_one_of_two_pods(story):
    for number in range(28):
        story.client(f"c{number}").expect("a", "b", affinity="pin").answers("a")
    assert told(story, affinity) == [
        (
            Status.FAIL,
            "all 28 clients share one Pod: a on n1",
            "svc by ClusterIP",
            "different clients are spread over 2 Pods",
            "one Pod for all; by chance: 7.5e-09",
            tuple(range(0, 56, 2)),
        )
    ]


def test_every_fact_about_shares_says_where(story):
    story.expect("a", "b", choice="random").ends(Outcome.UNKNOWN).ends(Outcome.ANSWERED)
    facts = story.answers("a", "b").verdict(distribution).facts
    assert [(fact.name, fact.where) for fact in facts] == [
        ("choice", PAIR),
        ("shares", PAIR),
        ("p-value of equal shares", PAIR),
        ("smallest skew seen with 99 % power", PAIR),
    ]
    assert facts[1].value == "a on n1 50.0%, b on n1 50.0% of 2 connections"


def test_a_list_of_no_service_that_is_named(story):
    seen = EndpointsSeen(service="", listed=(), ready=("a",))
    (finding,) = endpoints(story.event(seen).history).findings
    assert finding.where == ""


def test_a_backend_that_does_not_say_its_node(story):
    story.expect("a").answers(*"aaaa")
    story.ends(Outcome.ANSWERED, backend=Backend(pod="x", uid="u", run="r1"))
    assert told(story, responders)[0][1] == "answered by a Pod that should not get traffic: x"
