"""Find the components, or build them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Literal

from svcproof.components.cache import components_root, exclusive, mark_used, remove_outdated
from svcproof.components.model import BINARIES, Components, Manifest, missing_binaries
from svcproof.components.progress import Progress, Silent
from svcproof.components.recipe import Buildable, Target
from svcproof.errors import ComponentsUnavailable

__all__ = [
    "build_into_cache",
    "ensure_in_cache",
    "find",
    "find_kubectl",
    "is_cached",
    "obtain",
]


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
    if directory is not None:
        return _from_directory(directory, target)
    return find(target) or build_into_cache(
        target, allow_install=allow_install, progress=progress or Silent()
    )


def find(target: Target) -> Components | None:
    """What an installed wheel or the cache has; nothing is built."""
    return _from_wheel(target) or _from_cache(target)


def find_kubectl(kubernetes: str) -> Path | None:
    """The kubectl on PATH, else that of the components of this minor version, if there are any."""
    if found := shutil.which("kubectl"):
        return Path(found)
    components = find(Target.of(kubernetes))
    return components.path("kube") if components else None


def _from_wheel(target: Target) -> Components | None:
    from svcproof.components.installed import installed

    found = installed(target)
    if found is None or found.unusable:
        return None
    return Components(found.directory, target.version.patch, "wheel", target.key)


def _from_cache(target: Target) -> Components | None:
    if not is_cached(target):
        return None
    directory = components_root() / target.key
    return Components(directory, target.version.patch, "cache", target.key)


def build_into_cache(target: Target, *, allow_install: bool, progress: Progress) -> Components:
    """What the cache has for a target of any architecture, built first if need be."""
    directory, source = ensure_in_cache(target, allow_install=allow_install, progress=progress)
    return Components(directory, target.version.patch, source, target.key)


def ensure_in_cache(
    target: Buildable, *, allow_install: bool, progress: Progress
) -> tuple[Path, Literal["cache", "build"]]:
    """The directory of programs of any sort, built first if it is not there."""
    from svcproof.components.build import build

    directory = components_root() / target.key
    if is_cached(target):
        return directory, "cache"
    try:
        with exclusive(progress):
            if is_cached(target):  # another process may have built it meanwhile
                return directory, "cache"
            build(target, directory, allow_install=allow_install, progress=progress)
            remove_outdated(directory, target.prefix)
    finally:
        progress.finish()
    return directory, "build"


def is_cached(target: Buildable) -> bool:
    """Whether the cache has all of its programs; if so, their use is noted."""
    directory = components_root() / target.key
    if not directory.is_dir() or missing_binaries(directory, target.programs):
        return False
    mark_used(directory)
    return True


def _from_directory(directory: Path, target: Target) -> Components:
    directory = directory.expanduser()
    missing = missing_binaries(directory)
    if missing:
        raise ComponentsUnavailable(
            f"{directory} lacks {', '.join(missing)} (a cluster needs {', '.join(BINARIES)})",
            remedy="`svcproof components build` makes a complete directory and prints it",
        )
    manifest = Manifest.read(directory)
    if manifest and not manifest.key.startswith(target.prefix):
        raise ComponentsUnavailable(
            f"{directory} is Kubernetes {manifest.kubernetes} for {manifest.platform},"
            f" wanted is {target.version.minor} for {target.platform}",
            remedy="ask for the version that it is, or give another directory",
        )
    version = manifest.kubernetes if manifest else target.version.patch
    return Components(directory.resolve(), version, "directory", manifest.key if manifest else "")
