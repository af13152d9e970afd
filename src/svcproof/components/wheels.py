"""Wheels of the components: two, so that each stays under the 100 MB an index allows."""

from __future__ import annotations

import stat
import tempfile
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from zipfile import ZIP_DEFLATED, ZipInfo

from svcproof import __version__
from svcproof.components.golang import find_go
from svcproof.components.installed import DISTRIBUTION, FOLDER
from svcproof.components.licences import licence_text, linked_modules
from svcproof.components.model import BINARIES, MANIFEST
from svcproof.components.obtain import build_into_cache
from svcproof.components.progress import Progress
from svcproof.components.recipe import Target

__all__ = ["make_wheels", "wheel_tag", "wheel_version"]

_KUBERNETES: Final = f"{DISTRIBUTION}-kubernetes"
_MACHINES: Final = {"amd64": "x86_64", "arm64": "aarch64"}
#: Zip cannot say an earlier time; none at all makes equal wheels equal bytes.
_TIME: Final = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class _Contents:
    """One wheel to be."""

    name: str
    summary: str
    programs: tuple[str, ...]
    extra: Mapping[str, str]
    requires: tuple[str, ...]


def wheel_version(kubernetes: str, svcproof: str = __version__) -> str:
    """As in ``1.36.4.post100``: Kubernetes 1.36.4 as svcproof 0.1.0 builds it.

    So ``svcproof-components==1.36.*`` is the newest build of that minor, and each
    release of svcproof has a version of its own.
    """
    numbers, *rest = svcproof.split(".dev")
    major, minor, patch = (int(part) for part in numbers.split("."))
    post = major * 10000 + minor * 100 + patch
    return ".dev".join([f"{kubernetes}.post{post}", *rest])


def wheel_tag(architecture: str) -> str:
    """The programs are static: any Linux of that machine runs them, with glibc or musl."""
    machine = _MACHINES[architecture]
    platforms = ("manylinux2014", "manylinux_2_17", "musllinux_1_1")
    return "py3-none-" + ".".join(f"{platform}_{machine}" for platform in platforms)


def make_wheels(
    target: Target, output: Path, *, allow_install: bool, progress: Progress
) -> list[Path]:
    """Build what is missing, and pack it: Kubernetes in one wheel, the rest in the other."""
    found = build_into_cache(target, allow_install=allow_install, progress=progress)
    go = find_go(target.version.go, allow_install=allow_install, progress=progress)
    progress.phase("collecting the licences")
    modules = linked_modules(go, target, target.steps)
    licences = licence_text(modules, go.resolve().parent.parent)
    output.mkdir(parents=True, exist_ok=True)
    both = _split(target, (found.directory / MANIFEST).read_text(encoding="utf-8"))
    progress.phase(f"packing {' and '.join(contents.name for contents in both)}")
    with ThreadPoolExecutor() as pool:
        writing = [
            pool.submit(_write, contents, target, found.directory, licences, output)
            for contents in both
        ]
        return [each.result() for each in writing]


def _split(target: Target, manifest: str) -> tuple[_Contents, _Contents]:
    version = wheel_version(target.version.patch)
    label = f"Kubernetes {target.version.patch} for svcproof's embedded cluster"
    rest = tuple(name for name in BINARIES if name != "kube")
    return (
        _Contents(_KUBERNETES, f"{label}: its programs", ("kube",), {}, ()),
        _Contents(
            DISTRIBUTION,
            f"{label}: everything, prebuilt",
            rest,
            {f"{FOLDER}/{MANIFEST}": manifest},
            (f"{_KUBERNETES}=={version}",),
        ),
    )


def _write(
    contents: _Contents, target: Target, programs: Path, licences: str, output: Path
) -> Path:
    from wheel.wheelfile import WheelFile

    tag, version = wheel_tag(target.architecture), wheel_version(target.version.patch)
    stem = f"{contents.name.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    texts = {
        **contents.extra,
        f"{info}/licenses/LICENSES.txt": licences,
        f"{info}/METADATA": _metadata(contents, version),
        f"{info}/WHEEL": _wheel(tag),
    }
    path = output / f"{stem}-{tag}.whl"
    # A directory of its own, for a wheel half written must not have a wheel's name.
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=output) as partial:
        written = Path(partial, path.name)
        with WheelFile(str(written), "w", ZIP_DEFLATED) as wheel:
            for name in contents.programs:
                wheel.writestr(_entry(f"{FOLDER}/{name}", 0o755), (programs / name).read_bytes())
            for name, text in texts.items():
                wheel.writestr(_entry(name, 0o644), text)
        written.replace(path)
    return path


def _entry(name: str, mode: int) -> ZipInfo:
    entry = ZipInfo(name, _TIME)
    entry.external_attr = (stat.S_IFREG | mode) << 16
    entry.compress_type = ZIP_DEFLATED
    return entry


def _metadata(contents: _Contents, version: str) -> str:
    lines = [
        "Metadata-Version: 2.4",
        f"Name: {contents.name}",
        f"Version: {version}",
        f"Summary: {contents.summary}",
        "License-File: LICENSES.txt",
        "Requires-Python: >=3.11",
        *(f"Requires-Dist: {requirement}" for requirement in contents.requires),
    ]
    return "\n".join([*lines, "", contents.summary + ".", ""])


def _wheel(tag: str) -> str:
    lines = [
        "Wheel-Version: 1.0",
        f"Generator: svcproof {__version__}",
        "Root-Is-Purelib: false",
        *(f"Tag: {each}" for each in _expanded(tag)),
    ]
    return "\n".join([*lines, ""])


def _expanded(tag: str) -> Iterable[str]:
    python, abi, platforms = tag.split("-")
    return (f"{python}-{abi}-{platform}" for platform in platforms.split("."))
