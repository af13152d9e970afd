"""The API server's JSON, as a real 1.36 server wrote it, shortened."""

import pytest

from svcproof.clusters import objects
from svcproof.snapshot import Endpoint, ServicePort

INFO = {"operatingSystem": "linux", "architecture": "amd64", "kubeletVersion": "v1.36.4"}


def test_node():
    item = {
        "metadata": {"name": "node-1", "labels": {"topology.kubernetes.io/zone": "zone-1"}},
        "spec": {"podCIDR": "10.244.0.0/24"},
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": "192.0.2.1"},
                {"type": "InternalIP", "address": "2001:db8::1"},
                {"type": "Hostname", "address": "node-1"},
            ],
            "conditions": [{"type": "Ready", "status": "True"}],
            "nodeInfo": INFO,
        },
    }
    node = objects.node(item)
    assert (node.name, node.zone, node.ready, node.schedulable) == ("node-1", "zone-1", True, True)
    assert node.addresses == ("192.0.2.1", "2001:db8::1")


def test_node_that_takes_no_pods():
    bare = {"metadata": {"name": "n"}, "status": {"nodeInfo": INFO}}
    assert not objects.node(bare).ready
    assert not objects.node({**bare, "spec": {"unschedulable": True}}).schedulable
    for key, schedulable in (
        ("node-role.kubernetes.io/control-plane", True),
        ("node.kubernetes.io/unreachable", False),
    ):
        spec = {"taints": [{"key": key, "effect": "NoSchedule"}]}
        assert objects.node({**bare, "spec": spec}).schedulable is schedulable
    soft = {"taints": [{"key": "x", "effect": "PreferNoSchedule"}]}
    assert objects.node({**bare, "spec": soft}).schedulable


@pytest.mark.parametrize(
    ("labels", "annotations", "info", "reason"),
    [
        ({}, {}, INFO, ""),
        ({"kubernetes.io/os": "windows"}, {}, INFO | {"operatingSystem": "windows"}, "Windows"),
        ({"kubernetes.io/os": "windows"}, {}, {"kubeletVersion": "v1"}, "Windows"),
        ({"type": "virtual-kubelet"}, {}, INFO, "virtual"),
        ({}, {"kwok.x-k8s.io/node": "fake"}, INFO, "pretends"),
        ({}, {}, {}, "no kubelet"),
        ({}, {}, None, "no kubelet"),
    ],
)
def test_a_node_that_runs_nothing_of_ours(labels, annotations, info, reason):
    metadata = {"name": "n", "labels": labels, "annotations": annotations}
    node = objects.node({"metadata": metadata, "status": {"nodeInfo": info}})
    assert (reason in node.unfit, node.schedulable) == (True, not reason)
    assert bool(node.unfit) is bool(reason)


def test_an_address_that_is_a_name_is_none():
    addresses = [{"type": "InternalIP", "address": "node.example"}]
    assert (
        objects.node({"metadata": {"name": "n"}, "status": {"addresses": addresses}}).addresses
        == ()
    )


def test_pod():
    item = {
        "metadata": {
            "name": "p",
            "namespace": "ns",
            "uid": "u",
            "labels": {"app": "web"},
            "deletionTimestamp": "2026-01-01T00:00:00Z",
        },
        "spec": {"nodeName": "n1", "hostNetwork": True},
        "status": {
            "phase": "Running",
            "podIPs": [{"ip": "10.0.0.1"}],
            "conditions": [{"type": "Ready", "status": "False"}],
        },
    }
    pod = objects.pod(item)
    assert (pod.node, pod.addresses, pod.phase) == ("n1", ("10.0.0.1",), "Running")
    assert (pod.ready, pod.terminating, pod.host_network) == (False, True, True)
    pending = objects.pod({"metadata": {"name": "p", "namespace": "ns", "uid": "u"}})
    assert (pending.node, pending.addresses, pending.ready) == ("", (), False)


def test_service():
    item = {
        "metadata": {"name": "svc", "namespace": "ns"},
        "spec": {
            "type": "NodePort",
            "clusterIPs": ["10.96.0.1"],
            "ports": [
                {
                    "name": "web-port",
                    "port": 8080,
                    "protocol": "TCP",
                    "targetPort": 80,
                    "nodePort": 30100,
                },
                {"port": 53, "protocol": "UDP", "targetPort": "dns"},
            ],
            "selector": {"app": "web"},
            "sessionAffinity": "ClientIP",
            "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 5}},
            "externalTrafficPolicy": "Local",
            "internalTrafficPolicy": "Cluster",
        },
        "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.9"}, {"hostname": "x"}]}},
    }
    service = objects.service(item)
    assert service.ports == (
        ServicePort(8080, 80, "TCP", "web-port", 30100),
        ServicePort(53, "dns", "UDP"),
    )
    assert (service.session_affinity, service.affinity_timeout_seconds) == ("ClientIP", 5)
    assert (service.external_traffic_policy, service.type) == ("Local", "NodePort")
    assert service.load_balancer_addresses == ("192.0.2.9",)
    assert service.load_balancer_names == ("x",)
    assert service.load_balancer_proxies == ()


