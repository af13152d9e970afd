"""Images for nodes that run already."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from svcproof.clusters.embedded.control_plane import PROGRAMS
from svcproof.clusters.embedded.node_config import containerd_socket
from svcproof.clusters.embedded.plan import NodePlan
from svcproof.clusters.embedded.world import World
from svcproof.errors import EnvironmentProblem

__all__ = ["load_image"]

_LIMIT: Final = 120.0


def load_image(world: World, archive: Path) -> None:
    """Import every image of an OCI layout's tar, on all nodes at once."""
    nodes = world.plan.nodes
    with ThreadPoolExecutor(max_workers=len(nodes)) as pool:
        for done in [pool.submit(_import, world, node, archive) for node in nodes]:
            done.result()


def _import(world: World, node: NodePlan, archive: Path) -> None:
    command = [*world.supervisor_prefix(), str(PROGRAMS / "ctr")]
    command += [f"--address={containerd_socket(node)}", "--namespace=k8s.io"]
    # From standard input: the world's mounts need not show the file.
    command += ["images", "import", "--local", "-"]
    try:
        with archive.open("rb") as file:
            done = subprocess.run(
                command, stdin=file, capture_output=True, text=True, timeout=_LIMIT, check=False
            )
        problem = done.stderr.strip() if done.returncode else ""
    except (OSError, subprocess.TimeoutExpired) as error:
        problem = str(error)
    if problem:
        raise EnvironmentProblem(
            f"{archive} could not be imported on {node.name} of cluster {world.plan.name}: "
            f"{problem[-2000:]}",
            remedy=f"see: svcproof logs --name {world.plan.name} containerd {node.name}",
        )
