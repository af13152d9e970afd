"""The images that every node has from its start, made once and cached."""

from __future__ import annotations

import hashlib
from pathlib import Path

from svcproof.components import Components
from svcproof.components.cache import cache_root, exclusive
from svcproof.components.progress import Silent
from svcproof.images import coredns_image, echo_hostname_image, pause_image, write_images

__all__ = ["ensure_images"]


def ensure_images(components: Components) -> tuple[Path, ...]:
    """The tar of all images, built from the components' binaries if it is not there yet."""
    binaries = [components.path(name) for name in ("echo-hostname", "coredns")]
    archive = cache_root() / "images" / f"{_fingerprint(binaries)}.tar"
    if not archive.exists():
        with exclusive(Silent()):
            if not archive.exists():
                archive.parent.mkdir(parents=True, exist_ok=True)
                echo_hostname, coredns = binaries
                recipes = [
                    pause_image(echo_hostname),
                    echo_hostname_image(echo_hostname),
                    coredns_image(coredns),
                ]
                write_images(recipes, archive)
    return (archive,)


def _fingerprint(binaries: list[Path]) -> str:
    """Identity of the binaries: their content, which is read faster than a node starts."""
    digest = hashlib.sha256()
    for binary in binaries:
        with binary.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:20]