def test_a_load_balancer_that_the_nodes_do_not_know():
    ingress = [{"ip": "192.0.2.9", "ipMode": "Proxy"}, {"ip": "192.0.2.8", "ipMode": "VIP"}]
    service = objects.service({"status": {"loadBalancer": {"ingress": ingress}}})
    assert service.load_balancer_addresses == ("192.0.2.9", "192.0.2.8")
    assert service.load_balancer_proxies == ("192.0.2.9",)
    both = [{"ip": "192.0.2.9", "hostname": "lb.example"}]
    service = objects.service({"status": {"loadBalancer": {"ingress": both}}})
    assert service.load_balancer_names == ()  # the address is what the nodes know


def test_endpoint_slice():
    item = {
        "metadata": {"name": "s", "labels": {"kubernetes.io/service-name": "svc"}},
        "addressType": "IPv4",
        "ports": [{"name": "web-port", "port": 80}, {"name": "", "port": None}],
        "endpoints": [
            {
                "addresses": ["10.0.0.1"],
                "conditions": {"ready": False, "serving": True, "terminating": True},
                "nodeName": "n1",
                "zone": "z",
                "targetRef": {"kind": "Pod", "name": "p", "uid": "u"},
            },
            {"addresses": ["10.0.0.2"]},
        ],
    }
    item_slice = objects.endpoint_slice(item)
    assert (item_slice.service, item_slice.ports) == ("svc", {"web-port": 80})
    first, second = item_slice.endpoints
    assert first == Endpoint(("10.0.0.1",), False, True, True, "n1", "z", "p", "u")
    assert second == Endpoint(("10.0.0.2",), True, True, False)


def test_endpoint_slice_of_nobody():
    empty = {"metadata": {"name": "s"}, "addressType": "IPv6", "endpoints": None, "ports": None}
    assert objects.endpoint_slice(empty).service == ""


def test_what_the_api_leaves_out_or_writes_as_null():
    """Go writes an empty list as null; a slice without addresses has no endpoint to dial."""
    bare = {"metadata": {"name": "x", "namespace": "ns", "uid": "u"}, "spec": None, "status": None}
    assert objects.node(bare).unfit
    assert objects.pod(bare).addresses == ()
    assert objects.service(bare).ports == ()
    listed = {"addressType": "IPv4", "endpoints": [{"addresses": None}], "metadata": {}}
    assert objects.endpoint_slice(listed).endpoints == ()
    named = {"addresses": ["10.0.0.1"], "conditions": {"ready": None}, "targetRef": {"kind": "Pod"}}
    (endpoint,) = objects.endpoint_slice({**listed, "endpoints": [named]}).endpoints
    assert (endpoint.ready, endpoint.serving, endpoint.pod) == (True, True, "")


@pytest.mark.parametrize(
    ("conditions", "waits"),
    [
        ({"ContainersReady": "True"}, True),
        ({"ContainersReady": "True", "example.com/lb": "False"}, True),
        ({"ContainersReady": "True", "example.com/lb": "True"}, False),
        ({"ContainersReady": "False"}, False),  # its containers are what it waits for
        ({}, False),
    ],
)
def test_a_readiness_gate_that_nobody_sets_is_named(conditions, waits):
    item = {
        "metadata": {"name": "p", "namespace": "ns", "uid": "u"},
        "spec": {"readinessGates": [{"conditionType": "example.com/lb"}]},
        "status": {
            "conditions": [{"type": kind, "status": said} for kind, said in conditions.items()]
        },
    }
    assert objects.pod(item).waiting.startswith("its readiness gate example.com/lb is") is waits


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        (
            {"reason": "Unschedulable", "message": "0/3 nodes are available."},
            "Unschedulable: 0/3 nodes are available.",
        ),
        ({"reason": "Unschedulable"}, "Unschedulable"),
        ({"reason": "SchedulingGated", "message": "gated"}, ""),
        ({}, ""),
    ],
)
def test_why_a_pod_is_on_no_node(condition, said):
    condition = {"type": "PodScheduled", "status": "False", **condition}
    item = {
        "metadata": {"name": "p", "namespace": "ns", "uid": "u"},
        "spec": {},
        "status": {"phase": "Pending", "conditions": [condition]},
    }
    assert objects.pod(item).waiting == said
