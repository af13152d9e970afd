"""Many clients of one sticky Service: who keeps a Pod, and how many are remembered."""

import pytest

from svcproof.checkers import checks_due, crowd
from svcproof.checkers.affinity import affinity
from svcproof.history import Outcome
from svcproof.verdict import Fact, Status

PAIR = "a Pod on n1 → svc by ClusterIP"


def crowded(story, *rounds, remembered=100, family=4, has_port=True):
    """Each round: who answers the first client, the second, …"""
    addresses = "10.0.0.0/30" if family == 4 else "fd00::/126"
    story.dials("svc by ClusterIP", source_range=addresses)
    story.expect("a", "b", affinity="each", affinity_clients=remembered)
    for pods in rounds:
        for number, pod in enumerate(pods):
            host = f"10.0.0.{number}" if family == 4 else f"[fd00::{number:x}]"
            local = f"{host}:4{number:04}" if has_port else host.strip("[]")
            story.answers(pod, local_address=local)
    return story


@pytest.mark.parametrize("has_port", [True, False])
@pytest.mark.parametrize("family", [4, 6])
def test_who_keeps_a_pod_keeps_it_from_whatever_port(story, family, has_port):
    crowded(story, "abab", "abab", "abab", family=family, has_port=has_port)
    verdict = story.verdict(crowd)
    assert (verdict.status, verdict.judged) == (Status.PASS, 4)
    assert verdict.facts == (
        Fact("sticky clients", "4 of 4 kept their Pod; 100 of each Pod are remembered", PAIR, 0.0),
    )


@pytest.mark.parametrize("family", [4, 6])
def test_one_that_changes_its_pod_fails(story, family):
    (finding,) = crowded(story, "abab", "abbb", family=family).verdict(crowd).findings
    assert finding.status is Status.FAIL
    assert finding.summary == "1 of 4 clients changed their Pod"
    assert finding.seen == f"among others {'10.0.0.2' if family == 4 else 'fd00::2'}"
    assert finding.indices == (3, 7)


@pytest.mark.parametrize(("remembered", "status"), [(4, Status.FAIL), (3, Status.PASS)])
def test_more_than_are_remembered_may_be_forgotten(story, remembered, status):
    """However they are shared: all of them may have the same Pod."""
    verdict = crowded(story, "aaaa", "abab", remembered=remembered).verdict(crowd)
    assert verdict.status is status
    assert verdict.facts[0].value.startswith("2 of 4 kept their Pod; ")


def test_of_a_data_plane_that_nobody_knows_it_is_only_told(story):
    verdict = crowded(story, "aaaa", "bbbb", remembered=0).verdict(crowd)
    assert (verdict.status, verdict.facts[0].value) == (Status.PASS, "0 of 4 kept their Pod")


@pytest.mark.parametrize(("rounds", "twice"), [(("abab",), 0), (("abab", "aba"), 3)])
def test_too_few_that_were_answered_twice_say_nothing(story, rounds, twice):
    verdict = crowded(story, *rounds).verdict(crowd)
    assert [found.summary for found in verdict.findings] == [
        f"{twice} of 4 clients were answered twice: too few to tell"
    ]
    assert verdict.status is Status.INCONCLUSIVE


def test_a_pod_without_a_uid_is_known_by_its_name(story):
    story.dials("crowd", source_range="10.0.0.0/31")
    story.expect("a", "b", affinity="each", affinity_clients=9)
    for pod in "abba":
        story.answers(pod, uid="", local_address=f"10.0.0.{'ab'.index(pod) if pod else 0}:1")
    story.answers("a", "b", uid="", local_address="10.0.0.0:1")
    assert story.verdict(crowd).status is Status.FAIL


def test_who_does_not_say_its_address_is_no_client(story):
    story.dials("crowd", source_range="10.0.0.0/31")
    story.expect("a", "b", affinity="each", affinity_clients=9).answers("a", "b", "a")
    assert story.verdict(crowd).status is Status.INCONCLUSIVE


def test_what_was_not_answered_is_no_change(story):
    crowded(story, "abab", "abab")
    story.ends(Outcome.TIMED_OUT, local_address="10.0.0.1:40001")
    assert story.verdict(crowd).status is Status.PASS


def test_it_is_asked_in_the_place_of_affinity(story):
    crowded(story, "abab", "baba")
    assert "crowd" in checks_due(story.history)
    assert "affinity" not in checks_due(story.history)
    story.expect("a", affinity="pin").answers("a")
    assert {"crowd", "affinity"} <= set(checks_due(story.history))
    assert story.verdict(affinity).status is Status.PASS
