"""Places and addresses in words, and what they mean on a cluster."""

from dataclasses import replace
from typing import get_args

import pytest

from svcproof.errors import NotSupported, UsageError
from svcproof.places import (
    DialledForm,
    PositionKind,
    PositionSpec,
    TargetSpec,
    has_family,
    has_form,
    position_specs,
    resolve_target,
    target_specs,
)
from svcproof.snapshot import Node, Service, ServicePort, Snapshot

NODES = ("node-1", "node-2")
SNAPSHOT = Snapshot(
    (
        Node("node-1", ("192.0.2.1", "2001:db8::1"), ready=True),
        Node("node-2", ("192.0.2.2",), ready=True),
    ),
    (),
    (),
    (),
)
SERVICE = Service(
    name="svc",
    namespace="ns",
    type="NodePort",
    cluster_ips=("10.96.0.1", "fd00:96::1"),
    ports=(
        ServicePort(8080, 80, name="web-port", node_port=30100),
        ServicePort(53, 53, "UDP", name="dns"),
    ),
)


def words(specs):
    return [spec.words for spec in specs]


def test_positions_in_words():
    assert words(position_specs(["pod", "outside"], NODES)) == [
        "from a Pod on node-1",
        "from a Pod on node-2",
        "from outside the cluster",
    ]
    assert str(PositionSpec("host-network", "node-1")) == "the host network of node-1"


def test_targets_in_words():
    assert words(target_specs(["cluster-ip", "node-port"], NODES, ["ipv4"])) == [
        "by ClusterIP",
        "at node-1",
        "at node-2",
    ]
    assert words(target_specs(["fqdn"], NODES, ["ipv4", "ipv6"])) == [
        "by FQDN over IPv4",
        "by FQDN over IPv6",
    ]


@pytest.mark.parametrize(
    ("form", "family", "node", "host", "port"),
    [
        ("cluster-ip", "ipv4", "", "10.96.0.1", 8080),
        ("cluster-ip", "ipv6", "", "fd00:96::1", 8080),
        ("short-name", "ipv4", "", "svc", 8080),
        ("fqdn", "ipv4", "", "svc.ns.svc.cluster.local", 8080),
        ("node-port", "ipv4", "node-2", "192.0.2.2", 30100),
        ("node-port", "ipv6", "node-1", "2001:db8::1", 30100),
    ],
)
def test_what_they_mean(form, family, node, host, port):
    target = resolve_target(TargetSpec(form, family, node), SERVICE, SNAPSHOT)
    assert (target.host, target.port, target.family) == (host, port, family)
    assert (target.service, target.entry_node, target.protocol) == ("svc", node, "tcp")


def test_a_named_port():
    target = resolve_target(TargetSpec("cluster-ip", "ipv4"), SERVICE, SNAPSHOT, port_name="dns")
    assert (target.port, target.protocol) == (53, "udp")


def test_the_address_of_a_balancer():
    service = replace(SERVICE, load_balancer_addresses=("2001:db8::9", "198.51.100.1"))
    target = resolve_target(TargetSpec("load-balancer", "ipv4"), service, SNAPSHOT)
    assert (target.host, target.port, target.form) == ("198.51.100.1", 8080, "load-balancer")
    with pytest.raises(NotSupported, match="Service svc has no IPv4 address; it has: none"):
        resolve_target(TargetSpec("load-balancer", "ipv4"), SERVICE, SNAPSHOT)


def test_the_name_of_a_balancer_is_dialled_where_it_has_no_address():
    service = replace(SERVICE, load_balancer_names=("lb.example",))
    target = resolve_target(TargetSpec("load-balancer", "ipv4"), service, SNAPSHOT)
    assert (target.host, target.form) == ("lb.example", "load-balancer")
    both = replace(service, load_balancer_addresses=("198.51.100.1",))
    assert resolve_target(TargetSpec("load-balancer", "ipv4"), both, SNAPSHOT).host == (
        "198.51.100.1"
    )


@pytest.mark.parametrize(
    ("addresses", "names", "families", "due"),
    [
        ((), (), ("IPv4", "IPv6"), {"ipv4", "ipv6"}),  # not there yet: that is for others to say
        (("198.51.100.1",), (), ("IPv4", "IPv6"), {"ipv4"}),
        (("2001:db8::9", "198.51.100.1"), (), ("IPv4", "IPv6"), {"ipv4", "ipv6"}),
        ((), ("lb.example",), ("IPv6", "IPv4"), {"ipv6"}),
        ((), ("lb.example",), (), {"ipv4"}),
    ],
)
def test_families_of_a_balancer(addresses, names, families, due):
    service = replace(
        SERVICE,
        load_balancer_addresses=addresses,
        load_balancer_names=names,
        ip_families=families,
    )
    assert {f for f in ("ipv4", "ipv6") if has_form(service, "load-balancer", f)} == due


