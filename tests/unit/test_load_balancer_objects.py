"""The load balancer's objects fit together, and its addresses into the fabric."""

from ipaddress import ip_address, ip_network

import pytest

from svcproof.clusters.embedded import metallb
from svcproof.clusters.embedded.addressing import addresses_of
from svcproof.clusters.options import MAX_NODES


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_its_addresses_are_the_fabrics_and_nobody_elses(family):
    addresses = addresses_of(213, family, MAX_NODES)
    pool, fabric = ip_network(addresses.load_balancers), ip_network(addresses.fabric)
    assert fabric.network_address < pool.network_address
    assert pool.broadcast_address < fabric.broadcast_address
    taken = (addresses.host, addresses.control_plane, addresses.outside, addresses.router)
    assert not [each for each in (*taken, *addresses.nodes) if ip_address(each) in pool]


def test_the_pool_has_every_family_and_is_announced():
    families = [addresses_of(213, family, 3) for family in ("ipv4", "ipv6")]
    pool, announcement = metallb.pool_objects(families)
    assert pool["spec"]["addresses"] == ["10.213.0.128/26", "fd53:7663:d5::80:0/112"]
    assert announcement["spec"]["ipAddressPools"] == [pool["metadata"]["name"]]


def test_one_version_of_each_kind_is_stored():
    for definition in metallb.definitions():
        spec = definition["spec"]
        assert definition["metadata"]["name"] == f"{spec['names']['plural']}.{spec['group']}"
        assert sum(version["storage"] for version in spec["versions"]) == 1
    assert metallb.served_kinds("v1beta2") == {"BGPPeer"}
    assert len(metallb.served_kinds("v1beta1")) == len(metallb.definitions())


def test_rights_are_given_to_the_accounts_that_the_programs_have():
    objects = metallb.account_objects()
    accounts = {item["metadata"]["name"] for item in objects if item["kind"] == "ServiceAccount"}
    bound = [item for item in objects if item["kind"].endswith("Binding")]
    assert {item["subjects"][0]["name"] for item in bound} == accounts
    used = {item["spec"]["template"]["spec"]["serviceAccountName"] for item in metallb.workloads()}
    assert used == accounts


def test_only_the_speaker_may_more_than_nothing():
    for item in metallb.workloads():
        (container,) = item["spec"]["template"]["spec"]["containers"]
        added = container["securityContext"]["capabilities"].get("add", [])
        assert added == (["NET_RAW"] if item["kind"] == "DaemonSet" else [])
