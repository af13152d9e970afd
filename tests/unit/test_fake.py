"""The fake cluster, beyond what the contract asks of every cluster."""

import time
from typing import Any

import pytest

from svcproof.clusters.fake import FakeCluster
from svcproof.clusters.fake_defects import DeadEndpoint
from svcproof.errors import ApplyFailed
from svcproof.history import Attempt, Outcome, Position
from svcproof.ports import ProbePlan
from svcproof.snapshot import Pod, Service

NS = "ns"


def deployment(name: str = "web", *, replicas: int = 3, command: tuple[str, ...] = ()) -> dict:
    container: dict[str, Any] = {
        "name": "web",
        "command": ["/echo-hostname", "serve", *command],
        "ports": [{"name": "http", "containerPort": 80}],
    }
    return {
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [container]},
            },
        },
    }


def service(name: str = "web", *, target: int | str = 80, **spec: Any) -> dict:
    ports = [{"name": "a", "port": 8080, "targetPort": target}]
    return {
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": ports, **spec},
    }


@pytest.fixture
def cluster() -> FakeCluster:
    made = FakeCluster()
    made.create_namespace(NS)
    made.apply([deployment("client"), deployment(), service()], namespace=NS)
    return made


def shown(cluster: FakeCluster, name: str = "web") -> Service:
    return cluster.snapshot(NS).service(name)


def pods(cluster: FakeCluster, app: str = "web") -> list[Pod]:
    return [pod for pod in cluster.snapshot(NS).pods if pod.labels.get("app") == app]


def client(cluster: FakeCluster, number: int = 0) -> Position:
    pod = pods(cluster, "client")[number]
    return Position(
        name=pod.name,
        kind="pod",
        node=pod.node,
        pod=pod.name,
        namespace=NS,
        addresses=pod.addresses,
    )


def ask(
    cluster: FakeCluster, count: int = 30, *, by: int = 0, port: int = 8080, **plan: Any
) -> list[Attempt]:
    host = plan.pop("host", "") or shown(cluster).cluster_ips[0]
    asked = ProbePlan(host=host, port=port, count=count, **plan)
    return list(cluster.probe(client(cluster, by), asked))


def who(attempts: list[Attempt]) -> set[str]:
    return {attempt.backend.pod for attempt in attempts if attempt.backend is not None}


def change(cluster: FakeCluster, **spec: Any) -> None:
    cluster.patch("Service", "web", {"spec": spec}, namespace=NS)


def test_draws_can_be_repeated():
    def drawn() -> list[str]:
        cluster = FakeCluster(seed=7)
        cluster.create_namespace(NS)
        cluster.apply([deployment("client"), deployment(), service()], namespace=NS)
        return [attempt.backend.pod for attempt in ask(cluster) if attempt.backend]

    assert drawn() == drawn()


class TestSteadyTraffic:
    def test_a_rate_is_kept(self, cluster):
        began = time.monotonic()
        ask(cluster, 11, rate=50.0)
        assert 0.2 <= time.monotonic() - began < 1.5

    def test_without_a_rate_nothing_is_waited_for(self, cluster):
        cluster.defects.append(DeadEndpoint())
        began = time.monotonic()
        ended = {attempt.outcome for attempt in ask(cluster, 200)}
        assert ended == {Outcome.ANSWERED, Outcome.TIMED_OUT}
        assert time.monotonic() - began < 1.5

    def test_millions_are_made_one_by_one_and_ended_at_once(self, cluster):
        plan = ProbePlan(host=shown(cluster).cluster_ips[0], port=8080, count=10_000_000, rate=100)
        stream = cluster.probe(client(cluster), plan)
        used = time.process_time()
        for _ in range(20):
            next(stream)
        began = time.monotonic()
        stream.close()
        assert time.monotonic() - began < 0.1
        assert time.process_time() - used < 0.15  # of 0.2 s

    def test_times_do_not_run_backwards(self, cluster):
        times = [attempt.at_ns for attempt in ask(cluster, 50)]
        assert times == sorted(times)


class TestAffinity:
    def test_is_per_client_and_port(self, cluster):
        ports = [{"name": n, "port": p, "targetPort": 80} for n, p in (("a", 8080), ("b", 8081))]
        change(cluster, sessionAffinity="ClientIP", ports=ports)
        kept = {}
        for by in range(3):
            for port in (8080, 8081):
                found = who(ask(cluster, by=by, port=port))
                assert len(found) == 1
                kept[by, port] = found
        assert all(who(ask(cluster, by=by, port=port)) == kept[by, port] for by, port in kept)
        assert len({next(iter(found)) for found in kept.values()}) > 1

    def test_is_forgotten_when_switched_off(self, cluster):
        seen = set()
        for _ in range(20):
            change(cluster, sessionAffinity="ClientIP")
            seen |= who(ask(cluster, 5))
            change(cluster, sessionAffinity="None")
        assert len(seen) == 3

    def test_leaves_a_pod_that_is_gone(self, cluster):
        change(cluster, sessionAffinity="ClientIP")
        (before,) = who(ask(cluster, 5))
        cluster.delete("Pod", before, namespace=NS)
        (after,) = who(ask(cluster, 5))
        assert after != before
        assert len(pods(cluster)) == 3


