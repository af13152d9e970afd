"""The simulator against its rules."""

from dataclasses import replace

import pytest

from svcproof.errors import NotSupported
from svcproof.expect import Promise, endpoint_lists, promise, usable
from svcproof.history import Outcome, Position, Target
from svcproof.profiles import PROFILES
from svcproof.snapshot import Endpoint, EndpointSlice, Pod, Service, ServicePort, Snapshot

SERVICE = Service(
    name="svc",
    namespace="ns",
    type="NodePort",
    cluster_ips=("10.96.0.1",),
    ports=(ServicePort(8080, 80, node_port=30100),),
    selector={"app": "web"},
    external_traffic_policy="Cluster",
)
CLIENT = Position(name="c", kind="pod", node="n1", pod="c", addresses=("10.0.0.99",))
TARGET = Target(name="t", service="svc", form="cluster-ip", host="10.96.0.1", port=8080)


def endpoint(name: str, address: str = "10.0.0.1", **conditions: bool) -> Endpoint:
    states = {"ready": True, "serving": True, "terminating": False} | conditions
    return Endpoint((address,), node="n1", pod=name, pod_uid=f"uid-{name}", **states)


def pod(name: str, *addresses: str, **fields: object) -> Pod:
    values = {"phase": "Running", "ready": True, "labels": {"app": "web"}} | fields
    return Pod(name, "ns", f"uid-{name}", "n1", addresses or ("10.0.0.1",), **values)


def snapshot(*endpoints: Endpoint, service: Service = SERVICE, pods: tuple[Pod, ...] = ()):
    v4 = tuple(item for item in endpoints if ":" not in item.addresses[0])
    v6 = tuple(item for item in endpoints if ":" in item.addresses[0])
    slices = (
        EndpointSlice("svc-4", "svc", "IPv4", {"": 80}, v4),
        EndpointSlice("svc-6", "svc", "IPv6", {"": 80}, v6),
        EndpointSlice("other", "other", "IPv4", {"": 80}, (endpoint("not-mine"),)),
    )
    return Snapshot((), pods, (service,), slices)


def due_of(shown: Snapshot, target: Target = TARGET) -> Promise:
    return promise(shown, CLIENT, target, run="r", profile=PROFILES["iptables"])


def names(result):
    return [backend.pod for backend in result.allowed]


def test_ready_endpoints_answer():
    due = due_of(snapshot(endpoint("a"), endpoint("b")), TARGET)
    assert due.outcome is Outcome.ANSWERED
    assert names(due) == ["a", "b"]
    assert due.allowed[0].run == "r"
    assert due.allowed[0].uid == "uid-a"


def test_unready_ones_do_not():
    due = due_of(snapshot(endpoint("a"), endpoint("b", ready=False, serving=False)))
    assert names(due) == ["a"]


def test_dying_but_serving_ones_only_when_none_is_ready():
    dying = endpoint("d", ready=False, terminating=True)
    dead = endpoint("x", ready=False, serving=False, terminating=True)
    assert names(due_of(snapshot(endpoint("a"), dying), TARGET)) == ["a"]
    assert names(due_of(snapshot(dying, dead), TARGET)) == ["d"]
    assert usable([endpoint("u", ready=False, serving=True)]) == ()


def test_nobody_left_is_refused():
    for items in ((), (endpoint("x", ready=False, serving=False),)):
        due = due_of(snapshot(*items), TARGET)
        assert (due.outcome, due.allowed) == (Outcome.REFUSED, ())


def test_families_are_apart():
    both = snapshot(endpoint("four"), endpoint("six", "fd00::1"))
    six = Target(
        name="t", service="svc", form="cluster-ip", host="fd00::9", port=8080, family="ipv6"
    )
    assert names(due_of(both, TARGET)) == ["four"]
    assert names(due_of(both, six)) == ["six"]


NODE_PORT = Target(name="t", service="svc", form="node-port", host="192.0.2.1", port=30100)


@pytest.mark.parametrize(
    "changes", [{"cluster_ips": ("None",)}, {"type": "ExternalName", "cluster_ips": ()}]
)
def test_what_is_not_proxied_is_not_dialled(changes):
    service = replace(SERVICE, **changes)
    with pytest.raises(NotSupported, match="not proxied: ask the DNS"):
        due_of(snapshot(endpoint("a"), service=service))


def test_each_policy_concerns_its_own_traffic():
    local_outside = replace(SERVICE, external_traffic_policy="Local")
    assert names(due_of(snapshot(endpoint("a"), service=local_outside), TARGET)) == ["a"]
    local_inside = replace(SERVICE, internal_traffic_policy="Local")
    due = due_of(snapshot(endpoint("a"), service=local_inside), NODE_PORT)
    assert names(due) == ["a"]


def test_the_endpoint_lists():
    pods = (
        pod("a"),
        pod("unready", "10.0.0.2", ready=False),
        pod("going", "10.0.0.3", terminating=True),
        pod("other", "10.0.0.4", labels={"app": "db"}),
        pod("both", "10.0.0.5", "fd00::5"),
    )
    shown = snapshot(endpoint("a"), endpoint("unready", "10.0.0.2", ready=False), pods=pods)
    assert endpoint_lists(shown, SERVICE) == (["a 10.0.0.1"], ["a 10.0.0.1", "both 10.0.0.5"])
    dual = replace(SERVICE, cluster_ips=("10.96.0.1", "fd00:96::1"))
    assert "both fd00::5" in endpoint_lists(shown, dual)[1]


def test_an_unknown_service_names_the_known():
    with pytest.raises(KeyError, match=r"no Service 'x'; there are \['svc'\]"):
        snapshot().service("x")
