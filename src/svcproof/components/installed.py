"""Components that came as wheels: ``svcproof-components`` and its Kubernetes half."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

from svcproof.components.model import Manifest, missing_binaries
from svcproof.components.recipe import Target
from svcproof.errors import ComponentsUnavailable

__all__ = ["DISTRIBUTION", "FOLDER", "Installed", "installed"]

DISTRIBUTION: Final = "svcproof-components"
#: Where both wheels put their programs, below site-packages.
FOLDER: Final = "svcproof_components/bin"


@dataclass(frozen=True, slots=True)
class Installed:
    """An installed wheel, and why it cannot be used for a target ("" when it can)."""

    directory: Path
    version: str
    key: str
    unusable: str


def installed(target: Target) -> Installed | None:
    """What is installed in this Python environment, judged for a target."""
    try:
        found = metadata.distribution(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return None
    directory = Path(str(found.locate_file(FOLDER))).resolve()
    try:
        manifest = Manifest.read(directory)
    except ComponentsUnavailable as error:
        return Installed(directory, found.version, "", error.what)
    key = manifest.key if manifest else ""
    return Installed(directory, found.version, key, _unusable(directory, key, target))


def _unusable(directory: Path, key: str, target: Target) -> str:
    missing = missing_binaries(directory)
    if missing:
        return f"it lacks {', '.join(missing)}"
    if key != target.key:
        return f"its key is {key}, wanted is {target.key} (other sources or another version)"
    return ""
