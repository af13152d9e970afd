"""What a kind cluster can do beyond the protocol."""

from __future__ import annotations

import pytest

from svcproof.clusters.embedded.dns import OUTSIDE_NAMES
from svcproof.clusters.kind.cluster import KindCluster
from svcproof.clusters.kind.docker import Docker
from svcproof.clusters.kind.outside import outside_prober
from svcproof.clusters.kind.ownership import PREFIX
from svcproof.errors import NotSupported, UsageError
from svcproof.history import Outcome
from svcproof.ports import (
    CanFreezeComponents,
    CanLoadImages,
    CanRunInNodes,
    CanRunInPods,
    CanStopNodes,
    Cluster,
    ProbePlan,
)
from svcproof.waits import wait_for


@pytest.fixture
def kind(cluster: Cluster) -> KindCluster:
    assert isinstance(cluster, KindCluster)
    return cluster


def test_it_has_them(kind: KindCluster):
    for power in (CanFreezeComponents, CanLoadImages, CanRunInNodes, CanRunInPods, CanStopNodes):
        assert isinstance(kind, power)


def test_facts(kind: KindCluster, pytestconfig: pytest.Config):
    facts = kind.facts
    assert facts.kind == "kind"
    assert facts.node_names == ("node-1", "node-2", "node-3")
    assert facts.proxy_mode == (pytestconfig.getoption("svc_proxy_mode") or "iptables")
    assert facts.outside_names == OUTSIDE_NAMES
    zones = {node.zone for node in kind.snapshot("default").nodes}
    assert zones == {"zone-1", "zone-2", "zone-3"}


def test_commands_run_in_a_node(kind: KindCluster):
    assert kind.run_in_node("node-2", ["sh", "-c", "echo a; echo b >&2; exit 3"]) == (
        3,
        "a\n",
        "b\n",
    )
    with pytest.raises(UsageError, match="node-1, node-2, node-3"):
        kind.run_in_node("node-9", ["true"])


def test_nothing_leaves_the_machine(kind: KindCluster):
    """An address of nobody's ends at once, from every node."""
    for node in kind.facts.node_names:
        command = ["timeout", "5", "bash", "-c", "exec 3<>/dev/tcp/192.0.2.1/80"]
        code, _, errors = kind.run_in_node(node, command)
        assert code == 1
        assert "No route to host" in errors


def test_a_component_can_be_frozen(kind: KindCluster):
    for component, node in (
        ("kube-proxy", "node-2"),
        ("kubelet", "node-3"),
        ("containerd", "node-2"),
        ("kube-controller-manager", ""),
    ):
        kind.freeze(component, node)
        assert state(kind, component, node or "node-1") == "T"
        kind.thaw(component, node)
        assert state(kind, component, node or "node-1") != "T"
    with pytest.raises(NotSupported, match="no component kube-scheduler runs on node-2"):
        kind.freeze("kube-scheduler", "node-2")


def state(kind: KindCluster, component: str, node: str) -> str:
    script = (
        "for p in /proc/[0-9]*; do "
        f"case $(tr '\\0' '\\n' <$p/cmdline 2>/dev/null | head -n 1) in {component}|*/{component}) "
        "sed 's/.*) //' $p/stat | cut -c1;; esac; done"
    )
    _, output, _ = kind.run_in_node(node, ["sh", "-c", script])
    return output.split()[0]


def test_a_node_dies_silently_and_comes_back(kind: KindCluster):
    """Its kubelet's port answers, then nobody does; no connection is refused or reset."""
    (outside,) = kind.outside_positions()
    (address, *_) = next(
        node.addresses for node in kind.snapshot("default").nodes if node.name == "node-3"
    )
    plan = ProbePlan(host=address, port=10250, count=1, connect_timeout=2, attempt_timeout=3)
    kind.stop_node("node-3")
    try:
        (attempt,) = kind.probe(outside, plan)
        assert attempt.outcome in (Outcome.TIMED_OUT, Outcome.UNREACHABLE)
    finally:
        kind.start_node("node-3")
    assert all(node.ready for node in kind.snapshot("default").nodes)
    test_nothing_leaves_the_machine(kind)


def test_the_control_planes_node_is_not_stopped(kind: KindCluster):
    with pytest.raises(NotSupported, match="control plane"):
        kind.stop_node("node-1")


def test_the_client_outside_ends_with_its_user(kind: KindCluster):
    """What docker exec has started would go on."""
    docker, cluster = Docker.running(), f"{PREFIX}{kind.facts.name}"
    (outside,) = kind.outside_positions()
    plan = ProbePlan(host=outside.addresses[0], port=9, count=100_000, rate=20)
    before = agents(docker, cluster)
    prober = outside_prober(docker, cluster)
    stream = prober.probe(plan)
    next(stream)
    assert agents(docker, cluster) == before + 1
    prober.close()

    def look() -> str:
        count = agents(docker, cluster) - before
        return f"{count} more than before" if count else ""

    wait_for("the client's end", look, limit=20)


def agents(docker: Docker, cluster: str) -> int:
    return docker.call("top", f"{cluster}-outside", "-eo", "pid,args").count("/echo-hostname agent")
