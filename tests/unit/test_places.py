"""Places and addresses in words, and what they mean on a cluster."""

import pytest

from svcproof.errors import UsageError
from svcproof.places import (
    PositionSpec,
    TargetSpec,
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


def test_what_cannot_be_meant_is_refused_with_what_there_is():
    with pytest.raises(UsageError, match=r"node node-2 has no IPv6 address; it has: 192\.0\.2\.2"):
        resolve_target(TargetSpec("node-port", "ipv6", "node-2"), SERVICE, SNAPSHOT)
    with pytest.raises(UsageError, match="no node 'node-9'; there are: node-1, node-2"):
        resolve_target(TargetSpec("node-port", "ipv4", "node-9"), SERVICE, SNAPSHOT)
    with pytest.raises(UsageError, match="no port 'x'; it has: web-port, dns"):
        resolve_target(TargetSpec("cluster-ip", "ipv4"), SERVICE, SNAPSHOT, port_name="x")
    with pytest.raises(UsageError, match="kind of position 'moon'; there are: pod, host-network"):
        list(position_specs(["moon"], NODES))
    with pytest.raises(UsageError, match="form of address 'magic'; there are: cluster-ip"):
        list(target_specs(["magic"], NODES, ["ipv4"]))
