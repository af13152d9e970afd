"""Patience: what was waited for in vain is looked at once, what is healed is waited for."""

import pytest

from svcproof.history import Position, Target
from svcproof.limits import Limits
from svcproof.patience import Patience, way_of

LIMITS = Limits(convergence=60.0, unsettled=5.0, stale=20.0, recheck=1.0, notice=4.0)
HERE = Position(name="a Pod on node-1", kind="pod", node="node-1")


def target(form: str, *, node: str = "", protocol: str = "tcp", family: str = "ipv4") -> Target:
    return Target(
        name=f"web {form}",
        service="web",
        form=form,
        host="192.0.2.1",
        port=80,
        entry_node=node,
        protocol=protocol,
        family=family,
    )


WAY = way_of(HERE, target("cluster-ip"))
OTHER = way_of(HERE, target("node-port", node="node-2"))


@pytest.fixture
def patience() -> Patience:
    return Patience()


def test_nobody_knows_anything_at_first(patience):
    assert patience.seconds(WAY, "web", LIMITS) == 5.0
    assert not patience.is_known(WAY, "web")


def test_rules_that_may_be_late_are_waited_for_longer_once(patience):
    assert patience.seconds(WAY, "web", LIMITS, is_stale=True) == 20.0
    patience.gave_up(WAY, "web", 20.0)
    assert patience.seconds(WAY, "web", LIMITS, is_stale=True) == 1.0


def test_what_was_waited_for_in_vain_is_looked_at_once(patience):
    patience.gave_up(WAY, "web", 5.0)
    assert patience.seconds(WAY, "web", LIMITS) == 1.0
    assert patience.seconds(WAY, "shop", LIMITS) == 5.0
    assert patience.seconds(OTHER, "web", LIMITS) == 5.0


def test_two_services_in_vain_make_a_way_known_for_all(patience):
    patience.gave_up(WAY, "web", 5.0)
    patience.gave_up(WAY, "shop", 5.0)
    assert patience.seconds(WAY, "cart", LIMITS) == 1.0
    assert patience.seconds(OTHER, "cart", LIMITS) == 5.0


def test_where_one_service_settles_two_others_say_nothing_of_the_way(patience):
    patience.settled(WAY, "web", 0.2)
    patience.gave_up(WAY, "shop", 5.0)
    patience.gave_up(WAY, "blog", 5.0)
    assert patience.seconds(WAY, "cart", LIMITS) == 5.0
    assert patience.seconds(WAY, "shop", LIMITS) == 1.0


def test_what_is_healed_is_waited_for_again_but_not_for_as_long(patience):
    patience.gave_up(WAY, "web", 5.0)
    patience.settled(WAY, "web", 0.3)
    assert patience.seconds(WAY, "web", LIMITS) == 2.0
    assert patience.seconds(WAY, "shop", LIMITS) == 5.0


def test_failing_as_it_must_says_nothing_of_a_way(patience):
    patience.gave_up(WAY, "web", 5.0)
    patience.gave_up(WAY, "shop", 5.0)
    patience.settled(WAY, "nobody", 0.3, is_answered=False)
    patience.settled(WAY, "web", 0.3, is_answered=False)
    assert patience.seconds(WAY, "web", LIMITS) == patience.seconds(WAY, "blog", LIMITS) == 1.0


def test_seen_right_after_the_measurement_is_healed_too_and_says_nothing_of_how_long(patience):
    patience.settled(OTHER, "web", 4.0)
    patience.gave_up(WAY, "web", 5.0)
    patience.healed(WAY, "web")
    assert patience.seconds(WAY, "blog", LIMITS) == 12.0
    assert patience.seconds(WAY, "web", LIMITS) == 2.0


def test_where_all_are_slow_everybody_is_waited_for_longer(patience):
    for _ in range(20):
        patience.settled(OTHER, "web", 6.0)
    assert patience.seconds(WAY, "web", LIMITS) == 18.0


def test_a_single_slow_one_among_many_changes_nothing(patience):
    for _ in range(20):
        patience.settled(OTHER, "web", 0.5)
    patience.settled(OTHER, "web", 30.0)
    assert patience.seconds(WAY, "web", LIMITS) == 5.0


def test_nothing_is_waited_for_longer_than_the_limit(patience):
    patience.settled(OTHER, "web", 50.0)
    assert patience.seconds(WAY, "web", LIMITS) == 60.0


def test_waits_in_vain_use_the_runs_budget_up_and_count_once_at_the_same_time(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("svcproof.patience.time.monotonic", lambda: now[0])
    patience = Patience()
    for service in ("a", "b", "c"):
        patience.gave_up(way_of(HERE, target("fqdn")), service, 50.0)
    assert patience.seconds(WAY, "web", LIMITS) == 5.0
    now[0] += 8.0
    patience.gave_up(OTHER, "d", 8.0)
    assert patience.seconds(WAY, "web", LIMITS) == pytest.approx(2.0)
    now[0] += 8.0
    patience.gave_up(OTHER, "e", 8.0)
    assert patience.seconds(WAY, "web", LIMITS) == 1.0  # a look is always left


def test_what_others_waited_in_vain_is_not_taken_from_a_way_that_works(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("svcproof.patience.time.monotonic", lambda: now[0])
    patience = Patience()
    patience.settled(WAY, "web", 0.2)
    for service in ("a", "b", "c", "d", "e"):
        now[0] += 15.0
        patience.gave_up(OTHER, service, 15.0)
    assert patience.seconds(WAY, "shop", LIMITS) == 5.0


def test_all_kinds_of_names_are_one_way_and_nothing_else_is():
    names = {way_of(HERE, target(form)) for form in ("short-name", "fqdn", "dns")}
    others = {
        way_of(HERE, one)
        for one in (
            target("cluster-ip"),
            target("cluster-ip", protocol="udp"),
            target("cluster-ip", family="ipv6"),
            target("node-port", node="node-1"),
            target("node-port", node="node-2"),
        )
    }
    assert len(names) == 1
    assert len(others) == 5


def test_impatient_limits_stay_impatient():
    assert Patience().seconds(WAY, "web", Limits(convergence=0.05)) == 0.05
