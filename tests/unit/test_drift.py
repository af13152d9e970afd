"""A Service that somebody else has changed is told from one that the run left so."""

import pytest

from svcproof.drift import Drift, drift
from svcproof.snapshot import Service, ServicePort

PORT = ServicePort(port=80, target_port=8080, name="web", node_port=30080)
SERVICE = Service(
    name="web",
    namespace="shop",
    type="NodePort",
    cluster_ips=("10.96.0.7",),
    ports=(PORT,),
    selector={"app": "web"},
    session_affinity="ClientIP",
    external_traffic_policy="Cluster",
)
SAME = {
    "type": "NodePort",
    "selector": {"app": "web"},
    "sessionAffinity": "ClientIP",
    "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 10800}},
    "externalTrafficPolicy": "Cluster",
    "internalTrafficPolicy": "Cluster",
    "publishNotReadyAddresses": False,
    "ports": [{"name": "web", "port": 80, "targetPort": 8080, "protocol": "TCP"}],
}


def drifts(spec, service=SERVICE):
    return list(drift({"kind": "Service", "spec": spec}, service))


DEFAULTS = {"sessionAffinityConfig", "externalTrafficPolicy", "internalTrafficPolicy"}


@pytest.mark.parametrize("left_out", [set(), {"publishNotReadyAddresses"}, DEFAULTS])
def test_what_is_as_it_was_left_is_none_and_what_was_left_out_has_its_default(left_out):
    assert drifts({name: value for name, value in SAME.items() if name not in left_out}) == []


@pytest.mark.parametrize("left_out", ["type", "selector", "sessionAffinity", "ports"])
def test_what_was_left_out_and_has_another_value_is_told(left_out):
    (found,) = drifts({name: value for name, value in SAME.items() if name != left_out})
    assert found.field == f"spec.{left_out}"
    assert found.is_default


@pytest.mark.parametrize(
    ("changes", "field", "wanted", "seen"),
    [
        ({"selector": {"app": "shop", "tier": "x"}}, "selector", "app=shop, tier=x", "app=web"),
        ({"type": "ClusterIP"}, "type", "ClusterIP", "NodePort"),
        ({"sessionAffinity": "None"}, "sessionAffinity", "None", "ClientIP"),
        ({"externalTrafficPolicy": "Local"}, "externalTrafficPolicy", "Local", "Cluster"),
        ({"publishNotReadyAddresses": True}, "publishNotReadyAddresses", "true", "false"),
        (
            {"sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 5}}},
            "sessionAffinityConfig.clientIP.timeoutSeconds",
            "5",
            "10800",
        ),
        (
            {"ports": [{"port": 80, "targetPort": "http"}]},
            "ports[port=80].targetPort",
            "http",
            "8080",
        ),
        (
            {"ports": [{"port": 80, "nodePort": 30081}]},
            "ports[port=80].nodePort",
            "30081",
            "30080",
        ),
    ],
)
def test_a_changed_field_is_told_with_both_values(changes, field, wanted, seen):
    (found,) = drifts(SAME | changes)
    assert found == Drift(f"spec.{field}", wanted, seen)
    assert str(found) == f"spec.{field} is {seen}, not {wanted}"


def test_ports_that_went_and_came_are_told():
    assert drifts(SAME | {"ports": [{"port": 80, "protocol": "UDP"}]}) == [
        Drift("spec.ports", "80/UDP", ""),
        Drift("spec.ports", "", "80/TCP", is_default=True),
    ]


def test_an_alias_that_leads_elsewhere():
    alias = Service(
        name="a", namespace="n", type="ExternalName", cluster_ips=(), ports=(), external_name="b"
    )
    assert drifts({"type": "ExternalName", "externalName": "a"}, alias) == [
        Drift("spec.externalName", "a", "b")
    ]


def test_the_timeout_of_an_affinity_that_was_switched_off_is_nothing():
    assert drifts(SAME | {"sessionAffinity": "None"}) == [
        Drift("spec.sessionAffinity", "None", "ClientIP")
    ]
