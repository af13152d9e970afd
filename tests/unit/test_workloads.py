"""What still lacks, in words."""

from dataclasses import replace

import pytest

from svcproof.snapshot import Endpoint, EndpointSlice, Node, Pod, Service, ServicePort, Snapshot
from svcproof.workloads import lacking, unpullable

DEPLOYMENT = {
    "kind": "Deployment",
    "metadata": {"name": "web"},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}},
    },
}
DAEMON_SET = {
    "kind": "DaemonSet",
    "metadata": {"name": "client"},
    "spec": {"selector": {"matchLabels": {"app": "web"}}},
}
SERVICE = {"kind": "Service", "metadata": {"name": "svc"}, "spec": {"selector": {"app": "web"}}}
NODES = (
    Node("n1", ("192.0.2.1",), ready=True),
    Node("n2", ("192.0.2.2",), ready=True),
    Node("off", ("192.0.2.3",), ready=False),
    Node("cordoned", ("192.0.2.4",), ready=True, repels="cordoned"),
)


def pod(name: str, node: str = "n1", *, ready: bool = True, terminating: bool = False) -> Pod:
    phase = "Running" if ready else "Pending"
    labels = {"app": "web"}
    return Pod(name, "ns", f"u-{name}", node, ("10.0.0.1",), labels, phase, ready, terminating)


def snapshot(*pods: Pod, listed: tuple[str, ...] = (), service: bool = True) -> Snapshot:
    services = (
        Service("svc", "ns", "ClusterIP", ("10.96.0.1",), (ServicePort(80, 80),), {"app": "web"}),
    )
    endpoints = tuple(Endpoint(("10.0.0.1",), True, True, False, pod=name) for name in listed)
    slices = (EndpointSlice("s", "svc", "IPv4", {}, endpoints),)
    return Snapshot(NODES, pods, services if service else (), slices)


@pytest.mark.parametrize(
    ("pods", "lack"),
    [
        ([pod("a"), pod("b")], ""),
        ([pod("a"), pod("b"), pod("c", terminating=True)], ""),
        ([pod("a")], "Deployment web: 1 of 2 Pods ready"),
        (
            [pod("a"), pod("b", "", ready=False)],
            "Deployment web: 1 of 2 Pods ready (b on no node is Pending)",
        ),
        ([pod("a"), pod("b"), pod("c")], "Deployment web: 3 of 2 Pods ready"),
        ([pod("a"), pod("b"), pod("c", ready=False)], "Deployment web: 2 of 2 Pods ready (c on"),
    ],
)
def test_deployments(pods, lack):
    assert lacking([DEPLOYMENT], snapshot(*pods)).startswith(lack)
    assert bool(lacking([DEPLOYMENT], snapshot(*pods))) == bool(lack)


def deployment(**metadata: object) -> dict:
    """The Deployment with other labels on its Pods, or annotations of its own."""
    labels = metadata.pop("labels", None)
    template = {"metadata": {"labels": labels} if labels else {}}
    return DEPLOYMENT | {
        "metadata": DEPLOYMENT["metadata"] | metadata,
        "spec": DEPLOYMENT["spec"] | {"template": template},
    }


def test_pods_of_an_older_revision_are_not_the_ones_wanted():
    wanted = deployment(labels={"app": "web", "revision": "2"})
    assert lacking([wanted], snapshot(pod("b"), pod("a"))) == (
        "Deployment web: still of an older revision: a, b"
    )
    assert lacking([wanted], snapshot(pod("a"))) == "Deployment web: 1 of 2 Pods ready"
    assert lacking([deployment()], snapshot(pod("a"), pod("b"))) == ""


def test_where_the_number_is_left_open_all_that_there_are_count():
    silent = DEPLOYMENT | {"spec": {k: v for k, v in DEPLOYMENT["spec"].items() if k != "replicas"}}
    assert lacking([silent], snapshot()) == "Deployment web: 0 of 1 Pods ready"
    assert lacking([silent], snapshot(pod("a"), pod("b"), pod("c"))) == ""
    assert lacking([silent], snapshot(pod("a"), pod("b", ready=False))).startswith(
        "Deployment web: 1 of 2 Pods ready"
    )


def test_an_autoscaler_leaves_the_number_open():
    scaler = {
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "any"},
        "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "web"}},
    }
    three = snapshot(pod("a"), pod("b"), pod("c"))
    assert lacking([DEPLOYMENT, scaler], three) == ""
    assert lacking([DEPLOYMENT], three) == "Deployment web: 3 of 2 Pods ready"


