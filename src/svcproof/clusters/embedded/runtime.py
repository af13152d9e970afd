"""A node's namespaces and its containerd, with the images that every node has.

The images are unpacked once, into a seed in the cache; every node's containerd
starts on a copy of its (small) databases, while contents and snapshots are the
seed's own files, mounted read-only. Images loaded later go beside them.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Final

from svcproof.clusters.embedded.control_plane import PROGRAMS
from svcproof.clusters.embedded.network import CONTROL_PLANE
from svcproof.clusters.embedded.node_config import containerd_socket, node_files
from svcproof.clusters.embedded.plan import WORLD, NodePlan
from svcproof.clusters.embedded.processes import only_child
from svcproof.clusters.embedded.starting import Starting, absent, keep
from svcproof.errors import StartFailed
from svcproof.limits import DEFAULT_LIMITS

__all__ = ["prepare_images", "start_runtime"]

_NODE_SCRIPT: Final = Path(__file__).with_name("node.sh")
#: What containerd keeps below its root that an unpacked image consists of.
_SEEDED: Final = (
    "io.containerd.content.v1.content",
    "io.containerd.metadata.v1.bolt",
    "io.containerd.snapshotter.v1.overlayfs",
)


def prepare_images(starting: Starting) -> None:
    """Unpack the images into the seed, unless they are there."""
    seed = Path(starting.plan.image_seed)
    if seed.is_dir():
        return
    place = WORLD / "seedling"
    place.mkdir()
    socket = place / "containerd.sock"
    configuration = place / "containerd.toml"
    configuration.write_text(
        f'version = 3\nroot = "{place}/root"\nstate = "{place}/state"\n'
        f'[grpc]\n  address = "{socket}"\n'
    )
    command = [str(PROGRAMS / "containerd"), f"--config={configuration}"]
    containerd = starting.table.start_in_namespace("containerd", command, CONTROL_PLANE)
    starting.wait("containerd", lambda: absent(socket), containerd)
    for image in starting.plan.images:
        _import_image(socket, image)
    starting.table.stop("containerd")
    growing = seed.with_name(f"{seed.name}.{starting.plan.name}")
    shutil.rmtree(growing, ignore_errors=True)
    growing.mkdir(parents=True)
    for name in _SEEDED:
        shutil.copytree(place / "root" / name, growing / name, symlinks=True)
    shutil.rmtree(place)
    keep(growing, seed)


def start_runtime(starting: Starting, node: NodePlan) -> None:
    """Start a node's init and its containerd, and wait for both."""
    for path, content in node_files(starting.plan, node).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    script = ["sh", str(_NODE_SCRIPT), node.name, str(node.directory), str(WORLD)]
    script += [starting.plan.image_seed, starting.plan.node_cgroup(node)]
    init = starting.table.start_node(node.name, script)
    starting.wait(f"the mounts of {node.name}", lambda: absent(node.directory / "up"), init)
    starting.table.node_inits[node.name] = only_child(init.process.pid)
    containerd = starting.node_program("containerd", node)
    starting.wait(f"containerd of {node.name}", lambda: absent(containerd_socket(node)), containerd)


def _import_image(socket: Path, image: str) -> None:
    command = [str(PROGRAMS / "ctr"), f"--address={socket}", "--namespace=k8s.io"]
    command += ["images", "import", "--local", image]
    limit = DEFAULT_LIMITS.component_ready
    done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
    if done.returncode != 0:
        raise StartFailed(
            "containerd",
            f"image {Path(image).name} could not be imported",
            exit_code=done.returncode,
            log_lines=done.stderr.splitlines()[-20:],
        )
