"""Find the components, or build them."""

from __future__ import annotations

from pathlib import Path

from svcproof.components.build import build
from svcproof.components.cache import components_root, exclusive
from svcproof.components.model import BINARIES, Components, Manifest, missing_binaries
from svcproof.components.progress import Progress, Silent
from svcproof.components.recipe import Target
from svcproof.errors import ComponentsUnavailable

__all__ = ["obtain"]


def obtain(
    kubernetes: str,
    *,
    directory: Path | None = None,
    allow_install: bool = True,
    progress: Progress | None = None,
) -> Components:
    """Every program for that Kubernetes version, from the first place that has them.

    The order is: ``directory``, an installed wheel, the cache, a build. With
    ``allow_install=False`` no Go toolchain is installed for a build.
    """
    target = Target.of(kubernetes)
    progress = progress or Silent()
    if directory is not None:
        return _from_directory(directory, target)
    cached = components_root() / target.key
    found = _complete(cached, target)
    if found:
        return found
    with exclusive(progress):
        found = _complete(cached, target)  # another process may have built it meanwhile
        if found:
            return found
        build(target, cached, progress)
    return Components(cached, target.version.patch, "build", target.key)


def _complete(directory: Path, target: Target) -> Components | None:
    if not directory.is_dir() or missing_binaries(directory):
        return None
    return Components(directory, target.version.patch, "cache", target.key)


def _from_directory(directory: Path, target: Target) -> Components:
    missing = missing_binaries(directory)
    if missing:
        raise ComponentsUnavailable(
            f"{directory} lacks {', '.join(missing)} (of {', '.join(BINARIES)})",
            remedy="`svcproof components build` makes a complete directory,"
            " `svcproof components path` prints it",
        )
    manifest = Manifest.read(directory)
    version = manifest.kubernetes if manifest else target.version.patch
    return Components(directory.resolve(), version, "directory", manifest.key if manifest else "")
