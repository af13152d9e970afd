"""The client outside of a kind cluster: a container beside the nodes that is none of them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from svcproof.clusters.kind.docker import Docker
from svcproof.clusters.kind.ownership import CLUSTER_LABEL
from svcproof.clusters.kind.sealing import seal
from svcproof.history import Position
from svcproof.probes.process_agent import ProcessAgentProber

__all__ = ["outside_position", "outside_prober", "start_outside"]

_PROGRAM: Final = "/echo-hostname"


def start_outside(docker: Docker, cluster: str, *, image: str, program: Path) -> None:
    """Start the container, from the nodes' image, which is there: only our program runs in it."""
    name = _container(cluster)
    docker.call(
        "container",
        "create",
        f"--name={name}",
        f"--network={cluster}",
        f"--label={CLUSTER_LABEL}={cluster}",
        f"--entrypoint={_PROGRAM}",
        "--pull=never",
        image,
        "pause",
    )
    docker.copy_in(program, name, _PROGRAM)
    docker.call("container", "start", name)
    seal(docker, name, docker.subnets(cluster))


def outside_position(docker: Docker, cluster: str) -> Position:
    """Where the container that runs is."""
    container = docker.inspect("container", _container(cluster))
    network = container["NetworkSettings"]["Networks"][cluster]
    addresses = (network["IPAddress"], network.get("GlobalIPv6Address", ""))
    return Position(name="outside", kind="outside", addresses=tuple(filter(None, addresses)))


def outside_prober(docker: Docker, cluster: str) -> ProcessAgentProber:
    """The client in it; to be closed by whoever uses it."""
    prefix = docker.prefix(_container(cluster), "--interactive")
    return ProcessAgentProber(_PROGRAM, prefix=prefix)


def _container(cluster: str) -> str:
    return f"{cluster}-outside"
