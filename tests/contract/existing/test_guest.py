"""As a guest: few rights, a namespace that stays, an image with nothing but a shell."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import IO

import msgspec
import pytest

from svcproof.clusters.existing.run_card import OWNER
from svcproof.clusters.kubernetes import KubernetesCluster
from svcproof.manifest_files import RUN_LABEL
from svcproof.ports import CanFreezeComponents
from svcproof.waits import wait_for
from tests.contract.existing.conftest import kubeconfig

SUITES = Path(__file__).parents[2] / "routing"
WHAT_IS_LEFT = ("pods", "services", "configmaps")


def run(kubeconfig_file: Path, directory: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(SUITES)]
    options = [f"--svc-kubeconfig={kubeconfig_file}", f"--svc-evidence={directory / 'evidence'}"]
    return subprocess.run(
        [*command, *options, *arguments], capture_output=True, text=True, timeout=300, check=False
    )


def results(directory: Path) -> dict:
    (path,) = (directory / "evidence").glob("*/results.json")
    return msgspec.json.decode(path.read_bytes())


def left(host: KubernetesCluster, namespace: str) -> list[str]:
    found = []
    for kind in WHAT_IS_LEFT:
        path = f"/api/v1/namespaces/{namespace}/{kind}"
        items = host.api.call("GET", path, query={"labelSelector": RUN_LABEL})["items"]
        found += [
            f"{kind} {item['metadata']['name']}"
            for item in items
            if "deletionTimestamp" not in item["metadata"]
        ]
    return found


def test_the_suites_in_a_restricted_namespace_that_stays(
    host, guest, restricted_namespace, carrier, tmp_path
):
    done = run(
        guest,
        tmp_path,
        f"--svc-namespace={restricted_namespace}",
        f"--svc-carrier={carrier}",
        f"--svc-data-plane={host.facts.proxy_mode}",
        "-k",
        "clusterip or endpoints or short_circuit or shares",
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    told = results(tmp_path)
    assert told["cluster"]["kind"] == "existing"
    assert set(told["cluster"]["lacking_positions"]) == {"outside", "host-network"}
    assert "allows no Pods in the host network" in done.stdout
    passed = {case["case"].rpartition("::")[2] for case in told["cases"]}
    assert {"test_clusterip_shares", "test_no_endpoints", "test_local_short_circuit"} <= passed
    assert left(host, restricted_namespace) == []


def test_quotas_cost_what_they_forbid_and_nothing_else(
    host, guest, restricted_namespace, carrier, tmp_path
):
    """No node ports, limits for all, and never all Pods at once: modules take turns."""
    hard = {"services.nodeports": "0", "pods": "12", "limits.cpu": "40", "limits.memory": "20Gi"}
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "tight"},
        "spec": {"hard": hard},
    }
    host.apply([quota], namespace=restricted_namespace)
    try:
        done = run(
            guest,
            tmp_path,
            f"--svc-namespace={restricted_namespace}",
            f"--svc-carrier={carrier}",
            f"--svc-data-plane={host.facts.proxy_mode}",
            "--svc-requests=cpu=10m,memory=16Mi",
            "--svc-limits=cpu=500m,memory=64Mi",
            "-k",
            "first_look or hairpin or topology or ports or endpoints or roll_out",
        )
    finally:
        host.delete("ResourceQuota", "tight", namespace=restricted_namespace)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    found = results(tmp_path)
    judged = {case["case"].rpartition("::")[2] for case in found["cases"]}
    assert {"test_cluster_ip", "test_large_payload", "test_all_alone", "test_roll_out"} <= judged
    assert {"test_nearest[zone-zoned]", "test_endpoints[1 to 5 replicas]"} <= judged
    words = "the API server refuses node ports"
    refused = {
        problem["case"].rpartition("::")[2]
        for problem in found["problems"]
        if problem["reason"].startswith(words)
    }
    assert refused == {
        "test_node_ports",
        "test_ports_from_outside[by-number]",
        "test_ports_from_outside[over-udp]",
    }
    told = " ".join(done.stdout.split())
    assert told.count("limited: services.nodeports=0") == 1, told
    assert left(host, restricted_namespace) == []


def test_how_many_pods_a_quota_leaves(host):
    host.create_namespace("room")
    assert host.pods_left("room") is None
    for hard, left_over in (("12", 12), ("10k", 10_000), ("0", 0)):
        quota = {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": "room"},
            "spec": {"hard": {"pods": hard, "requests.cpu": "4"}},
        }
        host.apply([quota], namespace="room")
        wait_for("the quota's status", partial(_other_than, left_over, host), limit=30)
    host.delete_namespace("room")


def _other_than(pods: int, host: KubernetesCluster) -> str:
    return "" if host.pods_left("room") == pods else f"{host.pods_left('room')} Pods left"


def test_missing_rights_are_all_named_before_anything_is_made(host, guest, tmp_path):
    done = run(guest, tmp_path)
    assert done.returncode == 4
    assert "this user may not, cluster-wide: create, delete namespaces" in done.stdout
    assert "svcproof-" not in str(host.api.get("/api/v1/namespaces"))


@pytest.mark.parametrize(
    ("user", "told"),
    [
        ({"token": "expired"}, "refuses this user: Unauthorized"),
        ({}, "this user may not"),
    ],
    ids=["credentials that do not hold", "nobody in particular"],
)
def test_credentials(host, tmp_path, user, told):
    done = run(kubeconfig(host, user, tmp_path), tmp_path)
    assert done.returncode == 4
    assert told in " ".join(done.stdout.split())
    assert "Traceback" not in done.stdout


def test_a_cluster_that_is_not_there(host, guest, tmp_path):
    elsewhere = tmp_path / "kubeconfig"
    host_url = str(host.api.configuration.host)
    elsewhere.write_text(guest.read_text().replace(host_url, "https://127.0.0.1:1"))
    done = run(elsewhere, tmp_path)
    assert done.returncode == 4
    assert "the API server https://127.0.0.1:1 does not answer" in " ".join(done.stdout.split())


@pytest.mark.parametrize("text", ["", "{", "apiVersion: v1\nkind: Config\n"])
def test_a_file_that_is_no_kubeconfig(text, tmp_path):
    broken = tmp_path / "kubeconfig"
    broken.write_text(text)
    done = run(broken, tmp_path)
    assert done.returncode == 4
    assert f"kubeconfig {broken}: " in done.stdout + done.stderr
    assert "Traceback" not in done.stdout


def test_an_image_that_cannot_be_pulled(host, guest, restricted_namespace, tmp_path):
    done = run(
        guest,
        tmp_path,
        f"--svc-namespace={restricted_namespace}",
        "--svc-image=127.0.0.1:1/nothing:1",
        "-k",
        "test_no_endpoints",
    )
    assert done.returncode == 4, done.stdout[-3000:]
    told = " ".join(done.stdout.split())
    assert "an image cannot be had: Pod " in told
    assert "ImagePullBackOff" in told
    assert "--svc-registry" in told
    assert left(host, restricted_namespace) == []


def test_a_namespace_that_is_not_there(guest, tmp_path):
    done = run(guest, tmp_path, "--svc-namespace=nowhere")
    assert done.returncode == 4
    assert "in namespace nowhere" in " ".join(done.stdout.split())


def begin(
    kubeconfig_file: Path,
    directory: Path,
    *arguments: str,
    output: IO[str] | int = subprocess.DEVNULL,
) -> subprocess.Popen:
    """A run in a process of its own; it is under way when its client Pods are."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(SUITES)]
    options = [f"--svc-kubeconfig={kubeconfig_file}", f"--svc-evidence={directory / 'evidence'}"]
    return subprocess.Popen(
        [*command, *options, *arguments],
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def sweep(kubeconfig_file: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "svcproof", "sweep", f"--kubeconfig={kubeconfig_file}"]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_killed_run_leaves_what_a_sweep_removes_and_nothing_else_goes(
    host, guest, restricted_namespace, carrier, tmp_path
):
    theirs = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "theirs", "labels": {"app": "theirs"}},
    }
    host.apply([theirs], namespace=restricted_namespace)
    namespace = f"--svc-namespace={restricted_namespace}"
    process = begin(guest, tmp_path, namespace, f"--svc-carrier={carrier}")
    try:
        wait_for(
            "the run to have made Pods",
            lambda: "" if any("pods" in name for name in left(host, restricted_namespace)) else "-",
            limit=60,
        )
        here = f"--namespace={restricted_namespace}"
        assert sweep(guest, here) == "nothing is left of any run that is over\n"
        refused = run(guest, tmp_path / "other", namespace, "-k", "test_no_endpoints")
        assert refused.returncode == 4
        assert f"uses namespace {restricted_namespace} now" in " ".join(refused.stdout.split())
    finally:
        process.kill()
        process.wait()
    assert "would remove what run" in sweep(guest, here, "--dry-run")
    assert left(host, restricted_namespace)
    assert "removed what run" in sweep(guest, here)
    assert left(host, restricted_namespace) == []
    path = f"/api/v1/namespaces/{restricted_namespace}/configmaps/theirs"
    assert host.api.get(path)["metadata"]["name"] == "theirs"


