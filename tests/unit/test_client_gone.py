"""A client that is gone is not waited for: nothing is known of the way that it was to take."""

import time
from dataclasses import replace
from itertools import product

import pytest

from svcproof.app import App, Clients, client_manifests_for
from svcproof.checkers import judge
from svcproof.clusters.fake import FakeCluster
from svcproof.clusters.fake_defects import Defect
from svcproof.context import Context, Workers
from svcproof.events import NotConverged
from svcproof.limits import Limits
from svcproof.manifest_files import packaged_manifests
from svcproof.patience import Patience, way_of
from svcproof.recorder import Recorder
from svcproof.run import Run
from svcproof.verdict import Status

#: Longer than a test that does not wait takes.
PATIENT = Limits(convergence=20.0, unsettled=20.0, workload_ready=1.0, endpoints=1.0)


class Losing(FakeCluster):
    """Something has become of node-2."""

    node_2 = "there"

    def snapshot(self, namespace):
        seen = super().snapshot(namespace)
        here = [node for node in seen.nodes if node.name != "node-2" or self.node_2 != "gone"]
        unready = self.node_2 == "not ready"
        nodes = (replace(n, ready=not (unready and n.name == "node-2")) for n in here)
        return replace(seen, nodes=tuple(nodes))


class Forgetful(Defect):
    """An exec that the harness loses from node-2, whatever becomes of the Pod."""

    def loses(self, position, number):
        return "exec lost" if position.node == "node-2" else ""


@pytest.fixture
def run():
    cluster = Losing()
    cluster.create_namespace("ns")
    stems = ("webserver", "clusterip")
    manifests = [*client_manifests_for(cluster), *map_all(stems)]
    app = App(cluster, "ns", manifests, run="r", limits=PATIENT)
    app.apply()
    workers = Workers()
    recorder = Recorder(None, run="r", case="c")
    yield Run(Context(app, recorder, PATIENT, Patience(), workers), Clients(app))
    workers.close()


def map_all(stems):
    return [item for stem in stems for item in packaged_manifests(stem)]


def waits(run):
    events = run.recorder.freeze().events
    return {each.position: each for each in events if isinstance(each, NotConverged)}


def measured(run, pairs):
    began = time.monotonic()
    verdict = judge(run.measure(pairs))
    assert time.monotonic() - began < 20
    return verdict


@pytest.mark.parametrize(
    ("node", "words"),
    [
        ("there", "on node-2"),
        ("not ready", "on node-2, and the node is not Ready"),
        ("gone", "on node-2, and the node has left the cluster"),
    ],
)
def test_its_pod_and_node_are_named_at_once_and_the_rest_is_judged(run, node, words):
    pairs = list(product(run.clients.everywhere("pod"), run.app.targets("cluster-ip")))
    (gone, target) = pairs[1]
    run.app.cluster.delete("Pod", gone.pod, namespace="ns")  # its DaemonSet makes another
    run.app.cluster.node_2 = node
    verdict = measured(run, pairs)
    assert verdict.status is Status.INCONCLUSIVE
    assert list(waits(run)) == [gone.name]
    event = waits(run)[gone.name]
    assert event.last_state == f"the client is gone: Pod {gone.pod} {words}"
    assert "kubectl describe node node-2" in event.remedy
    told = " ".join(f"{found.summary} {found.remedy}" for found in verdict.findings)
    assert "kube-proxy" not in told
    assert not run.context.patience.is_known(way_of(gone, target), target.service)


def test_one_that_is_there_and_cannot_be_asked_is_waited_for(run):
    run.context = replace(run.context, limits=replace(PATIENT, convergence=1.0, unsettled=1.0))
    run.app.cluster.defects.append(Forgetful())
    pairs = list(product(run.clients.everywhere("pod"), run.app.targets("cluster-ip")))
    assert measured(run, pairs).status is Status.INCONCLUSIVE
    (event,) = waits(run).values()
    assert event.seconds >= 1.0
    assert "exec lost" in event.last_state
    assert "kubectl describe node node-2" in event.remedy
