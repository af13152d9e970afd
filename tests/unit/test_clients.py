"""Places to send from: what was never there, and what is gone."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from svcproof.app import CLIENT_LABEL, App, Clients
from svcproof.clusters.fake import LIMITS, FakeCluster
from svcproof.errors import ClusterProblem, NotSupported
from svcproof.manifest_files import packaged_manifests
from svcproof.places import PositionSpec, TargetSpec
from svcproof.ports import ClusterFacts
from svcproof.snapshot import Node, Pod, Snapshot

SPEC = PositionSpec("pod", "n2")
NODES = tuple(Node(name, ("192.0.2.1",), ready=True) for name in ("n1", "n2"))
WHOLE = Snapshot(
    NODES,
    tuple(
        Pod(
            f"c-{node.name}", "ns", "u", node.name, (), {CLIENT_LABEL: "pod"}, "Running", ready=True
        )
        for node in NODES
    ),
    (),
    (),
)


def now(*pods: Pod, **changes) -> Snapshot:
    """The cluster with this changed of n2, and without its client."""
    nodes = (NODES[0], replace(NODES[1], **changes))
    return replace(WHOLE, nodes=nodes, pods=(WHOLE.pods[0], *pods))


def clients(*snapshots: Snapshot) -> Clients:
    facts = ClusterFacts("c", "existing", "1.36", "iptables", ("ipv4",), ("n1", "n2"))
    each = iter(snapshots)
    app = SimpleNamespace(
        cluster=SimpleNamespace(facts=facts),
        snapshot=lambda: next(each),
        wait_ready=lambda: None,
    )
    return Clients(app)


@pytest.mark.parametrize(
    ("later", "words"),
    [
        (replace(WHOLE, nodes=NODES[:1], pods=WHOLE.pods[:1]), "has left the cluster since the"),
        (now(ready=False), "the node is no longer Ready"),
        (now(replace(WHOLE.pods[1], ready=False), ready=False, repels="x"), "no longer Ready"),
        (now(repels="cordoned"), "the node is cordoned now"),
        (now(), "no client Pod of kind pod is ready on n2$"),
    ],
)
def test_what_was_there_when_the_run_began_and_is_gone_is_no_skip(later, words):
    lost = clients(WHOLE, later)
    lost.wait_ready()
    with pytest.raises(ClusterProblem, match=rf"(?m)n2.*{words}|{words}"):
        lost.position(SPEC)


def test_a_place_that_is_known_is_kept_and_found_gone_by_whoever_sends_from_it():
    known = clients(WHOLE, now(ready=False))
    assert known.everywhere("pod") == [known.position(PositionSpec("pod", n)) for n in ("n1", "n2")]


@pytest.mark.parametrize("reasons", [{"repels": "cordoned"}, {"unfit": "a Windows node"}])
def test_a_node_that_never_took_pods_is_not_supported(reasons):
    never = clients(now(**reasons), now(**reasons))
    never.wait_ready()
    with pytest.raises(NotSupported, match=next(iter(reasons.values()))):
        never.position(SPEC)


def test_a_node_port_of_a_node_that_has_left_is_no_error_of_usage():
    cluster = FakeCluster()
    cluster.create_namespace("ns")
    manifests = [*packaged_manifests("webserver"), *packaged_manifests("nodeport")]
    app = App(cluster, "ns", manifests, run="r", limits=LIMITS)
    cluster._model.nodes = cluster._model.nodes[:2]
    app.apply()
    assert app.target(TargetSpec("node-port", "ipv4", "node-2")).entry_node == "node-2"
    with pytest.raises(ClusterProblem, match="node-3 was there when this run began, and is no"):
        app.target(TargetSpec("node-port", "ipv4", "node-3"))