def test_namespaces_of_a_killed_run_are_swept_and_no_others(host, tmp_path):
    assert host.kubeconfig is not None
    host.create_namespace("svcproof-theirs")  # of another tool, or of no run that can be told
    image = "--svc-image=svcproof.dev/echo-hostname:1"
    process = begin(host.kubeconfig, tmp_path, image, "-k", "clusterip")
    try:
        wait_for("the run to have made a namespace", lambda: "" if made(host) else "-", limit=60)
    finally:
        process.kill()
        process.wait()
    names = made(host)
    told = sweep(host.kubeconfig)
    assert all(f"removed namespace {name}\n" in told for name in names)
    assert made(host) == []
    kept = host.api.get("/api/v1/namespaces/svcproof-theirs")
    assert "deletionTimestamp" not in kept["metadata"]
    host.delete_namespace("svcproof-theirs")


def made(host: KubernetesCluster) -> list[str]:
    """The living namespaces of runs that are guests."""
    return [
        item["metadata"]["name"]
        for item in host.api.get("/api/v1/namespaces")["items"]
        if OWNER in (item["metadata"].get("annotations") or {})
        and "deletionTimestamp" not in item["metadata"]
    ]


def test_no_node_that_can_be_used(host, guest, restricted_namespace, tmp_path):
    """Nodes that take no Pods are named, with the reason, before anything is made."""
    for node in host.facts.node_names:
        host.patch("Node", node, {"spec": {"unschedulable": True}}, namespace="")
    try:
        done = run(guest, tmp_path, f"--svc-namespace={restricted_namespace}")
    finally:
        for node in host.facts.node_names:
            host.patch("Node", node, {"spec": {"unschedulable": None}}, namespace="")
    assert done.returncode == 4
    told = " ".join(done.stdout.split())
    assert "no node can be used: all 0 nodes that take Pods; not used: node-1 (cordoned" in told


