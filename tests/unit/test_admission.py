"""What is stored can differ from what was asked for: promises follow what is stored."""

from itertools import product

import pytest

from svcproof.app import App, Clients, client_manifests_for
from svcproof.checkers import judge as check
from svcproof.clusters.fake import LIMITS, FakeCluster
from svcproof.context import Context, Workers
from svcproof.errors import NotSupported
from svcproof.events import NotPromised, ServiceAdmitted, ServiceChanged
from svcproof.manifest_files import packaged_manifests, patched
from svcproof.patience import Patience
from svcproof.recorder import Recorder
from svcproof.run import Run
from svcproof.verdict import Status

NODES = 4  # one has no web server


class Admitting(FakeCluster):
    """Has an admission webhook that merges ``policy`` into every Service's spec."""

    policy = {}  # noqa: RUF012  (of each test its own)

    def apply(self, manifests, *, namespace):
        return super().apply([self.mutated(each) for each in manifests], namespace=namespace)

    def patch(self, kind, name, changes, *, namespace):
        mutated = self.mutated({"kind": kind, **changes})
        return super().patch(kind, name, mutated, namespace=namespace)

    def mutated(self, item):
        return patched(item, {"spec": self.policy}) if item["kind"] == "Service" else item


@pytest.fixture
def workers():
    workers = Workers()
    yield workers
    workers.close()


@pytest.fixture
def opened(workers):
    def open_run(stem, policy):
        cluster = Admitting(nodes=NODES)
        cluster.policy = policy
        cluster.create_namespace("ns")
        stems = ["webserver", "lonely", stem]
        manifests = [each for stem in stems for each in packaged_manifests(stem)]
        manifests += client_manifests_for(cluster)
        app = App(cluster, "ns", manifests, run="r", limits=LIMITS)
        app.apply()
        recorder = Recorder(None, run="r", case="c")
        return Run(Context(app, recorder, LIMITS, Patience(), workers), Clients(app))

    return open_run


def pairs(run, service, *kinds):
    clients = run.clients.everywhere(*(kinds or ("pod",)))
    return list(product(clients, run.app.targets("cluster-ip", service)))


def events(run, kind):
    return [each for each in run.recorder.freeze().events if isinstance(each, kind)]


NEAR = {"trafficDistribution": "PreferSameNode"}
LOCAL = {"internalTrafficPolicy": "Local", "externalTrafficPolicy": "Local"}
STICKY = {"sessionAffinity": "ClientIP"}
EVERYTHING = {"publishNotReadyAddresses": True}


def test_what_is_stored_is_what_apply_and_patch_return():
    cluster = Admitting()
    cluster.policy = NEAR
    cluster.create_namespace("ns")
    (stored,) = cluster.apply(packaged_manifests("clusterip"), namespace="ns")
    assert stored["spec"]["trafficDistribution"] == "PreferSameNode"
    assert stored["spec"]["clusterIPs"]
    name = stored["metadata"]["name"]
    changed = cluster.patch("Service", name, {"spec": STICKY}, namespace="ns")
    assert changed["spec"]["sessionAffinity"] == "ClientIP"
    stored["spec"]["selector"]["app"] = "a copy"
    assert cluster.snapshot("ns").service(name).selector == {"app": "webserver"}


@pytest.mark.parametrize("policy", [NEAR, STICKY, EVERYTHING])
def test_a_field_that_the_manifest_leaves_open_is_told_once_and_judged(opened, policy):
    run = opened("clusterip", policy)
    asked = pairs(run, "hostname-svc-clusterip")
    run.measure(asked)
    history = run.measure(asked)
    verdict = check(history)
    assert verdict.status is Status.PASS
    (event,) = events(run, ServiceAdmitted)
    (field,) = policy
    assert event.field == f"spec.{field}"
    (fact,) = [each for each in verdict.facts if each.name == "changed on admission"]
    assert fact.value.startswith(f"Service hostname-svc-clusterip: spec.{field} is ")
    assert fact.value.endswith(" was asked for")
    assert events(run, ServiceChanged) == []


def test_a_change_after_that_is_one_behind_the_runs_back(opened):
    run = opened("clusterip", NEAR)
    name = "hostname-svc-clusterip"
    FakeCluster.patch(
        run.app.cluster, "Service", name, {"spec": {"trafficDistribution": None}}, namespace="ns"
    )
    verdict = check(run.measure(pairs(run, name)))
    assert verdict.status is Status.FAIL
    seen = {(each.wanted, each.seen) for each in events(run, ServiceChanged)}
    assert seen == {("PreferSameNode", "")}
    assert events(run, ServiceAdmitted) == []


