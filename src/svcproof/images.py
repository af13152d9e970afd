"""Container images from static binaries: OCI image layouts made without Docker.

An image here is one uncompressed layer with one program and a few small files.
What is written is a tar of an OCI image layout (OCI image-spec v1.1:
``image-layout.md``, ``image-index.md``, ``manifest.md``, ``config.md``,
``layer.md``), with containerd's annotation ``io.containerd.image.name``, so that
``ctr -n k8s.io images import --local`` gives each image its reference.

The bytes depend on the recipe and the binary alone: no clock, owner or file
mode of the machine gets in. A layer's digest is known only when it has been
read, and its place in the tar is named after the digest; so the layer is
written first and its tar header afterwards, and a large binary is read once.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Final

from svcproof.errors import UsageError

__all__ = [
    "COREDNS_REFERENCE",
    "ECHO_HOSTNAME_REFERENCE",
    "METALLB_CONTROLLER_REFERENCE",
    "METALLB_SPEAKER_REFERENCE",
    "PAUSE_REFERENCE",
    "ImageFile",
    "ImageRecipe",
    "coredns_image",
    "echo_hostname_image",
    "metallb_controller_image",
    "metallb_speaker_image",
    "pause_image",
    "write_image",
    "write_images",
]

# A tag other than ``latest``, with which imagePullPolicy is IfNotPresent.
PAUSE_REFERENCE: Final = "svcproof.dev/pause:1"
ECHO_HOSTNAME_REFERENCE: Final = "svcproof.dev/echo-hostname:1"
COREDNS_REFERENCE: Final = "svcproof.dev/coredns:1"
METALLB_CONTROLLER_REFERENCE: Final = "svcproof.dev/metallb-controller:1"
METALLB_SPEAKER_REFERENCE: Final = "svcproof.dev/metallb-speaker:1"

_INDEX_TYPE: Final = "application/vnd.oci.image.index.v1+json"
_MANIFEST_TYPE: Final = "application/vnd.oci.image.manifest.v1+json"
_CONFIG_TYPE: Final = "application/vnd.oci.image.config.v1+json"
_LAYER_TYPE: Final = "application/vnd.oci.image.layer.v1.tar"

_CHUNK: Final = 1 << 20
_BLOCK: Final = tarfile.BLOCKSIZE  # 512
#: ELF's ``e_machine`` (System V ABI) to the names OCI takes from Go.
_ARCHITECTURES: Final = {62: "amd64", 183: "arm64"}
_PT_INTERP: Final = 3


@dataclass(frozen=True, slots=True)
class ImageFile:
    """One small file in an image. ``path`` is absolute; ``mode`` as in ``chmod``."""

    path: str
    content: bytes
    mode: int = 0o644


@dataclass(frozen=True, slots=True)
class ImageRecipe:
    """What an image is made of.

    ``binary`` is a static Linux program, installed at the absolute path
    ``install_as``. ``entrypoint``, ``command``, ``env`` (``NAME=value``) and
    ``user`` (empty: root) are those of an OCI image configuration.
    """

    reference: str
    binary: Path
    install_as: str
    entrypoint: tuple[str, ...]
    command: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    files: tuple[ImageFile, ...] = ()
    user: str = ""

    def __post_init__(self) -> None:
        name, _, tag = self.reference.rpartition(":")
        if not name or not tag or "/" in tag:
            raise UsageError(f"image reference {self.reference!r} has no tag")
        paths = [self.install_as, *(file.path for file in self.files)]
        for path in paths:
            if not _is_plain_file_path(path):
                raise UsageError(f"{self.reference}: {path!r} is not a normal absolute path")
        directories = {str(parent) for path in paths for parent in PurePosixPath(path).parents}
        twice = [p for p in paths if paths.count(p) > 1 or p in directories]
        if twice:
            raise UsageError(f"{self.reference}: two things at {twice[0]!r}")


def pause_image(binary: Path) -> ImageRecipe:
    """The Pod sandbox's image, from the echo-hostname program.

    It installs the program where :func:`echo_hostname_image` does, so that both
    images are one layer: stored, imported and unpacked once.
    """
    return ImageRecipe(
        reference=PAUSE_REFERENCE,
        binary=binary,
        install_as="/echo-hostname",
        entrypoint=("/echo-hostname", "pause"),
    )


def echo_hostname_image(binary: Path) -> ImageRecipe:
    """The app behind the Services, the in-cluster client and the clients' idle process."""
    return ImageRecipe(
        reference=ECHO_HOSTNAME_REFERENCE,
        binary=binary,
        install_as="/echo-hostname",
        entrypoint=("/echo-hostname",),
        command=("serve",),
    )