def test_a_namespace_that_is_going(host, guest, tmp_path):
    """One that is being deleted takes no Pods: said before anything is made."""
    host.create_namespace("going")
    held = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "held", "finalizers": ["svcproof.dev/test"]},
    }
    host.apply([held], namespace="going")
    host.delete_namespace("going")
    admin = host.kubeconfig
    assert admin is not None
    try:
        done = run(admin, tmp_path, "--svc-namespace=going")
        assert done.returncode == 4
        assert "namespace going takes no Pods" in " ".join(done.stdout.split())
        assert "terminated" in done.stdout
    finally:
        host.patch("ConfigMap", "held", {"metadata": {"finalizers": None}}, namespace="going")


@pytest.mark.svc_slow
def test_an_api_server_that_falls_silent_in_mid_run(host, tmp_path):
    """No verdict of the routing comes of it, and what may be left is named."""
    if not isinstance(host, CanFreezeComponents):
        pytest.skip("this cluster's API server cannot be frozen")
    assert host.kubeconfig is not None
    image = "--svc-image=svcproof.dev/echo-hostname:1"
    out = tmp_path / "out"
    with out.open("w") as report:
        process = begin(
            host.kubeconfig,
            tmp_path,
            *("-p", "tests.contract.existing.impatient", image, "-k", "test_nodeport"),
            output=report,
        )
        try:
            wait_for("the run to measure", lambda: "" if histories(tmp_path) else "-", limit=60)
            host.freeze("kube-apiserver", "")
            # Each call that is under way waits for its own time limit, one after the other.
            code = process.wait(timeout=240)
        finally:
            host.thaw("kube-apiserver", "")
            process.kill()
            process.wait()
    told = " ".join(out.read_text().split())
    assert code in (3, 4), told[-3000:]
    assert "does not answer" in told
    assert "namespaces of this run may be left: svcproof-" in told
    assert "svcproof sweep" in told
    assert " FAIL " not in told
    sweep(host.kubeconfig)
    assert made(host) == []


def histories(directory: Path) -> list[Path]:
    return list((directory / "evidence").glob("*/*.jsonl"))
