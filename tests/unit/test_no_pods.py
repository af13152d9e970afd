"""Why a workload makes no Pods is told in its controller's words, soon, and as *not supported*."""

import time

import pytest

from svcproof.app import App
from svcproof.clusters.fake import FakeCluster
from svcproof.errors import NotSupported
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