def coredns_image(binary: Path) -> ImageRecipe:
    """The cluster's DNS server."""
    return ImageRecipe(
        reference=COREDNS_REFERENCE,
        binary=binary,
        install_as="/coredns",
        entrypoint=("/coredns",),
    )


def metallb_controller_image(binary: Path) -> ImageRecipe:
    """The load balancer's controller, which gives out addresses."""
    return ImageRecipe(
        reference=METALLB_CONTROLLER_REFERENCE,
        binary=binary,
        install_as="/controller",
        entrypoint=("/controller",),
    )


def metallb_speaker_image(binary: Path) -> ImageRecipe:
    """The load balancer's speaker, which answers for the addresses on a link."""
    # Upstream mounts this from a ConfigMap: Pods' links never lead to a client.
    ignored = b'announcedInterfacesToExclude: ["^veth.*", "^lo$"]\n'
    return ImageRecipe(
        reference=METALLB_SPEAKER_REFERENCE,
        binary=binary,
        install_as="/speaker",
        entrypoint=("/speaker",),
        files=(ImageFile("/etc/metallb/excludel2.yaml", ignored),),
    )


def write_image(recipe: ImageRecipe, destination: Path) -> str:
    """Write one image's layout tar, atomically; return its manifest's digest."""
    return write_images([recipe], destination)[0]