class TestConnections:
    def test_a_kept_connection_stays(self, cluster):
        assert len(who(ask(cluster, keep_alive=True, concurrency=1))) == 1
        assert len(who(ask(cluster, 60, keep_alive=True, concurrency=20))) == 3

    def test_a_short_name_is_of_ones_own_namespace(self, cluster):
        assert len(who(ask(cluster, host="web"))) == 3
        cluster.create_namespace("other")
        cluster.apply([service("far")], namespace="other")
        (attempt,) = ask(cluster, 1, host="far")
        assert (attempt.outcome, attempt.rcode) == (Outcome.NAME_FAILED, "NXDOMAIN")
        (attempt,) = ask(cluster, 1, host="far.other")
        assert attempt.outcome is Outcome.REFUSED

    def test_a_headless_name_leads_to_the_pods(self, cluster):
        cluster.apply([service("pods", clusterIP="None", selector={"app": "web"})], namespace=NS)
        assert who(ask(cluster, host="pods", port=80)) <= {pod.name for pod in pods(cluster)}

    def test_a_node_port_that_nobody_has_is_closed(self, cluster):
        (node, *_) = cluster.snapshot(NS).nodes
        assert {a.outcome for a in ask(cluster, 3, host=node.addresses[0], port=30999)} == {
            Outcome.REFUSED
        }

    def test_what_is_entered_from_another_node_is_masqueraded(self, cluster):
        change(cluster, type="NodePort")
        port = shown(cluster).ports[0].node_port
        for node in cluster.snapshot(NS).nodes:
            made = ask(cluster, 10, host=node.addresses[0], port=port)
            assert {attempt.source_address for attempt in made} == set(node.addresses)


class TestObjects:
    def test_a_node_port_stays_when_the_manifest_is_applied_again(self, cluster):
        cluster.apply([service(type="NodePort")], namespace=NS)
        before = shown(cluster).ports
        cluster.apply([service("another", type="NodePort"), service(type="NodePort")], namespace=NS)
        assert shown(cluster).ports == before

    def test_a_health_check_has_a_port_of_its_own(self, cluster):
        change(cluster, type="LoadBalancer", externalTrafficPolicy="Local")
        found = shown(cluster)
        assert found.health_check_node_port not in (0, found.ports[0].node_port)
        assert found.load_balancer_addresses == ()
        change(cluster, externalTrafficPolicy="Cluster")
        assert shown(cluster).health_check_node_port == 0

    def test_a_field_can_be_taken_away(self, cluster):
        gone = {"clusterIPs": None, "ports": None, "selector": None}
        change(cluster, type="ExternalName", externalName="my.database.com", **gone)
        assert shown(cluster).cluster_ips == ()
        change(cluster, type="ClusterIP", externalName=None, ports=[{"port": 80}])
        assert shown(cluster).external_name == ""
        assert len(shown(cluster).cluster_ips) == 1

    def test_a_named_port_is_that_of_the_pods(self, cluster):
        cluster.apply([service(target="http")], namespace=NS)
        (item,) = cluster.snapshot(NS).slices_of("web")
        assert item.ports == {"a": 80}
        assert len(item.endpoints) == 3
        cluster.apply([service(target="nobody-has-it")], namespace=NS)
        (item,) = cluster.snapshot(NS).slices_of("web")
        assert item.ports == {}

    def test_a_changed_template_replaces_all_pods(self, cluster):
        before = {pod.uid for pod in pods(cluster)}
        labels = {"spec": {"template": {"metadata": {"labels": {"revision": "2"}}}}}
        cluster.patch("Deployment", "web", labels, namespace=NS)
        after = {pod.uid for pod in pods(cluster)}
        assert len(after) == 3
        assert not before & after

    def test_a_relabelled_pod_is_on_its_own(self, cluster):
        victim = pods(cluster)[0]
        labels = {"metadata": {"labels": {"app": "alone"}}}
        cluster.patch("Pod", victim.name, labels, namespace=NS)
        assert [pod.uid for pod in pods(cluster, "alone")] == [victim.uid]
        assert len(pods(cluster)) == 3
        with pytest.raises(ApplyFailed, match="not found"):
            cluster.patch("Pod", "nobody", labels, namespace=NS)


class TestTime:
    """Only what a manifest asks for takes any."""

    def test_a_lingering_pod_is_the_last_resort_and_goes(self, cluster):
        cluster.apply([deployment(replicas=1, command=("--linger=300ms",))], namespace=NS)
        cluster.apply([deployment(replicas=0, command=("--linger=300ms",))], namespace=NS)
        (item,) = cluster.snapshot(NS).slices_of("web")
        (endpoint,) = item.endpoints
        assert (endpoint.ready, endpoint.serving, endpoint.terminating) == (False, True, True)
        assert len(who(ask(cluster, 5))) == 1
        time.sleep(0.35)
        assert pods(cluster) == []
        assert {attempt.outcome for attempt in ask(cluster, 5)} == {Outcome.REFUSED}

    def test_a_pod_that_is_ready_later(self, cluster):
        cluster.apply([deployment(replicas=1, command=("--ready-after=200ms",))], namespace=NS)
        assert [pod.ready for pod in pods(cluster)] == [False]
        assert {attempt.outcome for attempt in ask(cluster, 5)} == {Outcome.REFUSED}
        change(cluster, publishNotReadyAddresses=True)
        assert len(who(ask(cluster, 5))) == 1
        change(cluster, publishNotReadyAddresses=False)
        time.sleep(0.25)
        assert [pod.ready for pod in pods(cluster)] == [True]
        assert len(who(ask(cluster, 5))) == 1
