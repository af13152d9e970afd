"""Each fault of the catalogue: found by the questions that must find it, and by no others.

Takes minutes, so it is not part of a plain run: `tox -e faults`.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from svcproof.battery import Battery, Topic
from svcproof.errors import NotSupported
from svcproof.faults import CATALOGUE, Fault, Scene, unsupported
from svcproof.ports import CanRunInNodes, Cluster
from svcproof.proof import make_scene, not_green, prove

#: Slug → the topic whose finding must point at the cause, and what it must say.
CLUES = {
    "selector-matches-nothing": (Topic.ENDPOINTS, r"lack ready Pods: .*\[web\]"),
    "selector-too-broad": (Topic.CLUSTER_IP, r"a stranger answered: other-"),
    "wrong-target-port": (Topic.CLUSTER_IP, r"200 of 200 connections ended refused"),
    "listens-on-loopback": (Topic.POD_TO_POD, r"ended refused .*Pod web-\S+ itself"),
    "not-ready-pod-served": (Topic.ENDPOINTS, r"list Pods that are not ready: web-.*\[web\]"),
    "ready-pod-excluded": (Topic.ENDPOINTS, r"lack ready Pods: web-"),
    "orphan-slice": (Topic.ENDPOINTS, r"not ready: \(no Pod\) "),
    "proxy-frozen": (Topic.CHANGE, r"should not get traffic: .*{node} → turning"),
    "rules-wiped": (Topic.NODE_PORT, r"ended refused .*at {node}"),
    "node-port-closed": (Topic.NODE_PORT, r"66 of 66 connections ended timed-out .*at {node}"),
    "captured-by-host-port": (Topic.CLUSTER_IP, r"a stranger answered: other-.*{node} → web"),
    "no-masquerade": (Topic.NODE_PORT, r"ended timed-out .*at {node}"),
    "hairpin-broken": (Topic.HAIRPIN, r"ended timed-out .*backend lonely"),
    "forward-policy-drop": (Topic.POD_TO_POD, r"ended timed-out .*Pod web-\S+ itself"),
    "local-leaks": (Topic.POD_LESS, r"ended answered .*at {node}"),
    "local-hides-the-client": (Topic.LOCAL, r"client's address is lost .*at {home}"),
    "silence-for-refusal": (Topic.REFUSAL, r"ended timed-out .*{node} → nobody"),
    "refusal-for-silence": (Topic.POD_LESS, r"ended refused .*at {node}"),
    "affinity-ignored": (Topic.AFFINITY, r"the client changed its Pod"),
    "affinity-too-short": (Topic.AFFINITY, r"the affinity was lost too early"),
    "clients-share-an-address": (Topic.AFFINITY, r"the client's address is lost"),
    "uneven-shares": (Topic.SHARES, r"not shared equally: .*on {home} [56]\d.*{node} → web"),
    "overlay-blocked": (Topic.POD_TO_POD, r"ended timed-out .*Pod web-\S+ itself"),
    "node-dies": (Topic.POD_TO_POD, r"ended timed-out .*Pod web-\S+ itself"),
    "packets-lost": (Topic.LATENCY, r"packets are lost: \d+ of 1200"),
    "new-services-refused": (Topic.API, r"the API server refused a new Service"),
    "large-packets-lost": (Topic.LARGE, r"connections ended timed-out .* → web"),
    "dns-over-tcp-dropped": (Topic.OVER_TCP, r"10 of 10 connections ended timed-out .*over TCP"),
    "no-record-is-no-name": (
        Topic.NO_RECORD,
        r"ended name-failed .*{node} → CNAME of web\.",
    ),
    "name-server-silent": (
        Topic.NAME_SERVERS,
        r"10 of 10 connections ended timed-out .*asked of Pod coredns-",
    ),
    "node-port-closed-beside": (Topic.OTHER_ADDRESSES, r"ended timed-out .*web-port at .*{node}"),
    "external-name-wrong": (Topic.EXTERNAL_NAME, r"CNAME old\.my\.database\.com"),
}


@pytest.fixture(scope="module")
def battery(
    cluster: Cluster,
    new_namespace: Callable[[], str],
    run_id: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Battery:
    """The battery's objects, all green before anything is planted."""
    made = Battery(
        cluster,
        new_namespace(),
        run=run_id,
        home=cluster.facts.node_names[0],
        evidence=tmp_path_factory.mktemp("evidence"),
    )
    made.apply()
    assert not_green(made.ask("before"), "before") == ()
    return made


@pytest.fixture(scope="module")
def scene(battery: Battery) -> Scene:
    return make_scene(battery, battery.recorder("faults", "planted and healed"))


def rules(cluster: Cluster) -> dict[str, list[str]]:
    """Every node's packet rules, without what counts and without whom affinity remembers."""
    assert isinstance(cluster, CanRunInNodes)
    return {
        node: _rules(cluster.run_in_node(node, ["nft", "list", "ruleset"])[1])
        for node in cluster.facts.node_names
    }


def _rules(listed: str) -> list[str]:
    uncounted = re.sub(r"counter packets \d+ bytes \d+", "counter", listed)
    remembered = re.sub(r"elements = \{[^}]*expires[^}]*\}", "", uncounted)
    # kube-proxy writes its rules in no particular order.
    return sorted(line.strip() for line in remembered.splitlines() if line.strip())


@pytest.mark.parametrize("fault", CATALOGUE.values(), ids=lambda fault: fault.slug)
def test_fault(fault: Fault, battery: Battery, scene: Scene, record_property) -> None:
    """A planted fault is found by exactly the questions that must find it; healed, all is green."""
    reason = unsupported(fault, scene)
    if reason:
        raise NotSupported(f"fault {fault}: {reason}")
    before = rules(scene.cluster)
    (trial,) = prove(battery, scene, [fault])
    record_property("seconds", round(trial.seconds, 1))
    assert trial.surprises == ()
    topic, clue = CLUES[fault.slug]
    answer = trial.planted[topic]
    told = [f"{found.summary} [{found.where}]" for found in answer.verdict.findings]
    pattern = clue.replace("{node}", scene.node).replace("{home}", scene.home)
    assert any(re.search(pattern, line) for line in told), told
    if fault.slug != "listens-on-loopback":  # its healing makes new Pods
        assert rules(scene.cluster) == before
