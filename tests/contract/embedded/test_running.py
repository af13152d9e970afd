"""Clusters that run: side by side, sealed off, and looked at from outside."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from itertools import combinations

import pytest

from svcproof.clusters.embedded.cluster import EmbeddedCluster
from svcproof.clusters.embedded.owner import end
from svcproof.clusters.embedded.start import fresh_name
from svcproof.clusters.embedded.state import BASE, StateDirectory
from svcproof.clusters.embedded.world import World
from svcproof.history import Outcome
from svcproof.ports import CanFreezeComponents, CanRunInNodes, ProbePlan
from tests.contract.embedded.machine import Machine

Command = Callable[..., subprocess.CompletedProcess[str]]


def _up(svcproof: Command, *arguments: str) -> StateDirectory:
    name = fresh_name()
    done = svcproof("up", "--name", name, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return StateDirectory(BASE / name)


@pytest.fixture
def two_clusters(svcproof: Command) -> Iterator[tuple[StateDirectory, StateDirectory]]:
    first = _up(svcproof, "--nodes", "1", "--ip-families", "dual")
    try:
        second = _up(svcproof, "--nodes", "2", "--proxy-mode", "nftables")
        yield first, second
        end(second)
    finally:
        end(first)


def test_two_clusters_side_by_side(
    machine: Machine, svcproof: Command, two_clusters: tuple[StateDirectory, StateDirectory]
) -> None:
    """Own address ranges, own nodes; a name in use is refused and its cluster lives on."""
    first, second = two_clusters
    for ours, theirs in combinations((first.plan(), second.plan()), 2):
        for family, other in zip(ours.families, theirs.families, strict=False):
            assert not ip_network(family.everything).overlaps(ip_network(other.everything))
    for directory, nodes in ((first, 1), (second, 2)):
        done = svcproof("kubectl", "--name", directory.name, "get", "nodes", "-o", "json")
        assert len(json.loads(done.stdout)["items"]) == nodes
    again = svcproof("up", "--name", first.name)
    assert again.returncode == 4
    assert "running already" in again.stderr
    assert all(World(first).alive().values())
    left = Machine.now().left_since(machine)
    assert {"processes", "links", "routes", "cgroups", "files"} <= set(left), "the check is blind"
    assert "settings" not in left


def test_commands_about_a_cluster(
    svcproof: Command, two_clusters: tuple[StateDirectory, StateDirectory]
) -> None:
    name = two_clusters[1].name
    assert "all components run" in svcproof("status").stdout
    assert svcproof("kubeconfig", "--name", name).stdout.strip().endswith("kubeconfig")
    assert svcproof("logs", "--name", name, "kubelet", "node-2").stdout
    shown = svcproof("shell", "--name", name, "node-2", "--", "hostname").stdout
    assert shown.strip() == "node-2"
    unknown = svcproof("shell", "--name", name, "node-9", "--", "true")
    assert (unknown.returncode, "node-1, node-2" in unknown.stderr) == (4, True)
    missing = svcproof("logs", "--name", name, "kubelet", "node-7")
    assert (missing.returncode, "kubelet node-1" in missing.stderr) == (4, True)


def _probe(family: str, host: str) -> ProbePlan:
    assert family in {"ipv4", "ipv6"}
    return ProbePlan(host=host, port=80, count=3, family=family)  # type: ignore[arg-type]


def test_nothing_leaves_the_machine(svcproof: Command) -> None:
    """Without kube-proxy a ClusterIP, like any stray address, ends as unreachable."""
    directory = _up(svcproof, "--nodes", "2", "--ip-families", "dual")
    try:
        world = World(directory)
        cluster = EmbeddedCluster(directory)
        assert isinstance(cluster, CanRunInNodes)
        assert isinstance(cluster, CanFreezeComponents)
        cluster.freeze("kube-proxy", "node-1")
        cluster.run_in_node("node-1", ["iptables", "-t", "nat", "-F"])
        cluster.run_in_node("node-1", ["ip6tables", "-t", "nat", "-F"])
        for family in world.plan.families:
            pod = ip_network(family.node_pods[1]).network_address + 77
            elsewhere = "198.51.100.7" if family.family == "ipv4" else "2001:db8::7"
            for host in (family.dns_service, str(pod), elsewhere):
                plan = _probe(family.family, host)
                places = {"node-1": _from_node(cluster, plan)}
                outside = cluster.outside_positions()[0]
                places["outside"] = {a.outcome for a in cluster.probe(outside, plan)}
                if host != elsewhere:  # the host's own default route is not ours
                    places["host"] = _from_host(world, plan)
                assert places == {place: {Outcome.UNREACHABLE} for place in places}, host
        cluster.close()
    finally:
        end(directory)


def _from_node(cluster: EmbeddedCluster, plan: ProbePlan) -> set[Outcome]:
    from svcproof.probes.arguments import probe_arguments

    program = "/run/svcproof/bin/echo-hostname"
    _, output, _ = cluster.run_in_node("node-1", [program, *probe_arguments(plan)])
    return {Outcome(json.loads(line)["outcome"]) for line in output.splitlines()[:-1]}


def _from_host(world: World, plan: ProbePlan) -> set[Outcome]:
    from pathlib import Path

    from svcproof.probes.program import ProgramProber

    program = Path(world.plan.components) / "echo-hostname"
    return {attempt.outcome for attempt in ProgramProber(program).probe(plan)}
