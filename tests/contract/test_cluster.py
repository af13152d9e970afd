"""What every kind of cluster keeps to: the fake always, a real one with ``--svc-cluster KIND``."""

import secrets
from collections.abc import Iterator

import pytest

from svcproof.app import App, Clients
from svcproof.clusters.fake import FakeCluster
from svcproof.clusters.options import cluster_options
from svcproof.clusters.registry import open_cluster
from svcproof.errors import ApplyFailed
from svcproof.expect import Promise, endpoint_lists, promise
from svcproof.history import Attempt, Outcome, Position, Target
from svcproof.images import ECHO_HOSTNAME_REFERENCE
from svcproof.limits import DEFAULT_LIMITS
from svcproof.manifest_files import packaged_manifests
from svcproof.ports import Cluster, ProbePlan
from svcproof.profiles import profile_of
from svcproof.questions import ADDRESS_QUERIES, name_target, pod_target
from svcproof.snapshot import Service
from svcproof.waits import wait_for

RUN = f"contract-{secrets.token_hex(3)}"
SERVICE = "hostname-svc-nodeport"
LOST_WORDS = {Outcome.REFUSED, Outcome.UNREACHABLE, Outcome.TIMED_OUT}


def config_map(name: str, value: str) -> dict:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name},
        "data": {"key": value},
    }


def service(name: str, *, node_port: int = 0, app: str = "nobody") -> dict:
    port = {"name": "web-port", "port": 80, "targetPort": 80}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {
            "type": "NodePort" if node_port else "ClusterIP",
            "selector": {"app": app},
            "ports": [{**port, "nodePort": node_port} if node_port else port],
        },
    }


