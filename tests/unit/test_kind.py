"""kind clusters: what is decided without Docker."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from svcproof.clusters.kind import ownership
from svcproof.clusters.kind.config import Wanted, cluster_config
from svcproof.clusters.kind.docker import Docker
from svcproof.clusters.kind.engine import Engine, require_pytest_kind
from svcproof.clusters.kind.guard import guard_rules
from svcproof.clusters.kind.processes import process_of
from svcproof.errors import ClusterNotFound, EnvironmentProblem, MissingTool, UsageError

THREE = Wanted(nodes=3, proxy_mode="nftables", ip_families="ipv4")


def registration(node: dict, kind: str) -> dict:
    """What a node's kubeadm document of that kind is merged with."""
    (patch,) = [p for p in map(json.loads, node["kubeadmConfigPatches"]) if p["kind"] == kind]
    return patch["nodeRegistration"]


class TestConfig:
    def test_nodes_are_those_of_an_embedded_cluster(self):
        nodes = cluster_config(THREE)["nodes"]
        assert [node["role"] for node in nodes] == ["control-plane", "worker", "worker"]
        zones = [node["labels"]["topology.kubernetes.io/zone"] for node in nodes]
        assert zones == ["zone-1", "zone-2", "zone-1"]
        assert registration(nodes[0], "InitConfiguration") == {"name": "node-1", "taints": []}
        names = [registration(node, "JoinConfiguration")["name"] for node in nodes]
        assert names == ["node-1", "node-2", "node-3"]

    def test_kind_itself_takes_the_taint_from_a_node_that_is_alone(self):
        (node,) = cluster_config(Wanted(nodes=1, proxy_mode="iptables", ip_families="ipv4"))[
            "nodes"
        ]
        assert registration(node, "InitConfiguration") == {"name": "node-1"}

    def test_networking_is_what_is_wanted(self):
        networking = cluster_config(THREE)["networking"]
        assert networking["kubeProxyMode"] == "nftables"
        assert networking["ipFamily"] == "ipv4"
        dual = Wanted(nodes=1, proxy_mode="iptables", ip_families="dual")
        for subnet in ("podSubnet", "serviceSubnet"):
            first, second = cluster_config(dual)["networking"][subnet].split(",")
            assert "." in first
            assert ":" in second

    def test_what_only_some_machines_need(self):
        plain = cluster_config(THREE)
        assert plain["kubeadmConfigPatches"] == plain["containerdConfigPatches"] == []
        old = Wanted(
            nodes=1, proxy_mode="iptables", ip_families="ipv4", cgroup_version="1", restricted=True
        )
        found = cluster_config(old)
        (patch,) = map(json.loads, found["kubeadmConfigPatches"])
        assert patch == {"kind": "KubeletConfiguration", "failCgroupV1": False}
        assert "restrict_oom_score_adj" in found["containerdConfigPatches"][0]

    def test_what_a_user_says_stays(self):
        base = {
            "networking": {"podSubnet": "10.9.0.0/16"},
            "featureGates": {"Some": True},
            "nodes": [
                {"role": "worker", "labels": {"topology.kubernetes.io/zone": "mine"}},
                {"role": "control-plane", "image": "mine", "kubeadmConfigPatches": ["kind: Mine"]},
            ],
        }
        found = cluster_config(THREE, base)
        assert found["featureGates"] == {"Some": True}
        assert found["networking"]["podSubnet"] == "10.9.0.0/16"
        assert found["networking"]["kubeProxyMode"] == "nftables"
        first, second = found["nodes"]
        assert (first["image"], first["kubeadmConfigPatches"][-1]) == ("mine", "kind: Mine")
        assert second["labels"] == {"topology.kubernetes.io/zone": "mine"}
        assert len(base["nodes"][0]) == 2

    @pytest.mark.parametrize(
        ("base", "words"),
        [
            ({"kind": "Pod"}, "'Pod'"),
            ({"nodes": [{"role": "master"}]}, "'master'; valid: control-plane, worker"),
            ({"nodes": [{"role": "worker"}]}, "no node with role control-plane"),
        ],
    )
    def test_what_cannot_be_is_said(self, base: dict, words: str):
        with pytest.raises(UsageError, match=words):
            cluster_config(THREE, base)

    def test_kind_can_read_it(self):
        """It reads YAML, of which JSON is a part."""
        config = cluster_config(THREE)
        assert yaml.safe_load(json.dumps(config)) == config


def test_guard_allows_nodes_and_pods_and_no_service():
    rules = guard_rules(["172.28.1.0/24", "10.244.0.0/24", "fd00::/64"])
    assert "ip daddr { 10.244.0.0/24, 127.0.0.0/8, 172.28.1.0/24 } accept" in rules
    assert "ip6 daddr { fd00::/64, fe80::/10, ff00::/8 } accept" in rules
    assert rules.index("established") < rules.index("accept\n    ip6") < rules.index("reject")


