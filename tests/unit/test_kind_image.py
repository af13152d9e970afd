"""The node image: what is decided before anything is made, and the images in it."""

import json
import tarfile
from pathlib import Path

from svcproof.components.capabilities import lacks_sys_resource
from svcproof.components.kind_programs import Kind, NodePrograms
from svcproof.kind_image.layers import DIRECTORY, Image, Link, write_layout
from svcproof.kind_image.node import FILES, NodeFiles, install
from svcproof.kind_image.pods import NODENET_REFERENCE, PodPrograms, pause_reference, pod_images
from svcproof.kind_image.runtime_wrapper import edit, file_to_edit

REFERENCES = [
    "registry.k8s.io/kube-apiserver:v1.36.4",
    "registry.k8s.io/kube-controller-manager:v1.36.4",
    "registry.k8s.io/kube-scheduler:v1.36.4",
    "registry.k8s.io/kube-proxy:v1.36.4",
    "registry.k8s.io/coredns/coredns:v1.14.2",
    "registry.k8s.io/pause:3.10.2",
    "registry.k8s.io/etcd:3.6.8-0",
]


def pod_programs(directory: Path) -> PodPrograms:
    def one(name: str) -> Path:
        path = directory / name
        path.write_text(f"program {name}")
        return path

    return PodPrograms(
        kube=one("kube"),
        etcd=one("etcd"),
        coredns=one("coredns"),
        nodenet=one("nodenet"),
        echo_hostname=one("echo-hostname"),
        proxy_files={"/usr/sbin/nft": one("nft")},
    )


class TestPodImages:
    def test_one_for_each_that_kubeadm_asks_for(self, tmp_path: Path):
        images = {
            image.reference: image for image in pod_images(pod_programs(tmp_path), REFERENCES)
        }
        assert set(images) == {*REFERENCES, NODENET_REFERENCE}
        assert images[REFERENCES[4]].entrypoint == ("/coredns",)
        assert images[REFERENCES[0]].entrypoint == ("kube-apiserver",)

    def test_kubernetes_is_stored_once(self, tmp_path: Path):
        images = pod_images(pod_programs(tmp_path), REFERENCES)
        layers = {
            id(layer)
            for image in images
            for layer in image.layers
            if "/usr/local/bin/kube" in layer
        }
        assert len(layers) == 1

    def test_kube_proxy_has_its_tools_by_all_their_names(self, tmp_path: Path):
        (proxy,) = [
            i for i in pod_images(pod_programs(tmp_path), REFERENCES) if "proxy" in i.reference
        ]
        tools, _ = proxy.layers
        assert tools["/usr/sbin/ip6tables-restore"] == Link("xtables-nft-multi")
        assert tools["/lib64"] == Link("usr/lib64")
        assert tools["/usr/sbin/nft"] == tmp_path / "nft"

    def test_the_sandbox_image_is_known_by_its_name(self):
        assert pause_reference(REFERENCES) == "registry.k8s.io/pause:3.10.2"


def test_a_layout_is_what_containerd_reads(tmp_path: Path):
    (tmp_path / "program").write_text("program")
    shared = {"/usr/bin/program": tmp_path / "program"}
    images = [
        Image("a.b/one:1", (shared, {"/room": DIRECTORY}), ("program",)),
        Image("a.b/two:2", (shared,), ("program",)),
    ]
    write_layout(images, "amd64", tmp_path / "out.tar")
    with tarfile.open(tmp_path / "out.tar") as tar:
        names = tar.getnames()
        index = json.load(tar.extractfile("index.json"))
        references = [m["annotations"]["io.containerd.image.name"] for m in index["manifests"]]
        assert references == ["a.b/one:1", "a.b/two:2"]
        assert len(set(names)) == len(names)
        manifest = json.load(tar.extractfile(blob(index["manifests"][0])))
        config = json.load(tar.extractfile(blob(manifest["config"])))
        assert config["rootfs"]["diff_ids"] == [layer["digest"] for layer in manifest["layers"]]
        with tarfile.open(fileobj=tar.extractfile(blob(manifest["layers"][0]))) as layer:
            assert layer.getnames() == ["usr", "usr/bin", "usr/bin/program"]
            assert layer.getmember("usr/bin/program").mode == 0o755
        with tarfile.open(fileobj=tar.extractfile(blob(manifest["layers"][1]))) as layer:
            assert layer.getmember("room").mode == 0o1777


def blob(descriptor: dict) -> str:
    return "blobs/sha256/" + descriptor["digest"].removeprefix("sha256:")


def test_a_nodes_files_are_where_kind_looks(tmp_path: Path):
    programs, root = tmp_path / "programs", tmp_path / "root"
    programs.mkdir()
    names = (
        "kubeadm crictl containerd containerd-shim-runc-v2 ctr ptp host-local portmap loopback kube"
    )
    for name in names.split():
        (programs / name).touch(0o755)
    install(NodeFiles((tmp_path / "none", programs), "1.36.4", "x/pause:3"), root)
    assert (root / "kind/version").read_text() == "v1.36.4"
    assert "sandbox = 'x/pause:3'" in (root / "etc/containerd/config.toml").read_text()
    assert (root / "usr/bin/kubelet").readlink() == Path("kube")
    wants = root / "etc/systemd/system/multi-user.target.wants"
    assert {path.name for path in wants.iterdir()} == {"containerd.service", "kubelet.service"}
    for executable in ("usr/local/bin/entrypoint", "kind/bin/kubelet-cgroups", "usr/bin/kube"):
        assert (root / executable).stat().st_mode & 0o111


def test_kind_must_not_think_too_early_that_a_node_has_started():
    """It takes these words in a node's log for the end of the start."""
    script = (FILES / "entrypoint").read_text()
    said = [line for line in script.splitlines() if "note " in line]
    assert said
    assert not any("detected cgroup v1" in line for line in said)


class TestPrograms:
    def test_each_has_a_key_of_its_own(self):
        kind, node = Kind("amd64"), NodePrograms.of("1.36")
        assert kind.pins() == {"kind": "0.33.0"}
        assert kind.key.startswith("kind-linux-amd64-")
        assert node.key.startswith("kind-node-1.36-")
        assert node.pins()["kubernetes"] == node.kubernetes
        assert set(node.programs) == {"kubeadm", "crictl", "coredns", "nodenet"}


class TestRuntimeWrapper:
    def test_what_is_about_to_start_is_found(self):
        assert file_to_edit(["--root", "r", "create", "--bundle", "b", "id"]) == (
            "b/config.json",
            "process",
        )
        assert file_to_edit(["exec", "--process=p", "id"]) == ("p", "")
        assert file_to_edit(["exec", "-p", "p", "id"]) == ("p", "")
        assert file_to_edit(["delete", "--force", "id"]) is None
        assert file_to_edit(["exec", "id", "true"]) is None

    def test_only_the_one_capability_goes(self):
        process = {
            "oomScoreAdj": -500,
            "args": ["true"],
            "capabilities": {"bounding": ["CAP_KILL", "CAP_SYS_RESOURCE"], "ambient": []},
        }
        edit(process)
        assert process == {
            "args": ["true"],
            "capabilities": {"bounding": ["CAP_KILL"], "ambient": []},
        }
        edit({})


def test_what_root_may_not_do_is_known(tmp_path: Path):
    status = tmp_path / "status"
    status.write_text("CapBnd:\t000001fffeffffff\n")
    assert lacks_sys_resource(status)
    status.write_text("CapBnd:\t000001ffffffffff\n")
    assert not lacks_sys_resource(status)
    assert not lacks_sys_resource(tmp_path / "none")
