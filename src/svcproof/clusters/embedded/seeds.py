"""What clusters of the same kind start from: names of the seeds in the cache.

Only names are made here, and the archive of the images; the supervisor of the
first cluster that needs a seed grows it (:mod:`.store`, :mod:`.runtime`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from svcproof.clusters.options import ClusterOptions
from svcproof.components import Components
from svcproof.components.cache import cache_root
from svcproof.components.metallb import CONTROLLER, SPEAKER
from svcproof.images import (
    coredns_image,
    echo_hostname_image,
    metallb_controller_image,
    metallb_speaker_image,
    pause_image,
    write_images,
)

__all__ = ["Seeds", "ensure_metallb_archive", "ensure_seeds"]

#: Changed when what is in a seed, or how it is made, changes.
_EDITION: Final = 1


@dataclass(frozen=True, slots=True)
class Seeds:
    """The directory of all seeds, and the names in it that a cluster uses."""

    directory: Path
    store: str
    images: str
    archive: str


def ensure_seeds(options: ClusterOptions, components: Components, slot: int) -> Seeds:
    """The seeds of a cluster; the archive of the images is written if it is not there."""
    directory = cache_root() / "seeds"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    version, programs = components.kubernetes_version, components.directory
    kubernetes = _identity(version, programs, ("kube", "etcd"))
    images = _identity(version, programs, ("echo-hostname", "coredns", "containerd"))
    shape = f"{slot}-{options.nodes}-{options.ip_families}-{_EDITION}"
    seeds = Seeds(
        directory=directory,
        store=f"store-{kubernetes}-{shape}",
        images=f"images-{images}-{_EDITION}",
        archive=f"images-{images}-{_EDITION}.tar",
    )
    archive = directory / seeds.archive
    if not archive.exists():
        echo_hostname = components.path("echo-hostname")
        recipes = [
            pause_image(echo_hostname),
            echo_hostname_image(echo_hostname),
            coredns_image(components.path("coredns")),
        ]
        write_images(recipes, archive)
    return seeds


def ensure_metallb_archive(programs: Path) -> Path:
    """The archive of the load balancer's images, written if it is not there."""
    directory = cache_root() / "seeds"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    identity = _identity("", programs, (CONTROLLER, SPEAKER))
    archive = directory / f"metallb-{identity}-{_EDITION}.tar"
    if not archive.exists():
        recipes = [
            metallb_controller_image(programs / CONTROLLER),
            metallb_speaker_image(programs / SPEAKER),
        ]
        write_images(recipes, archive)
    return archive


def _identity(version: str, programs: Path, names: tuple[str, ...]) -> str:
    """Identity of some binaries: where they are, how large, and when they were written.

    Not their content: reading it would take as long as a node does to start.
    """
    digest = hashlib.sha256(version.encode())
    for name in names:
        path = programs / name
        found = path.stat()
        digest.update(f"{path}\0{found.st_size}\0{found.st_mtime_ns}\0".encode())
    return digest.hexdigest()[:16]