def test_without_a_policy_nothing_is_told(opened):
    run = opened("clusterip", {})
    assert check(run.measure(pairs(run, "hostname-svc-clusterip"))).status is Status.PASS
    assert events(run, ServiceAdmitted) == events(run, ServiceChanged) == []


@pytest.mark.parametrize(
    ("stem", "service", "policy", "words"),
    [
        (
            "topology",
            "zoned-svc-zone",
            NEAR,
            "zoned-svc-zone: spec.trafficDistribution is PreferSameNode, not PreferSameZone",
        ),
        (
            "topology",
            "zoned-svc-zone",
            {"trafficDistribution": None},
            "spec.trafficDistribution is nothing, not PreferSameZone",
        ),
        (
            "internal_policy",
            "lonely-svc-internal",
            {"internalTrafficPolicy": "Cluster"},
            "spec.internalTrafficPolicy is Cluster, not Local",
        ),
    ],
)
def test_a_field_that_the_manifest_says_is_what_the_case_is_about(
    opened, stem, service, policy, words
):
    run = opened(stem, policy)
    with pytest.raises(NotSupported, match=words) as refused:
        run.measure(pairs(run, service))
    assert refused.value.is_prevented


def test_so_is_one_that_the_case_has_patched(opened):
    run = opened("affinity", STICKY)
    name = "hostname-svc-affinity"
    asked = list(product(run.clients.everywhere("pod"), run.app.targets("cluster-ip", name)))
    assert check(run.measure(asked)).status is Status.PASS
    run.patch("Service", name, {"spec": {"sessionAffinity": "None"}})
    with pytest.raises(NotSupported, match="sessionAffinity is ClientIP, not None") as refused:
        run.measure(asked)
    assert refused.value.is_prevented


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (STICKY, r"has session affinity \(spec.sessionAffinity is ClientIP, not None\)"),
        (
            NEAR,
            r"has one backend for each client \(spec.trafficDistribution is PreferSameNode",
        ),
    ],
)
def test_a_choice_that_is_not_there(opened, policy, words):
    run = opened("clusterip", policy)
    with pytest.raises(NotSupported, match=words) as refused:
        run.measure(pairs(run, "hostname-svc-clusterip"), count=20, choice=True)
    assert refused.value.is_prevented


def test_a_connection_that_could_not_move_is_no_proof_that_it_stays(opened):
    run = opened("clusterip", NEAR)
    asked = pairs(run, "hostname-svc-clusterip")[:1]
    with pytest.raises(NotSupported, match="has one backend for each client") as refused:
        run.measure(asked, keep_alive=True, concurrency=1, affinity="pin", cover=False)
    assert refused.value.is_prevented


def test_where_a_policy_local_leaves_nobody_nothing_is_judged_and_elsewhere_it_is(opened):
    run = opened("clusterip", LOCAL)
    asked = pairs(run, "hostname-svc-clusterip")
    bearing = {pod.node for pod in run.app.pods("hostname-deployment")}
    (bare,) = {node.name for node in run.app.snapshot().nodes} - bearing
    assert check(run.measure(asked)).status is Status.PASS
    (event,) = events(run, NotPromised)
    assert event.position == f"a Pod on {bare}"
    assert "spec.internalTrafficPolicy is Local, not Cluster" in event.reason


def test_an_app_that_vanished_is_a_failure_whatever_the_policy(opened):
    run = opened("clusterip", LOCAL)
    asked = pairs(run, "hostname-svc-clusterip")
    none = {"spec": {"replicas": 0}}
    FakeCluster.patch(run.app.cluster, "Deployment", "hostname-deployment", none, namespace="ns")
    assert check(run.measure(asked, settle=False)).status is Status.FAIL


def test_a_failure_that_a_policy_has_taken_away(opened):
    run = opened("not_ready", EVERYTHING)
    with pytest.raises(NotSupported, match="publishNotReadyAddresses is true, not false") as told:
        run.measure(
            pairs(run, "published-svc"), failing=pairs(run, "unpublished-svc"), settle=False
        )
    assert told.value.is_prevented