def test_a_component_is_found_by_its_program():
    listing = "1 /sbin/init\n77 \n80 /usr/local/bin/kube-proxy\n81 kubelet\n"
    assert process_of("kube-proxy", listing) == "80"
    assert process_of("kubelet", listing) == "81"
    assert process_of("kube", listing) == ""


def program(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


class TestDocker:
    def test_missing(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(MissingTool, match="no docker command") as raised:
            Docker.running()
        assert "--svc-cluster embedded" in raised.value.remedy

    def test_not_running(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
        program(tmp_path / "docker", "echo 'Cannot connect to the Docker daemon' >&2; exit 1")
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(EnvironmentProblem, match="Cannot connect to the Docker daemon") as told:
            Docker.running()
        assert "--svc-cluster embedded" in told.value.remedy


def test_pytest_kind_is_asked_for_by_its_extra(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(EnvironmentProblem, match="GPL") as raised:
        require_pytest_kind()
    assert "pip install 'svcproof[kind]'" in raised.value.remedy


def test_kind_gets_our_network_and_its_progress_a_log(tmp_path: Path):
    kind = program(
        tmp_path / "real-kind",
        f'echo "$KIND_EXPERIMENTAL_DOCKER_NETWORK $1" >{tmp_path}/call; echo progress >&2; exit 7',
    )
    engine = Engine("svcproof-x", kind, Path("kubectl"), "svcproof-x", tmp_path)
    with pytest.raises(EnvironmentProblem, match="progress"):
        engine.load(tmp_path / "image.tar")
    assert engine.log.read_text() == "progress\n"
    assert (tmp_path / "call").read_text() == "svcproof-x load\n"


class FakeDocker(Docker):
    """Networks with their labels; notes what is removed."""

    def __init__(self, networks: dict[str, dict[str, str]]) -> None:
        super().__init__("docker")
        self.networks = networks
        self.called: list[tuple[str, ...]] = []

    def labelled(self, kind: str, label: str, *options: str) -> list[str]:
        key, _, value = label.partition("=")
        if kind == "container":
            return ["foreign-control-plane"] if value == "foreign" else []
        return [
            name
            for name, labels in self.networks.items()
            if key in labels and value in ("", labels[key])
        ]

    def inspect(self, kind: str, name: str) -> dict:
        return {"Labels": self.networks[name]}

    def call(self, *arguments: str, **_: object) -> str:
        self.called.append(arguments)
        return ""


class TestOwnership:
    @pytest.fixture(autouse=True)
    def _cache(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def network(self, owner: str, *, kept: bool = False) -> dict[str, str]:
        labels = ownership.labels_of("svcproof-run-1", kept=kept)
        return {**labels, "svcproof.dev/owner": owner} if owner else labels

    def stale(self, owner: str, *, kept: bool = False) -> list[str]:
        docker = FakeDocker({"kind": {}, "svcproof-run-1": self.network(owner, kept=kept)})
        return [cluster.name for cluster in ownership.stale(docker)]

    def test_mine_is_not_stale(self):
        assert self.stale("") == []

    def test_a_dead_owners_is(self):
        script = (
            "from svcproof.clusters.kind.ownership import labels_of\n"
            "print(labels_of('x', kept=False)['svcproof.dev/owner'], flush=True)\n"
            "import time; time.sleep(60)"
        )
        with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            owner = process.stdout.readline().decode().strip()
            assert self.stale(owner) == []
            process.send_signal(signal.SIGKILL)
        assert self.stale(owner) == ["svcproof-run-1"]
        assert self.stale(owner, kept=True) == []

    def test_a_process_number_that_is_used_again_is_somebody_else(self):
        host, number, _ = self.network("")["svcproof.dev/owner"].split("/")
        assert int(number) == os.getpid()
        assert self.stale(f"{host}/{number}/0-1") == ["svcproof-run-1"]

    def test_owners_on_other_machines_are_left_alone(self):
        assert self.stale("elsewhere/1/0-1") == []

    def test_a_network_that_only_looks_like_ours_is_not(self):
        labels = {"svcproof.dev/cluster": "other", "svcproof.dev/owner": "x/0/0"}
        assert ownership.made(FakeDocker({"svcproof-copy": labels, "other": labels})) == []

    def test_names_that_there_are(self):
        docker = FakeDocker({"svcproof-run-1": self.network("")})
        assert ownership.find_made(docker, "run-1").name == "svcproof-run-1"
        with pytest.raises(ClusterNotFound, match="run-1"):
            ownership.find_made(docker, "lab")

    def test_files_of_the_dead_go_with_their_docker(self):
        for name, owner in (("a", ""), ("b", "x/1/0-1"), ("c", f"{os.uname().nodename}/1/0-1")):
            directory = ownership.make_state_directory(name)
            if owner:
                (directory / "owner").write_text(owner)
        ownership.sweep(FakeDocker({}), lambda _: None)
        left = [path.name for path in ownership.state_directory("").iterdir()]
        assert sorted(left) == ["a", "b"]

    def test_what_is_not_there_is_removed_without_a_word(self):
        docker = FakeDocker({})
        ownership.remove(docker, "svcproof-never-was")
        assert docker.called == []