def write_images(recipes: Sequence[ImageRecipe], destination: Path) -> tuple[str, ...]:
    """Write several images into one layout tar; return the manifests' digests, in order.

    What images have in common is stored once. ``destination`` appears complete
    or not at all. Raises :class:`~svcproof.errors.UsageError` for a binary that
    is not a static Linux program for a known architecture, and for a reference
    given twice.
    """
    references = [recipe.reference for recipe in recipes]
    for reference in references:
        if references.count(reference) > 1:
            raise UsageError(f"image reference {reference!r} is given twice")
    descriptor, name = tempfile.mkstemp(dir=destination.parent, prefix=f".{destination.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            layout = _Layout(file)
            manifests = [layout.add_image(recipe) for recipe in recipes]
            layout.finish(manifests)
        temporary.chmod(0o644)
        temporary.replace(destination)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return tuple(manifest["digest"] for manifest in manifests)


class _Layout:
    """An image layout's tar, being written. Descriptors are those of ``descriptor.md``."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._blobs: set[str] = set()
        self._layers: dict[tuple[Path, str, tuple[ImageFile, ...]], dict[str, Any]] = {}
        for directory in ("blobs/", "blobs/sha256/"):
            file.write(_header(directory, 0, 0o755))

    def add_image(self, recipe: ImageRecipe) -> dict[str, Any]:
        """Add an image's blobs; return its manifest's descriptor for the index."""
        architecture = _architecture(recipe.binary)
        layer = self._add_layer(recipe)
        config = self._add_json(_CONFIG_TYPE, _config(recipe, architecture, layer["digest"]))
        manifest = self._add_json(
            _MANIFEST_TYPE,
            {
                "schemaVersion": 2,
                "mediaType": _MANIFEST_TYPE,
                "config": config,
                "layers": [layer],
            },
        )
        return {
            **manifest,
            "annotations": {
                "io.containerd.image.name": recipe.reference,
                "org.opencontainers.image.ref.name": recipe.reference.rpartition(":")[2],
            },
            "platform": {"architecture": architecture, "os": "linux"},
        }

    def finish(self, manifests: list[dict[str, Any]]) -> None:
        """Add what makes the blobs a layout."""
        index = {"schemaVersion": 2, "mediaType": _INDEX_TYPE, "manifests": manifests}
        for name, value in (("index.json", index), ("oci-layout", {"imageLayoutVersion": "1.0.0"})):
            content = _json(value)
            self._file.write(_header(name, len(content), 0o644) + content + _padding(len(content)))
        self._file.write(bytes(2 * _BLOCK))

    def _add_layer(self, recipe: ImageRecipe) -> dict[str, Any]:
        key = (recipe.binary, recipe.install_as, recipe.files)
        if key not in self._layers:
            self._layers[key] = self._add_blob(_LAYER_TYPE, _layer(recipe))
        return self._layers[key]

    def _add_json(self, media_type: str, value: object) -> dict[str, Any]:
        return self._add_blob(media_type, iter([_json(value)]))

    def _add_blob(self, media_type: str, chunks: Iterator[bytes]) -> dict[str, Any]:
        """Write the content, then the header before it; take back what is there already."""
        start = self._file.tell()
        self._file.write(bytes(_BLOCK))
        digest, size = hashlib.sha256(), 0
        for chunk in chunks:
            self._file.write(chunk)
            digest.update(chunk)
            size += len(chunk)
        name = digest.hexdigest()
        if name in self._blobs:
            self._file.seek(start)
            self._file.truncate()
        else:
            self._blobs.add(name)
            self._file.write(_padding(size))
            end = self._file.tell()
            self._file.seek(start)
            self._file.write(_header(f"blobs/sha256/{name}", size, 0o644))
            self._file.seek(end)
        return {"mediaType": media_type, "digest": f"sha256:{name}", "size": size}


def _layer(recipe: ImageRecipe) -> Iterator[bytes]:
    """The layer's tar: every directory, then the program, then the other files."""
    paths = [recipe.install_as, *(file.path for file in recipe.files)]
    directories = {parent for path in paths for parent in PurePosixPath(path).parents}
    for directory in sorted(directories - {PurePosixPath("/")}):
        yield _header(f"{directory}/".lstrip("/"), 0, 0o755)
    with recipe.binary.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        yield _header(recipe.install_as.lstrip("/"), size, 0o755)
        left = size
        while left and (chunk := file.read(min(_CHUNK, left))):
            left -= len(chunk)
            yield chunk
    if left:
        raise UsageError(f"{recipe.binary} became shorter while it was read")
    yield _padding(size)
    for small in recipe.files:
        yield _header(small.path.lstrip("/"), len(small.content), small.mode)
        yield small.content + _padding(len(small.content))
    yield bytes(2 * _BLOCK)


def _config(recipe: ImageRecipe, architecture: str, diff_id: str) -> dict[str, Any]:
    """The image configuration. An uncompressed layer's diff ID is its digest."""
    execution: dict[str, Any] = {
        "Entrypoint": list(recipe.entrypoint),
        "Cmd": list(recipe.command),
        "Env": list(recipe.env),
        "User": recipe.user,
        "WorkingDir": "/",
    }
    return {
        "created": "1970-01-01T00:00:00Z",
        "architecture": architecture,
        "os": "linux",
        "config": {key: value for key, value in execution.items() if value},
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
    }


def _header(name: str, size: int, mode: int) -> bytes:
    """One tar header: owned by root, of 1970, the type by the final slash."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, mode
    info.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
    try:
        header = info.tobuf(tarfile.USTAR_FORMAT)
    except ValueError as error:  # a path or a size beyond ustar's limits
        raise UsageError(f"{name!r} does not fit into an image layer: {error}") from error
    return header


def _padding(size: int) -> bytes:
    return bytes(-size % _BLOCK)


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _is_plain_file_path(path: str) -> bool:
    """Absolute, normal, and not the root itself."""
    parts = path.split("/")
    return parts[0] == "" and len(parts) > 1 and not {"", ".", ".."} & set(parts[1:])


def _architecture(binary: Path) -> str:
    """The architecture of a static program, from its ELF header (``elf(5)``)."""
    with binary.open("rb") as file:
        header = file.read(64)
        if len(header) < 64 or header[:6] != b"\x7fELF\x02\x01":
            raise UsageError(f"{binary} is not a 64-bit little-endian Linux program")
        (machine,) = struct.unpack_from("<H", header, 18)
        (table,) = struct.unpack_from("<Q", header, 32)
        entry_size, entries = struct.unpack_from("<HH", header, 54)
        file.seek(table)
        segments = file.read(entry_size * entries)
    if machine not in _ARCHITECTURES:
        known = ", ".join(_ARCHITECTURES.values())
        raise UsageError(f"{binary} is for ELF machine {machine}; known are {known}")
    types = [segments[i : i + 4] for i in range(0, len(segments), entry_size or 1)]
    if struct.pack("<I", _PT_INTERP) in types:
        raise UsageError(
            f"{binary} is dynamically linked: an image has no loader for it",
            remedy="build it with CGO_ENABLED=0",
        )
    return _ARCHITECTURES[machine]
