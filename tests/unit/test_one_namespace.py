"""The suites in one namespace for all: modules take turns, in whatever order pytest asks."""

from dataclasses import replace
from pathlib import Path

import pytest

from svcproof.clusters import fake, registry
from svcproof.clusters.fake import FakeCluster
from svcproof.limits import Limits

SUITES = Path(__file__).parents[1] / "routing"
ASKED = "clusterip or hairpin or endpoints or roll_out or affinity_local or many or shares"


class OneNamespace(FakeCluster):
    """All of it is in one namespace; there may be so many Pods at once, beside the clients."""

    room = 0

    @property
    def facts(self):
        return replace(super().facts, namespace="one")

    def pods_left(self, namespace):
        return self.room or None

    def apply(self, manifests, *, namespace):
        stored = super().apply(manifests, namespace=namespace)
        pods = [
            pod
            for pod in self.snapshot(namespace).pods
            if "client" not in pod.name and not pod.terminating
        ]
        self.most = max(getattr(self, "most", 0), len(pods))
        return stored


@pytest.fixture
def cluster(monkeypatch):
    made = OneNamespace()
    monkeypatch.setattr(registry, "open_cluster", lambda *_: made)
    monkeypatch.setattr(fake, "LIMITS", Limits(workload_ready=2.0, endpoints=2.0, convergence=2.0))
    return made


def run(pytester, *arguments):
    pytester.makepyfile(
        mixing="""
            import random
            import pytest

            @pytest.hookimpl(trylast=True)
            def pytest_collection_modifyitems(items):
                random.Random(1).shuffle(items)
        """
    )
    pytester.syspathinsert()
    return pytester.runpytest_inprocess(
        "-q", "-p", "no:cacheprovider", "--svc-cluster=fake", str(SUITES), "-k", ASKED, *arguments
    )


@pytest.mark.parametrize("room", [0, 12, 6])
@pytest.mark.parametrize("order", [(), ("-p", "mixing")], ids=["in order", "mixed"])
def test_every_case_is_judged_once(pytester, cluster, room, order):
    cluster.room = room
    result = run(pytester, *order)
    assert result.ret == 0
    evidence = (pytester.path / ".svcproof" / "evidence").rglob("*.jsonl")
    assert not [path.name for path in evidence if path.stem.endswith("-2")]
    outcomes = result.parseoutcomes()
    assert outcomes.keys() <= {"passed", "deselected", "skipped"}
    if room and not order:
        assert cluster.most <= room