def test_what_is_dialled_has_a_name_of_its_own():
    spec = TargetSpec("node-port", "ipv4", "node-1")
    target = resolve_target(spec, SERVICE, SNAPSHOT, port_name="web-port")
    assert (target.name, target.port_name) == ("svc port web-port at node-1", "web-port")
    one_port = replace(SERVICE, ports=SERVICE.ports[:1])
    target = resolve_target(spec, one_port, SNAPSHOT)
    assert (target.name, target.port_name) == ("svc at node-1", "web-port")


def test_all_addresses_that_there_are_are_named():
    service = replace(SERVICE, cluster_ips=("10.96.0.1", "10.96.0.2"))
    with pytest.raises(
        NotSupported, match=r"^Service svc has no IPv6 .*: 10\.96\.0\.1, 10\.96\.0\.2"
    ):
        resolve_target(TargetSpec("cluster-ip", "ipv6"), service, SNAPSHOT)


def test_a_family_that_the_service_does_not_have_is_not_asked():
    single = replace(SERVICE, ip_families=("IPv4",))
    assert not has_family(single, "ipv6")
    assert has_family(single, "ipv4")
    assert has_family(SERVICE, "ipv6")  # an alias has none of its own
    with pytest.raises(NotSupported, match="svc is of IPv4 only"):
        resolve_target(TargetSpec("fqdn", "ipv6"), single, SNAPSHOT)


def test_a_port_that_no_client_speaks_is_passed_over():
    sctp = ServicePort(9000, 9000, "SCTP", name="diameter")
    both = replace(SERVICE, ports=(sctp, *SERVICE.ports))
    assert resolve_target(TargetSpec("cluster-ip", "ipv4"), both, SNAPSHOT).port_name == "web-port"
    for ports, name in (((sctp,), ""), (both.ports, "diameter")):
        with pytest.raises(NotSupported, match="port diameter of Service svc speaks SCTP"):
            resolve_target(
                TargetSpec("cluster-ip", "ipv4"),
                replace(SERVICE, ports=ports),
                SNAPSHOT,
                port_name=name,
            )


@pytest.mark.parametrize(
    ("changes", "form", "words"),
    [
        ({"cluster_ips": ("None",)}, "cluster-ip", "is headless"),
        ({"type": "ExternalName", "cluster_ips": ()}, "cluster-ip", "is an alias"),
        ({"type": "ClusterIP", "ports": (ServicePort(80, 80),)}, "node-port", "has no node port"),
    ],
)
def test_an_address_that_a_service_cannot_have_is_a_wrong_question(changes, form, words):
    spec = TargetSpec(form, "ipv4", "node-1" if form == "node-port" else "")
    with pytest.raises(UsageError, match=f"Service svc .*{words}"):
        resolve_target(spec, replace(SERVICE, **changes), SNAPSHOT)


def test_only_node_ports_are_entered_at_a_node():
    forms = [form for form in get_args(DialledForm) if form != "node-port"]
    assert {spec.entry_node for spec in target_specs(forms, NODES, ["ipv4"])} == {""}
    assert [spec.entry_node for spec in target_specs(["node-port"], NODES, ["ipv4"])] == [*NODES]


def test_another_domain():
    target = resolve_target(
        TargetSpec("fqdn", "ipv4"), SERVICE, SNAPSHOT, cluster_domain="example.org"
    )
    assert target.host == "svc.ns.svc.example.org"


def test_every_form_and_place_has_words():
    assert words(target_specs(get_args(DialledForm), NODES[:1], ["ipv6"])) == [
        "by ClusterIP",
        "by short name",
        "by FQDN",
        "at node-1",
        "by its external address",
        "by an externalIP",
    ]
    assert words(position_specs(get_args(PositionKind), NODES[:1])) == [
        "from a Pod on node-1",
        "from the host network of node-1",
        "from a backend Pod on node-1",
        "from outside the cluster",
    ]


def test_what_cannot_be_meant_is_refused_with_what_there_is():
    with pytest.raises(
        NotSupported, match=r"node node-2 has no IPv6 address; it has: 192\.0\.2\.2"
    ):
        resolve_target(TargetSpec("node-port", "ipv6", "node-2"), SERVICE, SNAPSHOT)
    with pytest.raises(UsageError, match="no node 'node-9'; there are: node-1, node-2"):
        resolve_target(TargetSpec("node-port", "ipv4", "node-9"), SERVICE, SNAPSHOT)
    with pytest.raises(UsageError, match="no port 'x'; it has: web-port, dns"):
        resolve_target(TargetSpec("cluster-ip", "ipv4"), SERVICE, SNAPSHOT, port_name="x")
    with pytest.raises(UsageError, match="kind of position 'moon'; there are: pod, host-network"):
        list(position_specs(["moon"], NODES))
    with pytest.raises(UsageError, match="form of address 'magic'; there are: cluster-ip"):
        list(target_specs(["magic"], NODES, ["ipv4"]))
