"""Setting the rules that let nothing out of a container."""

from __future__ import annotations

from collections.abc import Iterable

from svcproof.clusters.kind.docker import Docker
from svcproof.clusters.kind.guard import guard_rules
from svcproof.errors import ClusterProblem

__all__ = ["seal"]


def seal(docker: Docker, container: str, ranges: Iterable[str]) -> None:
    """Let a container send to these ranges only, for as long as it runs."""
    prefix = ("exec", "--privileged", "--interactive", container)
    done = docker.attempt(*prefix, "nft", "-f", "-", text_input=guard_rules(ranges))
    if done.returncode:
        raise ClusterProblem(
            f"what {container} sends could not be kept on this machine: {done.stderr.strip()}",
            remedy="take a node image that has nft, as kind's own of today have",
        )
