"""What kind clusters leave behind: nothing of ours, and everything of anybody else's."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from svcproof.clusters.kind import open_cluster, ownership
from svcproof.clusters.kind.docker import Docker
from svcproof.clusters.kind.start import kind_program
from svcproof.clusters.options import ClusterOptions
from svcproof.errors import ClusterNotFound, StartFailed
from svcproof.kind_image import find_image, load_image
from svcproof.waits import wait_for
from tests.contract.kind.conftest import left

#: Of somebody else, with a name that looks like ours; and the first thing of one of ours.
FOREIGN = "svcproof-lookalike"
NEIGHBOUR = "svcproof-run-lives"


def identity(docker: Docker, container: str) -> tuple[str, str, str]:
    found = docker.inspect("container", container)
    return found["Id"], found["State"]["StartedAt"], found["State"]["Status"]


@pytest.fixture
def foreign(docker: Docker, options: ClusterOptions, tmp_path) -> Iterator[str]:
    """A cluster by plain kind, in kind's own network, with a name that looks like ours."""
    image = find_image(options.kubernetes_version)
    if not options.node_image and image and not docker.has_image(image.reference):
        load_image(image)
    config = {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "kubeadmConfigPatches": ['{"kind": "KubeletConfiguration", "failCgroupV1": false}'],
    }
    (tmp_path / "kind.yaml").write_text(json.dumps(config))
    kind = [str(kind_program(options))]
    rest = [f"--name={FOREIGN}", f"--kubeconfig={tmp_path / 'kubeconfig'}"]
    create = ["create", "cluster", f"--config={tmp_path / 'kind.yaml'}"]
    reference = options.node_image or (image.reference if image else "")
    create += [f"--image={reference}"] if reference else []
    subprocess.run([*kind, *create, *rest], check=True, timeout=300)
    yield f"{FOREIGN}-control-plane"
    subprocess.run([*kind, "delete", "cluster", *rest], check=True, timeout=120)
    docker.attempt("network", "rm", "kind")


def test_a_killed_owner_leaves_nothing_at_the_next_start(
    docker: Docker,
    options: ClusterOptions,
    owner: Callable[[], subprocess.Popen[str]],
    foreign: str,
):
    """And a foreign cluster beside it goes on as if nothing had been."""
    before = identity(docker, foreign)
    process = owner()
    assert process.stdout is not None
    killed = process.stdout.readline().strip()
    labels = ownership.labels_of(NEIGHBOUR, kept=False).items()
    docker.call("network", "create", *(f"--label={k}={v}" for k, v in labels), NEIGHBOUR)
    process.kill()
    process.wait(timeout=30)
    assert len(left(docker, killed)) == 4
    said: list[str] = []
    cluster = open_cluster(options, said.append)
    name = cluster.facts.name
    assert [line for line in said if killed in line]
    assert left(docker, killed) == []
    assert left(docker, NEIGHBOUR.removeprefix(ownership.PREFIX)) == [NEIGHBOUR]
    cluster.close()
    assert left(docker, name) == []
    ownership.remove(docker, NEIGHBOUR)
    with pytest.raises(ClusterNotFound):
        ownership.find_made(docker, FOREIGN.removeprefix(ownership.PREFIX))
    assert identity(docker, foreign) == before


def test_an_owner_killed_while_it_starts_leaves_nothing(
    docker: Docker, owner: Callable[[], subprocess.Popen[str]]
):
    there = {cluster.name for cluster in ownership.made(docker)}
    process = owner()
    names: set[str] = set()

    def look() -> str:
        names.update({cluster.name for cluster in ownership.made(docker)} - there)
        nodes = [docker.labelled("container", f"io.x-k8s.kind.cluster={name}") for name in names]
        return "" if any(nodes) else "no node yet"

    wait_for("the first node", look, limit=120)
    process.kill()
    process.wait(timeout=30)
    (name,) = names
    name = name.removeprefix(ownership.PREFIX)
    # Docker goes on with what it was asked for last.
    wait_for("nothing to be left", lambda: swept(docker, name), limit=60, interval=1)


def swept(docker: Docker, name: str) -> str:
    ownership.sweep(docker, lambda _: None)
    return ", ".join(left(docker, name))


def test_a_start_that_fails_leaves_nothing(docker: Docker, options: ClusterOptions):
    before = [cluster.name for cluster in ownership.made(docker)]
    with pytest.raises(StartFailed, match="could not create the cluster") as raised:
        open_cluster(replace(options, node_image="localhost:1/none:1"), lambda _: None)
    assert "svcproof kind-image" in raised.value.remedy
    assert [cluster.name for cluster in ownership.made(docker)] == before


def test_a_kept_cluster_can_be_joined(docker: Docker, options: ClusterOptions):
    first = open_cluster(replace(options, keep=True), lambda _: None)
    name = first.facts.name
    try:
        first.close()
        again = open_cluster(replace(options, name=name), lambda _: None)
        assert again.facts == first.facts
        assert again.snapshot("default").nodes[0].ready
        again.close()
        assert len(left(docker, name)) == 4
    finally:
        ownership.remove(docker, ownership.PREFIX + name)
    assert left(docker, name) == []
