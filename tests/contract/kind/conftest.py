"""kind clusters of one node, beside that of the session."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from svcproof.clusters.kind import ownership
from svcproof.clusters.kind.docker import Docker
from svcproof.clusters.options import ClusterOptions


@pytest.fixture(scope="session", autouse=True)
def _chosen(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("svc_cluster") != "kind":
        pytest.skip("not chosen: give --svc-cluster kind")


@pytest.fixture(scope="session")
def docker() -> Docker:
    return Docker.running()


@pytest.fixture
def options(request: pytest.FixtureRequest) -> ClusterOptions:
    image = request.config.getoption("svc_node_image") or ""
    return ClusterOptions(kind="kind", nodes=1, node_image=image)


@pytest.fixture
def owner(options: ClusterOptions) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Start another process that starts a cluster, says its name, and waits."""
    script = (
        "import sys, time\n"
        "from svcproof.clusters.kind import open_cluster\n"
        "from svcproof.clusters.options import ClusterOptions\n"
        "wanted = ClusterOptions(kind='kind', nodes=1, node_image=sys.argv[1])\n"
        "print(open_cluster(wanted, lambda _: None).facts.name, flush=True)\n"
        "time.sleep(600)"
    )
    started = []

    def start() -> subprocess.Popen[str]:
        command = [sys.executable, "-c", script, options.node_image]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate(timeout=60)


def left(docker: Docker, name: str) -> list[str]:
    """What there is of a cluster."""
    name = ownership.PREFIX + name
    label = f"{ownership.CLUSTER_LABEL}={name}"
    return [
        *docker.labelled("container", f"io.x-k8s.kind.cluster={name}", "--all"),
        *docker.labelled("container", label, "--all"),
        *docker.labelled("network", label),
        *(str(path) for path in [ownership.state_directory(name)] if path.exists()),
    ]
