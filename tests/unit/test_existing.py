"""Existing clusters: what is decided before anything is made. Pure parts."""

import base64
import gzip
from dataclasses import replace

import pytest

from svcproof.clusters.existing import run_card
from svcproof.clusters.existing.data_plane import recognised
from svcproof.clusters.existing.fitting import PROGRAM, Fitting, program_parts
from svcproof.clusters.existing.opening import _mirrored
from svcproof.clusters.existing.preflight import _of_known_architecture
from svcproof.clusters.existing.sampling import select
from svcproof.manifest_files import packaged_manifests
from svcproof.profiles import PROFILES
from svcproof.snapshot import Node


def node(name: str, zone: str = "", *, ready: bool = True, **reasons: str) -> Node:
    return Node(name=name, addresses=("192.0.2.1",), ready=ready, zone=zone, **reasons)


class TestSelection:
    def test_all_of_a_few(self):
        chosen = select(
            [node("b"), node("a"), node("c", ready=False), node("d", repels="cordoned")]
        )
        assert [n.name for n in chosen.nodes] == ["a", "b"]
        assert chosen.coverage == (
            "all 2 nodes that take Pods; not used: c (not Ready), d (cordoned)"
        )

    def test_of_many_the_zones_take_turns(self):
        nodes = [node(f"{zone}{number:02}", zone) for zone in "xyz" for number in range(20)]
        chosen = select(nodes)
        assert len(chosen.nodes) == 10
        per_zone = [sum(n.zone == zone for n in chosen.nodes) for zone in "xyz"]
        assert sorted(per_zone) == [3, 3, 4]
        assert chosen.coverage == (
            "10 of 60 nodes that take Pods, in 3 of 3 zones: what is wrong on one node only "
            "is found with a chance of 17%"
        )

    def test_a_small_zone_is_not_left_out(self):
        nodes = [node(f"a{number:02}", "a") for number in range(30)] + [node("z", "z")]
        assert "z" in [n.name for n in select(nodes).nodes]

    def test_one_of_a_foreign_architecture_is_left_out(self):
        nodes = [replace(node(each), architecture=each) for each in ("amd64", "s390x")]
        chosen = select([_of_known_architecture(each) for each in nodes])
        assert [n.name for n in chosen.nodes] == ["amd64"]
        assert chosen.left_out == (("s390x", "no program for s390x: give --svc-image"),)

    def test_none(self):
        assert select([node("a", ready=False)]).nodes == ()


def daemon_set(name: str, *arguments: str) -> dict:
    spec = {"containers": [{"name": "c", "command": ["/program"], "args": list(arguments)}]}
    return {"metadata": {"name": name}, "spec": {"template": {"spec": spec}}}


def bare_daemon_set(name: str) -> dict:
    """One whose image says what to run."""
    spec = {"containers": [{"name": "c"}]}
    return {"metadata": {"name": name}, "spec": {"template": {"spec": spec}}}


def proxy_config(mode: str) -> dict:
    return {
        "kube-proxy": {"data": {"config.conf": f"kind: KubeProxyConfiguration\nmode: {mode}\n"}}
    }


class TestDataPlane:
    @pytest.mark.parametrize(
        ("sets", "maps", "name"),
        [
            ([daemon_set("kube-proxy")], proxy_config('""'), "iptables"),
            ([daemon_set("kube-proxy")], proxy_config(""), "iptables"),
            ([daemon_set("kube-proxy")], proxy_config("nftables"), "nftables"),
            ([daemon_set("kube-proxy")], proxy_config('"ipvs"'), "ipvs"),
            ([daemon_set("kube-proxy", "--proxy-mode=ipvs")], {}, "ipvs"),
            ([daemon_set("kube-proxy", "--proxy-mode", "nftables")], {}, "nftables"),
            ([daemon_set("kube-proxy")], {}, "unknown"),
            ([daemon_set("kube-router")], {}, "kube-router"),
            ([daemon_set("kube-router", "--run-service-proxy=false")], {}, "unknown"),
            ([daemon_set("ovnkube-node")], {}, "ovn-kubernetes"),
            (
                [daemon_set("cilium"), daemon_set("kube-proxy")],
                {"cilium-config": {"data": {"kube-proxy-replacement": "true"}}},
                "cilium-socket-lb",
            ),
            (
                [daemon_set("cilium")],
                {
                    "cilium-config": {
                        "data": {
                            "kube-proxy-replacement": "true",
                            "bpf-lb-sock-hostns-only": "true",
                        }
                    }
                },
                "cilium",
            ),
            (
                [daemon_set("cilium"), daemon_set("kube-proxy")],
                proxy_config("iptables"),
                "iptables",
            ),
            ([{"metadata": {"name": "kube-proxy"}, "spec": None}], {}, "unknown"),
            ([bare_daemon_set("kube-proxy")], proxy_config("ipvs"), "ipvs"),
            ([], {}, "unknown"),
        ],
    )
    def test_it_is_recognised_by_what_runs(self, sets, maps, name):
        found = recognised(sets, maps)
        assert found.name == name
        assert found.evidence
        assert name in {*PROFILES, "unknown"}


def pods(manifests) -> list[dict]:
    return [m["spec"]["template"]["spec"] for m in manifests if "template" in m.get("spec", {})]


