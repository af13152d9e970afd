"""Clusters that run: side by side, sealed off, and looked at from outside."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import ip_network
from itertools import combinations, product

import pytest

from svcproof.clusters.embedded.addressing import FamilyAddresses
from svcproof.clusters.embedded.cluster import EmbeddedCluster
from svcproof.clusters.embedded.start import fresh_name
from svcproof.clusters.embedded.state import BASE, StateDirectory
from svcproof.clusters.embedded.world import World
from svcproof.history import Outcome
from svcproof.ports import CanFreezeComponents, CanRunInNodes, ProbePlan
from svcproof.waits import wait_for
from tests.contract.embedded.conftest import left
from tests.contract.embedded.machine import Machine

Command = Callable[..., subprocess.CompletedProcess[str]]


#: Two nodes in both families, and one node with the other proxy mode.
_SHAPES = (
    ("--nodes", "2", "--ip-families", "dual"),
    ("--nodes", "1", "--proxy-mode", "nftables"),
)


@pytest.fixture(scope="module")
def before() -> Machine:
    """The machine without them."""
    return Machine.now()


@pytest.fixture(scope="module")
def two_clusters(
    before: Machine, svcproof: Command
) -> Iterator[tuple[StateDirectory, StateDirectory]]:
    """Started at the same time; in the end, nothing is left of them."""
    first, second = fresh_name(), fresh_name()

    def up(name: str, shape: tuple[str, ...]) -> None:
        done = svcproof("up", "--name", name, *shape)
        assert done.returncode == 0, done.stdout + done.stderr

    try:
        with ThreadPoolExecutor() as pool:
            list(pool.map(up, (first, second), _SHAPES))
        yield StateDirectory(BASE / first), StateDirectory(BASE / second)
    finally:
        for name in (first, second):
            svcproof("down", "--name", name)
    names = {first, second}
    wait_for("nothing of the clusters being left", lambda: left(before, names), limit=30)


def test_two_clusters_side_by_side(
    before: Machine, svcproof: Command, two_clusters: tuple[StateDirectory, StateDirectory]
) -> None:
    """Own address ranges, own nodes; a name in use is refused and its cluster lives on."""
    first, second = two_clusters
    for ours, theirs in combinations((first.plan(), second.plan()), 2):
        for family, other in zip(ours.families, theirs.families, strict=False):
            assert not ip_network(family.everything).overlaps(ip_network(other.everything))
    for directory, nodes in ((first, 2), (second, 1)):
        done = svcproof("kubectl", "--name", directory.name, "get", "nodes", "-o", "json")
        assert len(json.loads(done.stdout)["items"]) == nodes
    again = svcproof("up", "--name", first.name)
    assert again.returncode == 4
    assert "running already" in again.stderr
    assert all(World(first).alive().values())
    there = Machine.now().left_since(before, of={first.name, second.name})
    assert {"processes", "links", "routes", "cgroups", "files"} <= set(there), "the check is blind"
    assert "settings" not in there


def test_commands_about_a_cluster(
    svcproof: Command, two_clusters: tuple[StateDirectory, StateDirectory]
) -> None:
    name = two_clusters[0].name
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


def test_nothing_leaves_the_machine(two_clusters: tuple[StateDirectory, StateDirectory]) -> None:
    """Without kube-proxy a ClusterIP, like any stray address, ends as unreachable."""
    directory = two_clusters[0]
    world = World(directory)
    cluster = EmbeddedCluster(directory)
    assert isinstance(cluster, CanRunInNodes)
    assert isinstance(cluster, CanFreezeComponents)
    cluster.freeze("kube-proxy", "node-1")
    cluster.run_in_node("node-1", ["iptables", "-t", "nat", "-F"])
    cluster.run_in_node("node-1", ["ip6tables", "-t", "nat", "-F"])
    outside = cluster.outside_positions()[0]
    places: dict[str, Callable[[ProbePlan], set[Outcome]]] = {
        "node-1": partial(_from_node, cluster),
        "outside": lambda plan: {attempt.outcome for attempt in cluster.probe(outside, plan)},
        "host": partial(_from_host, world),
    }

    def ended(place: str, family: FamilyAddresses) -> dict[str, set[Outcome]]:
        # One after the other: refusals to one client are limited in number.
        return {host: places[place](_probe(family.family, host)) for host in _stray(family, place)}

    asked = list(product(places, world.plan.families))
    with ThreadPoolExecutor(len(asked)) as pool:
        found = dict(zip(asked, pool.map(ended, *zip(*asked, strict=True)), strict=True))
    cluster.close()
    expected = {
        (place, family): {host: {Outcome.UNREACHABLE} for host in _stray(family, place)}
        for place, family in asked
    }
    assert found == expected


def _stray(family: FamilyAddresses, place: str) -> list[str]:
    """Addresses that nothing has: a ClusterIP without rules, a Pod's, one that is elsewhere."""
    pod = ip_network(family.node_pods[1]).network_address + 77
    elsewhere = "198.51.100.7" if family.family == "ipv4" else "2001:db8::7"
    # The host's own default route is not ours.
    return [family.dns_service, str(pod), *([elsewhere] if place != "host" else [])]


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
