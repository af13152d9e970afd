"""The client outside of a kind cluster: a container beside the nodes that is none of them."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Final

from svcproof.clusters.kind.docker import Docker
from svcproof.clusters.kind.ownership import CLUSTER_LABEL
from svcproof.clusters.kind.sealing import seal
from svcproof.history import Attempt, Position
from svcproof.ports import Finish, ProbePlan
from svcproof.probes import OutsideClient
from svcproof.probes.program import ProgramProber

__all__ = ["outside_client", "start_outside"]

_PROGRAM: Final = Path("/echo-hostname")


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
    docker.copy_in(program, name, str(_PROGRAM))
    docker.call("container", "start", name)
    seal(docker, name, docker.subnets(cluster))


def outside_client(docker: Docker, cluster: str) -> OutsideClient:
    """The client in the container that runs."""
    name = _container(cluster)
    network = docker.inspect("container", name)["NetworkSettings"]["Networks"][cluster]
    addresses = (network["IPAddress"], network.get("GlobalIPv6Address", ""))
    position = Position(name="outside", kind="outside", addresses=tuple(filter(None, addresses)))
    prefix = docker.prefix(name, "--interactive")
    return OutsideClient(position, _Leashed(ProgramProber(_PROGRAM, prefix=prefix)))


class _Leashed:
    """What `docker exec` has started goes on when docker dies, so every probe is on a leash.

    One that may be told to finish reads its standard input, and begins nothing more when that
    ends: which it does with docker, too.
    """

    def __init__(self, prober: ProgramProber) -> None:
        self._prober = prober

    def probe(self, plan: ProbePlan) -> Generator[Attempt, None, None]:
        """As the prober does."""
        return self._prober.probe(plan if plan.finish else replace(plan, finish=Finish()))


def _container(cluster: str) -> str:
    return f"{cluster}-outside"
