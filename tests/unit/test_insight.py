"""What is learnt from the first client Pods: the cluster's domain, and how kube-proxies work."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from svcproof.clusters.existing import insight as insights
from svcproof.clusters.existing.cluster import ExistingCluster
from svcproof.clusters.existing.fitting import Fitting
from svcproof.clusters.existing.insight import Insight, domain_in, modes_in_words
from svcproof.clusters.kubernetes import KubernetesCluster
from svcproof.errors import ApiRefused, ClusterProblem, EnvironmentProblem
from svcproof.manifest_files import CLIENT_LABEL
from svcproof.ports import ClusterFacts
from svcproof.snapshot import Pod, Snapshot

NODES = ("node-1", "node-2")
RESOLV = "search ns.svc.corp.example svc.corp.example corp.example lan\nnameserver 10.0.0.10\n"


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        (RESOLV, "corp.example"),
        ("search ns.svc.cluster.local. svc.cluster.local.\n", "cluster.local"),
        ("options ndots:5\nsearch lan ns.svc.k8s\n", "k8s"),
        ("search other.svc.cluster.local\n", ""),
        ("search xns.svc.cluster.local\n", ""),
        ("nameserver 10.0.0.10\n", ""),
        ("", ""),
    ],
)
def test_the_domain_is_in_the_search_list(text, domain):
    assert domain_in(text, "ns") == domain


@pytest.mark.parametrize(
    ("modes", "words"),
    [
        ({"a": "iptables", "b": "iptables"}, "iptables"),
        ({"c": "nftables", "a": "iptables", "b": "nftables"}, "iptables on a; nftables on b, c"),
    ],
)
def test_modes(modes, words):
    assert modes_in_words(modes) == words


def client(node: str, kind: str = "host-network", *, ready: bool = True) -> Pod:
    return Pod(
        name=f"{kind}-{node}",
        namespace="ns",
        uid=f"uid-{kind}-{node}",
        node=node,
        addresses=("10.0.0.1",),
        labels={CLIENT_LABEL: kind},
        phase="Running",
        ready=ready,
    )


def seen(*pods: Pod) -> Snapshot:
    return Snapshot(nodes=(), pods=pods, services=(), slices=())


@pytest.fixture
def looks(monkeypatch):
    """Pod → what it tells, or why it cannot; ``asked`` are those that were."""
    told: dict[str, object] = {}

    def run_in_pod(api, namespace, pod, command, *, limit):
        assert command == ("/echo-hostname", "look")
        asked.append(pod)
        answer = told.get(pod, {"resolv_conf": RESOLV, "proxy_mode": ""})
        if isinstance(answer, Exception):
            raise answer
        return (2, "", "unknown command") if answer is None else (0, json.dumps(answer), "")

    asked: list[str] = []
    monkeypatch.setattr(insights, "_PAUSE_SECONDS", 0)
    monkeypatch.setattr(insights, "run_in_pod", run_in_pod)
    return SimpleNamespace(told=told, asked=asked)


class TestInsight:
    def test_each_client_is_asked_once_when_it_is_ready(self, looks):
        insight = Insight(None, NODES)
        late = client("node-2", ready=False)
        assert insight.learn(seen(client("node-1"), late))
        assert not insight.learn(seen(client("node-1"), late))
        assert insight.learn(seen(client("node-1"), replace(late, ready=True)))
        assert looks.asked == ["host-network-node-1", "host-network-node-2"]
        assert insight.domain == "corp.example"
        assert insight.modes == {}

    def test_other_pods_are_not_asked(self, looks):
        insight = Insight(None, NODES)
        theirs = replace(client("node-1"), labels={"app": "web"})
        going = replace(client("node-1"), terminating=True)
        assert not insight.learn(seen(theirs, going))
        assert looks.asked == []

    def test_modes_of_nodes(self, looks):
        looks.told["host-network-node-1"] = {"resolv_conf": "", "proxy_mode": "nftables"}
        looks.told["host-network-node-2"] = {"resolv_conf": "", "proxy_mode": "winkernel"}
        insight = Insight(None, NODES)
        insight.learn(seen(client("node-1"), client("node-2")))
        assert insight.modes == {"node-1": "nftables"}

    def test_an_image_with_an_older_program(self, looks):
        looks.told |= {"host-network-node-1": None, "host-network-node-2": None}
        insight = Insight(None, NODES)
        assert insight.learn(seen(client("node-1"), client("node-2")))
        assert (insight.domain, insight.modes) == ("", {})

    def test_an_exec_that_fails_once_is_tried_again(self, looks, monkeypatch):
        listed, errors = insights.run_in_pod, [ClusterProblem("busy")]

        def run_in_pod(*arguments, **options):
            if errors:
                raise errors.pop()
            return listed(*arguments, **options)

        monkeypatch.setattr(insights, "run_in_pod", run_in_pod)
        insight = Insight(None, ("node-1",))
        insight.learn(seen(client("node-1")))
        assert insight.domain == "corp.example"

    @pytest.mark.parametrize("error", [ClusterProblem("no"), ApiRefused(500, "dialing backend")])
    def test_one_node_without_exec_is_not_the_end(self, looks, error):
        looks.told["host-network-node-1"] = error
        insight = Insight(None, NODES)
        insight.learn(seen(client("node-1")))  # the other may be better
        insight.learn(seen(client("node-1"), client("node-2")))
        assert insight.domain == "corp.example"

    def test_all_nodes_without_are(self, looks):
        error = ApiRefused(500, "error dialing backend: dial tcp 192.0.2.1:10250: i/o timeout")
        looks.told |= {"host-network-node-1": error, "host-network-node-2": error}
        insight = Insight(None, NODES)
        insight.learn(seen(client("node-1")))
        with pytest.raises(EnvironmentProblem, match=r"in any client Pod.*192\.0\.2\.1:10250"):
            insight.learn(seen(client("node-1"), client("node-2")))

    def test_no_websocket_at_all_is_the_end_at_once(self, looks):
        looks.told["host-network-node-1"] = EnvironmentProblem("no websocket passes")
        with pytest.raises(EnvironmentProblem, match="no websocket passes"):
            Insight(None, NODES).learn(seen(client("node-1")))


class TestFacts:
    @pytest.fixture
    def cluster(self, tmp_path, monkeypatch):
        def make(proxy_mode: str, *pods: Pod, asks_proxies: bool = True) -> ExistingCluster:
            snapshot = seen(*pods)
            monkeypatch.setattr(KubernetesCluster, "snapshot", lambda *_: snapshot)
            facts = ClusterFacts("c", "existing", "1.36", proxy_mode, ("ipv4",), NODES)
            return ExistingCluster(
                tmp_path / "k", facts, fitting=Fitting(), asks_proxies=asks_proxies
            )

        return make

    def test_an_administrator_and_a_guest_expect_the_same(self, looks, cluster):
        modes = {"resolv_conf": RESOLV, "proxy_mode": "nftables"}
        looks.told |= {"host-network-node-1": modes, "host-network-node-2": modes}
        expected = []
        for configured in ("iptables", "unknown"):  # the guest cannot read the ConfigMap
            there = cluster(configured, client("node-1"), client("node-2"))
            there.snapshot("ns")
            expected.append((there.facts.cluster_domain, there.facts.proxy_mode))
        assert expected == [("corp.example", "nftables")] * 2

    def test_what_was_told_is_not_asked(self, looks, cluster):
        looks.told["host-network-node-1"] = {"resolv_conf": "", "proxy_mode": "nftables"}
        there = cluster("cilium", client("node-1"), asks_proxies=False)
        there.snapshot("ns")
        assert there.facts.proxy_mode == "cilium"
        assert there.facts.cluster_domain == "cluster.local"

    def test_mixed_modes_are_told(self, looks, cluster):
        looks.told["host-network-node-1"] = {"resolv_conf": "", "proxy_mode": "nftables"}
        looks.told["host-network-node-2"] = {"resolv_conf": "", "proxy_mode": "ipvs"}
        there = cluster("nftables", client("node-1"), client("node-2"))
        there.snapshot("ns")
        assert there.facts.proxy_mode == "ipvs on node-2; nftables on node-1"
