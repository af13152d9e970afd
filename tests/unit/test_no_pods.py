"""Why a workload makes no Pods is told in its controller's words, soon, and as *not supported*."""

import time
from dataclasses import replace

import pytest

from svcproof.app import App
from svcproof.clusters.fake import FakeCluster
from svcproof.errors import NotSupported, WaitExpired
from svcproof.limits import Limits
from svcproof.manifest_files import packaged_manifests
from svcproof.snapshot import Snapshot

QUOTA = 'pods "web-1" is forbidden: exceeded quota: q, requested: pods=1, used: pods=4, limited: 4'


class Forbidding(FakeCluster):
    """Takes everything, and makes no Pods."""

    reason = QUOTA

    def snapshot(self, namespace: str) -> Snapshot:
        seen = super().snapshot(namespace)
        return Snapshot(seen.nodes, (), seen.services, ())

    def why_no_pods(self, namespace: str, kind: str, name: str) -> str:
        return self.reason if (kind, name) == ("Deployment", "hostname-deployment") else ""


def app_of(cluster: FakeCluster, **limits: float) -> App:
    cluster.create_namespace("ns")
    chosen = Limits(notice=0.1, **limits)
    app = App(cluster, "ns", packaged_manifests("webserver"), run="r", limits=chosen)
    app.apply()
    return app


def test_a_quota_is_told_in_its_own_words_and_soon():
    began = time.monotonic()
    with pytest.raises(
        NotSupported, match="Deployment hostname-deployment makes no Pods: pods"
    ) as told:
        app_of(Forbidding()).wait_ready()
    assert QUOTA in told.value.what
    assert time.monotonic() - began < 30  # not workload_ready


def test_where_nothing_is_said_it_is_waited_for():
    cluster = Forbidding()
    cluster.reason = ""
    with pytest.raises(Exception, match="0 of 3 Pods ready"):
        app_of(cluster, workload_ready=0.5).wait_ready()


class Halving(FakeCluster):
    """Makes one Pod of each workload; what it says of the others is its condition."""

    def snapshot(self, namespace: str) -> Snapshot:
        seen = super().snapshot(namespace)
        return Snapshot(seen.nodes, seen.pods[:1], seen.services, ())

    def why_no_pods(self, namespace: str, kind: str, name: str) -> str:
        return QUOTA


def test_some_of_the_pods_are_not_enough():
    with pytest.raises(NotSupported, match="Deployment hostname-deployment makes no more Pods: p"):
        app_of(Halving()).wait_ready()


class Full(FakeCluster):
    """The scheduler finds no node for one Pod."""

    def snapshot(self, namespace: str) -> Snapshot:
        seen = super().snapshot(namespace)
        words = "Unschedulable: 0/3 nodes are available: 3 Insufficient cpu."
        last = [replace(pod, node="", ready=False, waiting=words) for pod in seen.pods[-1:]]
        return Snapshot(seen.nodes, (*seen.pods[:-1], *last), seen.services, ())


def test_a_pod_that_no_node_takes_is_told_with_what_to_do():
    cluster = Full()
    cluster._facts = replace(cluster.facts, is_ours=False)
    with pytest.raises(NotSupported) as told:
        app_of(cluster, straggler=0.3).wait_ready()
    assert told.value.what.endswith(": 0/3 nodes are available: 3 Insufficient cpu.")
    assert "--svc-requests" in told.value.remedy
    assert told.value.is_prevented


def test_it_is_given_time():
    """Something may go, or a node come."""
    cluster = Full()
    cluster._facts = replace(cluster.facts, is_ours=False)
    with pytest.raises(WaitExpired, match="Insufficient cpu"):
        app_of(cluster, straggler=60.0, workload_ready=1.0).wait_ready()


def test_on_a_cluster_of_our_own_that_is_no_way_out():
    with pytest.raises(WaitExpired, match="Insufficient cpu"):
        app_of(Full(), straggler=0.3, workload_ready=1.0).wait_ready()