class TestFitting:
    def fitted(self, **options):
        stems = ("clients", "webserver", "terminating")
        manifests = [item for stem in stems for item in packaged_manifests(stem)]
        return [Fitting(**options).fit(manifest) for manifest in manifests]

    def test_an_image_with_the_program_needs_nothing_else(self):
        for pod in pods(self.fitted(image="mine:1")):
            assert {c["image"] for c in pod["containers"]} == {"mine:1"}
            assert "initContainers" not in pod
            assert "volumes" not in pod
            assert "affinity" not in pod

    def test_a_carrier_gets_the_program_where_the_image_would_have_it(self):
        parts = {"amd64": ["p-0", "p-1"]}
        for pod in pods(self.fitted(carrier="shell:1", parts=parts)):
            (init,) = pod["initContainers"]
            assert init["image"] == "shell:1"
            for container in pod["containers"]:
                assert container["command"][0] == PROGRAM
                assert [m["mountPath"] for m in container["volumeMounts"]] == [PROGRAM]
            sources = pod["volumes"][1]["projected"]["sources"]
            assert [s["configMap"]["name"] for s in sources] == ["p-0", "p-1"]
            assert sources[1]["configMap"]["items"][0]["path"] == "x86_64/part-01"

    def test_every_pod_is_as_the_profile_restricted_wants_it(self):
        for pod in pods(self.fitted(carrier="shell:1", parts={})):
            context = pod["securityContext"]
            assert context["runAsNonRoot"]
            assert context["runAsUser"] > 0
            assert context["seccompProfile"] == {"type": "RuntimeDefault"}
            assert ("sysctls" in context) == (not pod.get("hostNetwork"))
            for container in [*pod["containers"], *pod["initContainers"]]:
                assert container["securityContext"]["allowPrivilegeEscalation"] is False
                assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}

    def test_chosen_nodes_are_the_only_ones(self):
        for pod in pods(self.fitted(image="mine:1", nodes=["a", "b"])):
            required = pod["affinity"]["nodeAffinity"]
            terms = required["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
            assert [term["matchFields"][0]["values"] for term in terms] == [["a"], ["b"]]

    def test_what_is_not_ours_stays_as_it_is(self):
        theirs = {
            "kind": "Pod",
            "metadata": {"name": "x"},
            "spec": {"containers": [{"name": "c", "image": "theirs:1"}]},
        }
        assert Fitting(image="mine:1").fit(theirs) == theirs

    def test_the_manifests_themselves_are_not_changed(self):
        before = packaged_manifests("webserver")
        self.fitted(image="mine:1")
        assert packaged_manifests("webserver") == before


def test_the_parts_are_the_program():
    program = bytes(range(256)) * 20_000
    parts = program_parts(program, "amd64", {"a": "b"})
    packed = b"".join(base64.b64decode(data) for p in parts for data in p["binaryData"].values())
    assert gzip.decompress(packed) == program
    assert all(part["metadata"]["labels"] == {"a": "b"} for part in parts)


def test_parts_fit_into_a_config_map():
    import random

    program = random.Random(1).randbytes(3_000_000)
    parts = program_parts(program, "arm64", {})
    assert len(parts) > 3
    assert all(len(str(part)) < 1_000_000 for part in parts)
    names = [part["metadata"]["name"] for part in parts]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("image", "registry", "pulled"),
    [
        ("registry.k8s.io/e2e/agnhost:2", "", "registry.k8s.io/e2e/agnhost:2"),
        ("registry.k8s.io/e2e/agnhost:2", "mirror.test/k8s/", "mirror.test/k8s/e2e/agnhost:2"),
        ("busybox:1", "mirror.test", "mirror.test/busybox:1"),
        ("library/busybox:1", "mirror.test:5000", "mirror.test:5000/library/busybox:1"),
        ("localhost/x", "mirror.test", "mirror.test/x"),
        ("", "mirror.test", ""),
    ],
)
def test_a_mirror_takes_the_place_of_the_registrys_host(image, registry, pulled):
    assert _mirrored(image, registry) == pulled


class TestRunCard:
    def test_a_run_that_goes_on_is_not_over(self):
        assert not run_card.is_over(run_card.owner_annotations())

    def test_one_whose_process_is_gone_is_over(self):
        annotations = run_card.owner_annotations()
        machine, pid, _ = annotations[run_card.OWNER].rsplit(" ", 2)
        annotations[run_card.OWNER] = f"{machine} {pid} 1.00"
        assert run_card.is_over(annotations)

    def test_one_of_another_machine_is_over_only_when_it_is_far_too_old(self, monkeypatch):
        annotations = run_card.owner_annotations()
        annotations[run_card.OWNER] = "elsewhere/boot/0 1 1.00"
        assert not run_card.is_over(annotations)
        later = run_card.time.time() + 7 * 3600
        monkeypatch.setattr(run_card.time, "time", lambda: later)
        assert run_card.is_over(annotations)

    def test_what_is_not_certainly_ours_is_left_alone(self):
        assert not run_card.is_over({})
        assert not run_card.is_over({run_card.OWNER: "x y z"})

    @pytest.mark.parametrize("owner", ["newer", "a b", "{}", "m -1 0", "m one 0"])
    @pytest.mark.parametrize("expires", ["2030-01-01T00:00:00Z", "never", "nan", "1e12", "inf"])
    def test_as_another_version_writes_it_is_not_certainly_over(self, owner, expires):
        here = run_card.owner_annotations()[run_card.OWNER].rsplit(" ", 2)[0]
        owner = owner.replace("m ", f"{here} ")
        annotations = {run_card.OWNER: owner, "svcproof.dev/expires": expires}
        assert not run_card.is_over(annotations)
        assert run_card.is_over(annotations | {"svcproof.dev/expires": "1"})
