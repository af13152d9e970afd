"""Container images of several layers as an OCI image layout's tar, for ``ctr images import``.

:mod:`svcproof.images` writes images of one static program. kube-proxy's has dynamic
ones with their libraries, and several images share a program of a hundred megabytes.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Final

__all__ = ["DIRECTORY", "Entry", "Image", "Link", "write_layout"]

_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
_LAYER: Final = "application/vnd.oci.image.layer.v1.tar"
_PATH: Final = "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link."""

    target: str


class _Directory:
    """A directory that anybody may write to."""


DIRECTORY: Final = _Directory()

#: What is at a path of an image: a file's content, a link, or an empty directory.
Entry = Path | Link | _Directory


@dataclass(frozen=True, slots=True)
class Image:
    """An image: its layers are mappings from absolute path to what is there."""

    reference: str
    layers: tuple[Mapping[str, Entry], ...]
    entrypoint: tuple[str, ...]


def write_layout(images: Sequence[Image], architecture: str, destination: Path) -> None:
    """Write all images into one layout; a layer that is the same object is there once."""
    with tarfile.open(destination, "w") as tar:
        layout = _Layout(tar, architecture)
        manifests = [layout.add(image) for image in images]
        layout.finish(manifests)


class _Layout:
    def __init__(self, tar: tarfile.TarFile, architecture: str) -> None:
        self._tar = tar
        self._architecture = architecture
        self._layers: dict[int, dict[str, Any]] = {}
        self._there: set[str] = set()

    def add(self, image: Image) -> dict[str, Any]:
        """Add what an image is made of; its descriptor."""
        layers = [self._layer(entries) for entries in image.layers]
        settings = {"Entrypoint": list(image.entrypoint), "Env": [_PATH], "WorkingDir": "/"}
        config = {
            "architecture": self._architecture,
            "os": "linux",
            "config": settings,
            "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]},
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": self._json(_CONFIG, config),
            "layers": layers,
        }
        return {
            **self._json(_MANIFEST, manifest),
            "annotations": {
                "io.containerd.image.name": image.reference,
                "org.opencontainers.image.ref.name": image.reference.rpartition(":")[2],
            },
        }

    def finish(self, manifests: list[dict[str, Any]]) -> None:
        """Add what makes the blobs a layout."""
        self._file("oci-layout", json.dumps({"imageLayoutVersion": "1.0.0"}).encode())
        index = {"schemaVersion": 2, "manifests": manifests}
        self._file("index.json", json.dumps(index).encode())

    def _layer(self, entries: Mapping[str, Entry]) -> dict[str, Any]:
        if id(entries) not in self._layers:
            with tempfile.TemporaryFile() as file:
                _write_layer(entries, file)
                self._layers[id(entries)] = self._blob(_LAYER, file)
        return self._layers[id(entries)]

    def _json(self, media_type: str, value: object) -> dict[str, Any]:
        return self._blob(media_type, io.BytesIO(json.dumps(value, sort_keys=True).encode()))

    def _blob(self, media_type: str, file: BinaryIO) -> dict[str, Any]:
        total = hashlib.sha256()
        file.seek(0)
        while chunk := file.read(1 << 20):
            total.update(chunk)
        name, size = total.hexdigest(), file.tell()
        file.seek(0)
        if name not in self._there:
            self._there.add(name)
            info = tarfile.TarInfo(f"blobs/sha256/{name}")
            info.size = size
            self._tar.addfile(info, file)
        return {"mediaType": media_type, "digest": f"sha256:{name}", "size": size}

    def _file(self, name: str, content: bytes) -> None:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        self._tar.addfile(info, io.BytesIO(content))


def _write_layer(entries: Mapping[str, Entry], file: BinaryIO) -> None:
    """Directories first: root's, of no particular time, as nothing of this machine may get in."""
    parents = {parent for path in entries for parent in PurePosixPath(path).parents}
    with tarfile.open(fileobj=file, mode="w") as tar:
        for directory in sorted(parents - {PurePosixPath("/")} - set(map(PurePosixPath, entries))):
            tar.addfile(_info(str(directory), tarfile.DIRTYPE))
        for path, entry in sorted(entries.items()):
            _add(tar, path, entry)


def _add(tar: tarfile.TarFile, path: str, entry: Entry) -> None:
    if isinstance(entry, Link):
        info = _info(path, tarfile.SYMTYPE)
        info.linkname = entry.target
        tar.addfile(info)
    elif isinstance(entry, Path):
        info = _info(path, tarfile.REGTYPE)
        with entry.open("rb") as content:
            info.size = content.seek(0, io.SEEK_END)
            content.seek(0)
            tar.addfile(info, content)
    else:
        info = _info(path, tarfile.DIRTYPE)
        info.mode = 0o1777
        tar.addfile(info)


def _info(path: str, kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(path.lstrip("/"))
    info.type, info.mode = kind, 0o755
    return info