@pytest.mark.parametrize("kind", ["StatefulSet", "ReplicaSet"])
def test_other_workloads_are_waited_for_as_well(kind):
    other = DEPLOYMENT | {"kind": kind}
    assert lacking([other], snapshot(pod("a"))) == f"{kind} web: 1 of 2 Pods ready"
    assert lacking([other], snapshot(pod("a"), pod("b"))) == ""


def test_a_pod_is_waited_for_by_its_name():
    single = {"kind": "Pod", "metadata": {"name": "a"}, "spec": {}}
    assert lacking([single], snapshot()) == "Pod a: not there"
    assert lacking([single], snapshot(pod("a", ready=False))).startswith("Pod a: not ready (a on")
    assert lacking([single], snapshot(pod("a"))) == ""


@pytest.mark.parametrize(
    ("operator", "values", "is_selected"),
    [
        ("In", ["web", "shop"], True),
        ("In", ["shop"], False),
        ("NotIn", ["shop"], True),
        ("NotIn", ["web"], False),
        ("Exists", None, True),
        ("DoesNotExist", None, False),
    ],
)
def test_pods_are_selected_by_expressions_too(operator, values, is_selected):
    term = {"key": "app", "operator": operator, **({"values": values} if values else {})}
    template = DEPLOYMENT["spec"]["template"]
    spec = {"replicas": 1, "selector": {"matchExpressions": [term]}, "template": template}
    lack = lacking([DEPLOYMENT | {"spec": spec}], snapshot(pod("a")))
    assert (lack == "") is is_selected


def test_pods_that_are_never_to_be_ready_have_to_run():
    never = deployment(annotations={"svcproof.dev/never-ready": ""}, labels={"app": "web"})
    running = [replace(pod(name, ready=False), phase="Running") for name in "ab"]
    assert lacking([never], snapshot(*running)) == ""
    pending = replace(running[1], phase="Pending")
    assert lacking([never], snapshot(running[0], pending)).startswith(
        "Deployment web: 1 of 2 Pods ready (a on n1 is Running, b on n1 is Pending)"
    )
    without_address = replace(running[1], addresses=())
    assert "1 of 2" in lacking([never], snapshot(running[0], without_address))
    other = deployment(annotations={"other": ""}, labels={"app": "web"})
    assert "0 of 2" in lacking([other], snapshot(*running))


def test_daemon_sets():
    assert lacking([DAEMON_SET], snapshot(pod("a", "n1"), pod("b", "n2"))) == ""
    assert lacking([DAEMON_SET], snapshot(pod("a", "n1"))) == "DaemonSet client: no ready Pod on n2"
    empty = Snapshot((), (), (), ())
    assert lacking([DAEMON_SET], snapshot()) == "DaemonSet client: no ready Pod on n1, n2"
    unready = snapshot(pod("a", "n1"), pod("b", "n2", ready=False))
    assert lacking([DAEMON_SET], unready) == (
        "DaemonSet client: no ready Pod on n2 (b on n2 is Pending)"
    )
    assert lacking([DAEMON_SET], empty) == "DaemonSet client: no ready Pod on any node"


def test_services():
    assert lacking([SERVICE], snapshot(pod("a"), listed=("a",))) == ""
    assert "list [], ready Pods are ['a 10.0.0.1']" in lacking([SERVICE], snapshot(pod("a")))
    for selector in ({}, {"selector": {}}):  # without a selector nobody makes its list
        by_hand = SERVICE | {"spec": selector}
        assert lacking([by_hand], snapshot(pod("a"))) == ""
    assert "no Service 'svc'" in lacking([SERVICE], snapshot(service=False))


def test_the_first_lack_is_told_and_other_kinds_are_not_waited_for():
    config = {"kind": "ConfigMap", "metadata": {"name": "c"}}
    assert lacking([config, SERVICE, DEPLOYMENT], snapshot()).startswith("Deployment web")
    assert lacking([config], snapshot()) == ""


@pytest.mark.parametrize(("terminating", "told"), [(False, "Pod a on n1: ImagePull"), (True, "")])
def test_a_pod_of_a_run_before_is_no_reason_to_give_up(terminating, told):
    waiting = replace(pod("a", ready=False, terminating=terminating), waiting="ImagePullBackOff: x")
    assert unpullable(snapshot(waiting)).startswith(told)
    assert bool(unpullable(snapshot(waiting))) == bool(told)
