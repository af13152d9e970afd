"""Where data planes differ, and that what is not known is not promised."""

import pytest

from svcproof.history import Outcome
from svcproof.profiles import COMMON, PROFILES, profile_of


@pytest.mark.parametrize("mode", ["iptables", "nftables"])
def test_kube_proxy_refuses_where_there_is_nobody_and_drops_where_nobody_is_near(mode):
    profile = profile_of(mode)
    assert profile is PROFILES[mode]
    assert profile.name == f"kube-proxy {mode}"
    assert profile.choice == "random"
    assert profile.no_endpoint == (Outcome.REFUSED,)
    assert profile.no_local_endpoint == (Outcome.TIMED_OUT,)
    assert profile.tells_sources
    assert profile.masquerades_pods_to_nodes
    assert profile.verified


@pytest.mark.parametrize("mode", ["", "unknown", "IPTables"])
def test_an_unknown_data_plane_promises_what_all_do(mode):
    profile = profile_of(mode)
    assert profile is COMMON
    assert profile.choice == ""
    assert not profile.tells_sources
    assert not profile.masquerades_pods_to_nodes
    assert not profile.verified


def test_whatever_one_data_plane_promises_the_unknown_one_does_not_contradict():
    """Every ending that is right somewhere is right where nothing is known, and no answer is."""
    for profile in PROFILES.values():
        assert set(profile.no_endpoint) <= set(COMMON.no_endpoint)
        assert set(profile.no_local_endpoint) <= set(COMMON.no_local_endpoint)
    for outcomes in (COMMON.no_endpoint, COMMON.no_local_endpoint):
        assert not {Outcome.ANSWERED, Outcome.UNKNOWN, Outcome.NAME_FAILED} & set(outcomes)
