"""Bad input: one clear message that lists what is valid, before anything is made."""

import pytest

from svcproof.clusters import registry
from svcproof.clusters.options import cluster_options
from svcproof.errors import UsageError


def test_defaults():
    options = cluster_options()
    assert (options.kind, options.nodes, options.proxy_mode) == ("embedded", 3, "iptables")
    assert options.families == ("ipv4",)
    assert options.allow_install
    assert not options.keep


@pytest.mark.parametrize(
    ("wanted", "families"),
    [("ipv4", ("ipv4",)), ("ipv6", ("ipv6",)), ("dual", ("ipv4", "ipv6"))],
)
def test_families(wanted, families):
    assert cluster_options(ip_families=wanted).families == families


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"kind": "docker"}, r"cluster kind 'docker' is unknown; valid: auto, embedded, kind, ex"),
        ({"proxy_mode": "ipvs"}, r"proxy mode 'ipvs' is unknown; valid: iptables, nftables"),
        ({"ip_families": "ipv5"}, r"'ipv5' is unknown; valid: ipv4, ipv6, dual"),
        ({"kubernetes_version": "1.9"}, r"Kubernetes version '1.9' is unknown; valid: .*1\.36"),
        ({"nodes": 0}, r"0 nodes cannot be had; valid: 1 to 8"),
        ({"nodes": "99"}, r"99 nodes cannot be had; valid: 1 to 8"),
        ({"nodes": "many"}, r"number of nodes \(1 to 8\) 'many' is no whole number"),
        ({"seed": "x"}, r"seed 'x' is no whole number"),
        ({"name": "Bad_Name"}, r"cluster name 'Bad_Name' will not do"),
        ({"name": "a-name-too-long"}, r"1 to 12 characters"),
        ({"name": "../up"}, r"will not do"),
        ({"components_directory": "/no/such"}, r"components directory '/no/such' does not exist"),
    ],
)
def test_wrong_values(wrong, message):
    with pytest.raises(UsageError, match=message):
        cluster_options(**wrong)


def test_right_values(tmp_path):
    options = cluster_options(nodes="8", name="a-b-9", components_directory=tmp_path, seed="7")
    assert (options.nodes, options.name, options.seed) == (8, "a-b-9", 7)
    assert options.components_directory == tmp_path


def test_unknown_kinds_are_refused_with_the_known():
    with pytest.raises(UsageError, match="'x' is unknown; valid: auto, embedded, kind"):
        registry.opener("x")


def test_every_kind_can_be_opened():
    for kind in registry.kinds():
        assert callable(registry.opener(kind))