@pytest.fixture(scope="module", params=["fake", "selected", "guest"])
def subject(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """The fake, with two families so that it cannot get by with one; the chosen cluster; and that
    cluster as a guest sees it, who has nothing but its kubeconfig."""
    if request.param == "fake":
        cluster: Cluster = FakeCluster(families=("ipv4", "ipv6"))
        yield cluster
        cluster.close()
        return
    if request.config.getoption("svc_cluster") in (None, "fake"):
        pytest.skip("no real cluster was selected: give --svc-cluster KIND")
    chosen = request.getfixturevalue("cluster")
    if request.param == "selected":
        yield chosen
        return
    guest = open_cluster(
        cluster_options(
            kind="existing",
            kubeconfig=chosen.kubeconfig,
            image=ECHO_HOSTNAME_REFERENCE,
            data_plane=chosen.facts.proxy_mode,
        ),
        lambda _: None,
    )
    yield guest
    guest.close()


@pytest.fixture(scope="module")
def namespace(subject: Cluster) -> Iterator[str]:
    name = f"svcproof-{RUN}-{secrets.token_hex(2)}"
    subject.create_namespace(name)
    yield name
    subject.delete_namespace(name)


@pytest.fixture(scope="module")
def app(subject: Cluster, namespace: str) -> App:
    stems = ("clients", "webserver", "nodeport", "dns")
    manifests = [manifest for stem in stems for manifest in packaged_manifests(stem)]
    app = App(subject, namespace, manifests, run=RUN, limits=DEFAULT_LIMITS)
    app.apply()
    app.wait_ready()
    return app


@pytest.fixture(scope="module")
def clients(app: App) -> Clients:
    return Clients(app)


@pytest.fixture
def pod(clients: Clients) -> Position:
    return clients.everywhere("pod")[0]


class TestClusterContract:
    """The cases."""

    def settle(self, app: App, position: Position, target: Target) -> None:
        """Rules follow objects with a delay that is not the subject here."""

        def look() -> str:
            made = self.ask(app, position, target, 40)
            wrong = [a for a in made if a.backend is None]
            if wrong:
                return wrong[0].outcome
            due = self.due(app, position, target).allowed
            missing = set(due) - {a.backend for a in made}
            return f"no answer by {', '.join(backend.pod for backend in missing)}" * bool(missing)

        wait_for(f"{position} to reach {target}", look, limit=30)

    def due(self, app: App, position: Position, target: Target) -> Promise:
        profile = profile_of(app.cluster.facts.proxy_mode)
        return promise(app.snapshot(), position, target, run=RUN, profile=profile)

    def ask(
        self, app: App, position: Position, target: Target, count: int, payload: int = 0
    ) -> list[Attempt]:
        plan = ProbePlan(
            host=target.host,
            port=target.port,
            count=count,
            family=target.family,
            payload=payload,
        )
        made = list(app.cluster.probe(position, plan))
        assert len(made) == count
        return made

    # objects

    def test_facts_are_what_the_snapshot_shows(self, subject: Cluster, namespace: str):
        facts, nodes = subject.facts, subject.snapshot(namespace).nodes
        assert sorted(facts.node_names) == sorted(node.name for node in nodes)
        for node in nodes:
            assert node.ready
            assert len(node.addresses) == len(facts.families)

    def test_a_namespace_that_is_not_there_is_empty(self, subject: Cluster):
        shown = subject.snapshot("svcproof-never-was")
        assert (shown.pods, shown.services, shown.slices) == ((), (), ())
        assert shown.nodes

    def test_apply_says_what_is_to_be(self, subject: Cluster, namespace: str):
        for _ in range(2):
            subject.apply([service("twice")], namespace=namespace)
        ports = {"spec": {"publishNotReadyAddresses": True}}
        subject.patch("Service", "twice", ports, namespace=namespace)
        assert subject.snapshot(namespace).service("twice").publish_not_ready_addresses
        subject.delete("Service", "twice", namespace=namespace)
        subject.delete("Service", "twice", namespace=namespace)
        with pytest.raises(KeyError):
            subject.snapshot(namespace).service("twice")

    def test_other_kinds_can_be_applied(self, subject: Cluster, namespace: str):
        subject.apply([config_map("any", "1"), config_map("other", "2")], namespace=namespace)
        subject.patch("ConfigMap", "any", {"data": {"key": "3"}}, namespace=namespace)
        subject.delete("ConfigMap", "any", namespace=namespace)

    def test_what_is_refused_is_said(self, subject: Cluster, namespace: str):
        with pytest.raises(ApplyFailed, match="Not_A_Name"):
            subject.apply([config_map("Not_A_Name", "")], namespace=namespace)
        with pytest.raises(ApplyFailed, match="not found"):
            subject.apply([config_map("x", "")], namespace="svcproof-never-was")
        with pytest.raises(ApplyFailed, match="not found"):
            subject.patch("Service", "never-was", {}, namespace=namespace)

    def test_node_ports_are_given_once_and_in_range(self, subject: Cluster, namespace: str):
        subject.apply([service("first", node_port=30042)], namespace=namespace)
        with pytest.raises(ApplyFailed, match="already allocated"):
            subject.apply([service("second", node_port=30042)], namespace=namespace)
        with pytest.raises(ApplyFailed, match=r"30000-32767"):
            subject.apply([service("high", node_port=32768)], namespace=namespace)
        subject.delete("Service", "first", namespace=namespace)

    def test_the_service_is_completed(self, subject: Cluster, app: App):
        shown = app.snapshot().service(SERVICE)
        assert isinstance(shown, Service)
        assert len(shown.cluster_ips) == len(subject.facts.families)
        assert shown.type == "NodePort"
        assert 30000 <= shown.ports[0].node_port <= 32767
        assert shown.external_traffic_policy == "Cluster"

    def test_slices_list_the_ready_pods(self, subject: Cluster, app: App):
        shown = app.snapshot()
        listed, due = endpoint_lists(shown, shown.service(SERVICE))
        assert listed == due
        assert len(due) == 3 * len(subject.facts.families)
        pods = {pod.uid: pod for pod in shown.pods}
        for item in shown.slices_of(SERVICE):
            for endpoint in item.endpoints:
                assert pods[endpoint.pod_uid].name == endpoint.pod
                assert pods[endpoint.pod_uid].node == endpoint.node

    def test_pods_are_spread_over_the_nodes(self, subject: Cluster, app: App):
        counts = dict.fromkeys(subject.facts.node_names, 0)
        for pod in app.snapshot().pods_matching({"app": "webserver"}):
            counts[pod.node] += 1
        assert max(counts.values()) - min(counts.values()) <= 1

    # connections

    def test_the_right_pods_answer_everywhere(self, app: App, clients: Clients):
        for form, kinds in (
            ("cluster-ip", ("pod", "host-network")),
            ("short-name", ("pod", "host-network")),
            ("fqdn", ("pod", "host-network")),
            ("node-port", ("outside",)),
        ):
            if set(kinds) <= set(app.cluster.facts.lacking_positions):
                continue
            for target in app.targets(form, SERVICE):
                for position in clients.everywhere(*kinds):
                    allowed = set(self.due(app, position, target).allowed)
                    self.settle(app, position, target)
                    made = self.ask(app, position, target, 40)
                    assert {attempt.outcome for attempt in made} == {Outcome.ANSWERED}
                    assert {attempt.backend for attempt in made} <= allowed
                    assert len({attempt.backend for attempt in made}) > 1

    def test_backends_see_the_pods_address(self, app: App, clients: Clients):
        (target, *_) = app.targets("cluster-ip", SERVICE)
        for position in clients.everywhere("pod"):
            self.settle(app, position, target)
            seen = {a.source_address for a in self.ask(app, position, target, 10)}
            assert seen <= set(position.addresses)

    @pytest.mark.parametrize("payload", [100, 1400, 65_536])
    def test_payloads_pass_between_all_nodes(self, app: App, clients: Clients, payload: int):
        (target, *_) = app.targets("cluster-ip", SERVICE)
        for position in clients.everywhere("pod"):
            self.settle(app, position, target)
            made = self.ask(app, position, target, 30, payload=payload)
            assert {(a.outcome, a.detail) for a in made} == {(Outcome.ANSWERED, "")}
            assert {a.backend for a in made} == set(self.due(app, position, target).allowed)

    def test_a_service_without_pods_refuses(self, app: App, pod: Position):
        app.cluster.apply([service("empty")], namespace=app.namespace)
        address = app.snapshot().service("empty").cluster_ips[0]
        family = "ipv6" if ":" in address else "ipv4"
        plan = ProbePlan(host=address, port=80, count=3, family=family)

        def look() -> str:
            ended = {attempt.outcome for attempt in app.cluster.probe(pod, plan)}
            return "" if ended == {Outcome.REFUSED} else str(ended)

        wait_for("the refusal", look, limit=30)

    def test_a_port_that_is_not_the_services_does_not_answer(self, app: App, pod: Position):
        (target, *_) = app.targets("cluster-ip", SERVICE)
        plan = ProbePlan(host=target.host, port=9, count=2, family=target.family)
        ended = {attempt.outcome for attempt in app.cluster.probe(pod, plan)}
        assert ended <= LOST_WORDS

    def test_a_name_that_is_not_there(self, app: App, pod: Position):
        family = app.cluster.facts.families[0]
        # Absolute, for what is outside of the cluster's own domain is not the subject.
        host = f"no-such-service.{app.namespace}.svc.cluster.local."
        plan = ProbePlan(host=host, port=80, count=2, family=family)
        for attempt in app.cluster.probe(pod, plan):
            assert (attempt.outcome, attempt.rcode) == (Outcome.NAME_FAILED, "NXDOMAIN")

    def test_names_are_answered_in_full(self, app: App, pod: Position):
        for name in (SERVICE, "hostname-svc-headless"):
            for family in app.cluster.facts.families:
                found = app.snapshot().service(name)
                target = name_target(found, ADDRESS_QUERIES[family])
                due = self.due(app, pod, target)
                plan = ProbePlan(host=target.host, port=53, count=2, query=target.query)

                def look(plan: ProbePlan = plan, due: Promise = due) -> str:
                    told = {attempt.answers for attempt in app.cluster.probe(pod, plan)}
                    return "" if told == {due.answers} else str(told)

                wait_for(f"{target} to be {due.answers}", look, limit=30)

    def test_a_pod_answers_by_its_own_address(self, app: App, pod: Position):
        for web in app.pods():
            for family in app.cluster.facts.families:
                target = pod_target(web, 80, family)
                for attempt in self.ask(app, pod, target, 2):
                    assert attempt.backend is not None
                    assert attempt.backend.uid == web.uid
                    assert attempt.source_address in pod.addresses

    def test_affinity_is_kept_and_forgotten(self, app: App, pod: Position):
        (target, *_) = app.targets("cluster-ip", SERVICE)

        def switch(affinity: str, wanted: int) -> None:
            spec = {"spec": {"sessionAffinity": affinity}}
            app.cluster.patch("Service", SERVICE, spec, namespace=app.namespace)

            def look() -> str:
                seen = {attempt.backend for attempt in self.ask(app, pod, target, 30)}
                return "" if len(seen) == wanted else f"{len(seen)} backends"

            wait_for(f"{wanted} backends", look, limit=30)

        switch("ClientIP", 1)
        switch("None", 3)

    def test_a_lost_client_is_unknown(self, app: App, pod: Position):
        (target, *_) = app.targets("cluster-ip", SERVICE)
        gone = Position(name="gone", kind="pod", node=pod.node, pod="gone", namespace=pod.namespace)
        made = self.ask(app, gone, target, 3)
        assert {attempt.outcome for attempt in made} == {Outcome.UNKNOWN}
        assert made[0].detail

    def test_a_client_can_be_ended_early(self, app: App, pod: Position):
        (target, *_) = app.targets("cluster-ip", SERVICE)
        plan = ProbePlan(
            host=target.host, port=target.port, count=10_000, rate=20, family=target.family
        )
        stream = app.cluster.probe(pod, plan)
        next(stream)
        stream.close()

    def test_scaling_is_followed(self, app: App, pod: Position):
        (target, *_) = app.targets("cluster-ip", SERVICE)
        app.scale(1)

        def look() -> str:
            backends = {attempt.backend for attempt in self.ask(app, pod, target, 30)}
            return "" if len(backends) == 1 else f"{len(backends)} backends"

        wait_for("one backend", look, limit=30)
        app.scale(3)

    def test_a_deleted_namespace_goes_away(self, subject: Cluster):
        name = f"svcproof-{RUN}-gone"
        subject.create_namespace(name)
        subject.apply([service("inside")], namespace=name)
        subject.delete_namespace(name)
        subject.delete_namespace(name)

        def look() -> str:
            return str(subject.snapshot(name).services or "")

        wait_for("the namespace to be empty", look, limit=60)
