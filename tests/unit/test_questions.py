"""What is asked beside a Service's addresses: one Pod, a name, a health check."""

import pytest

from svcproof.questions import (
    ADDRESS_QUERIES,
    asked_of,
    connect_target,
    health_check_target,
    kept,
    name_target,
    over_tcp,
    pod_target,
)
from svcproof.snapshot import Pod, Service, ServicePort

POD = Pod(
    "web-1", "ns", "uid", "n1", ("10.0.0.1", "fd00::1"), labels={}, phase="Running", ready=True
)
SERVICE = Service(
    name="svc",
    namespace="ns",
    type="LoadBalancer",
    cluster_ips=("10.96.0.1",),
    ports=(ServicePort(80, 8080, name="web"), ServicePort(53, 53, "UDP", name="dns")),
    health_check_node_port=30500,
)


@pytest.mark.parametrize(
    ("family", "host", "name"),
    [("ipv4", "10.0.0.1", "Pod web-1 itself"), ("ipv6", "fd00::1", "Pod web-1 itself over IPv6")],
)
def test_a_pod_itself(family, host, name):
    target = pod_target(POD, 8080, family)
    assert (target.host, target.name, target.family) == (host, name, family)
    assert (target.form, target.port, target.entry_node, target.service) == (
        "pod-ip", 8080, "n1", "",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("written", "host"),
    [
        ("short", "svc"),
        ("with namespace", "svc.ns"),
        ("with svc", "svc.ns.svc"),
        ("full", "svc.ns.svc.cluster.local"),
        ("full with dot", "svc.ns.svc.cluster.local."),
    ],
)
def test_a_name_in_every_way_to_write_it(written, host):
    target = name_target(SERVICE, "A", written=written)
    assert (target.host, target.name, target.query) == (host, f"A of {host}", "A")
    assert (target.form, target.port, target.protocol, target.service) == ("dns", 53, "udp", "svc")
    assert target.port_name == ""


def test_a_name_is_written_in_full_unless_it_is_said_how():
    assert name_target(SERVICE, "A").host == "svc.ns.svc.cluster.local."
    assert name_target(SERVICE, "A", cluster_domain="example.org").host == "svc.ns.svc.example.org."


@pytest.mark.parametrize(
    ("query", "family"), [("A", "ipv4"), ("AAAA", "ipv6"), ("CNAME", "ipv4"), ("SRV", "ipv4")]
)
def test_the_family_that_is_asked_for(query, family):
    assert name_target(SERVICE, query, port_name="web").family == family


def test_the_record_of_each_family():
    assert ADDRESS_QUERIES == {"ipv4": "A", "ipv6": "AAAA"}


@pytest.mark.parametrize(("port", "protocol"), [("web", "tcp"), ("dns", "udp")])
def test_a_ports_name(port, protocol):
    target = name_target(SERVICE, "SRV", port_name=port)
    assert target.host == f"_{port}._{protocol}.svc.ns.svc.cluster.local."
    assert target.port_name == port


@pytest.mark.parametrize(("address", "family"), [("192.0.2.1", "ipv4"), ("2001:db8::1", "ipv6")])
def test_a_health_check(address, family):
    target = health_check_target(SERVICE, "n1", address)
    assert (target.host, target.port, target.family) == (address, 30500, family)
    assert (target.form, target.entry_node, target.service) == ("health-check", "n1", "svc")
    shown = " over IPv6" if family == "ipv6" else ""
    assert (target.name, target.protocol) == (f"health check of svc at n1{shown}", "tcp")


def test_a_question_over_tcp_and_to_one_server_is_told_from_the_plain_one():
    plain = name_target(SERVICE, "A")
    streamed = over_tcp(plain)
    assert (streamed.protocol, streamed.name) == ("tcp", f"{plain.name} over TCP")
    asked = asked_of(streamed, "10.0.0.1", "Pod web-1", pod=POD)
    assert asked.name == f"{plain.name} over TCP asked of Pod web-1"
    assert (asked.server, asked.server_pod, asked.entry_node) == ("10.0.0.1", "web-1", "n1")
    of_service = asked_of(plain, "10.96.0.10", "Service kube-dns")
    assert (of_service.server, of_service.server_pod, of_service.entry_node) == (
        "10.96.0.10", "", "",
    )  # fmt: skip


def test_a_client_that_keeps_its_port_is_told_from_one_that_does_not():
    target = pod_target(POD, 8080, "ipv4")
    assert kept(target, 10_001).source_port == 10_001
    assert kept(target, 10_001).name == "Pod web-1 itself from one port"
    assert target.source_port == 0


@pytest.mark.parametrize(
    ("address", "family", "name"),
    [("10.96.0.1", "ipv4", "API"), ("fd00::1", "ipv6", "API over IPv6")],
)
def test_an_address_that_is_only_connected_to(address, family, name):
    target = connect_target("API", address, 443)
    assert (target.form, target.family, target.name) == ("connect", family, name)
    assert (target.host, target.port, target.protocol) == (address, 443, "tcp")
