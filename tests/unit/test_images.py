"""Images: what is in the tar is checked from the tar itself."""

from __future__ import annotations

import hashlib
import io
import json
import os
import struct
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svcproof import images
from svcproof.errors import UsageError
from svcproof.images import ImageFile, ImageRecipe, write_image, write_images

AMD64, ARM64, RISCV = 62, 183, 243
PT_LOAD, PT_INTERP = 1, 3


def elf(
    *, machine: int = AMD64, segments: tuple[int, ...] = (PT_LOAD,), body: bytes = b""
) -> bytes:
    """The start of an ELF program: as much of it as a loader looks at first."""
    identity = b"\x7fELF\x02\x01\x01" + bytes(9)
    header = struct.pack(
        "<HHIQQQIHHHHHH", 2, machine, 1, 0, 64, 0, 0, 64, 56, len(segments), 0, 0, 0
    )
    table = b"".join(struct.pack("<I", kind) + bytes(52) for kind in segments)
    return identity + header + table + body


class Layout:
    """A layout tar, read back."""

    def __init__(self, path: Path) -> None:
        with tarfile.open(path) as tar:
            members = tar.getmembers()
            self.names = [member.name for member in members]
            self.members = members
            self.content = {
                member.name: extracted.read()
                for member in members
                if (extracted := tar.extractfile(member)) is not None
            }
        self.index: dict[str, Any] = json.loads(self.content["index.json"])

    def blob(self, descriptor: dict[str, Any]) -> bytes:
        """A blob by its descriptor, whose size and digest must be true."""
        algorithm, _, digest = descriptor["digest"].partition(":")
        content = self.content[f"blobs/{algorithm}/{digest}"]
        assert len(content) == descriptor["size"]
        assert hashlib.new(algorithm, content).hexdigest() == digest
        return content

    def image(self, number: int = 0) -> tuple[dict[str, Any], tarfile.TarFile]:
        """An image's configuration and its layer."""
        manifest = json.loads(self.blob(self.index["manifests"][number]))
        config = json.loads(self.blob(manifest["config"]))
        (layer,) = manifest["layers"]
        assert layer["mediaType"] == "application/vnd.oci.image.layer.v1.tar"
        content = self.blob(layer)
        assert config["rootfs"] == {
            "type": "layers",
            "diff_ids": [f"sha256:{hashlib.sha256(content).hexdigest()}"],
        }
        return config, tarfile.open(fileobj=io.BytesIO(content))


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program"
    path.write_bytes(elf(body=b"machine code"))
    return path


def recipe(binary: Path, **changes: Any) -> ImageRecipe:
    values: dict[str, Any] = {
        "reference": "example.org/app:1",
        "binary": binary,
        "install_as": "/app",
        "entrypoint": ("/app",),
    }
    return ImageRecipe(**(values | changes))


def test_the_layout_is_complete(program: Path, tmp_path: Path) -> None:
    destination = tmp_path / "image.tar"
    digest = write_image(recipe(program), destination)
    layout = Layout(destination)
    assert json.loads(layout.content["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    assert layout.index["schemaVersion"] == 2
    assert layout.index["mediaType"] == "application/vnd.oci.image.index.v1+json"
    (manifest,) = layout.index["manifests"]
    assert manifest["digest"] == digest
    assert manifest["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
    assert manifest["annotations"]["io.containerd.image.name"] == "example.org/app:1"
    assert manifest["platform"] == {"architecture": "amd64", "os": "linux"}
    assert len(layout.names) == len(set(layout.names))


def test_the_configuration_says_what_the_recipe_does(program: Path, tmp_path: Path) -> None:
    destination = tmp_path / "image.tar"
    made = recipe(
        program, entrypoint=("/app", "x"), command=("serve",), env=("A=b",), user="65532:65532"
    )
    write_image(made, destination)
    config, _ = Layout(destination).image()
    assert config["config"] == {
        "Entrypoint": ["/app", "x"],
        "Cmd": ["serve"],
        "Env": ["A=b"],
        "User": "65532:65532",
        "WorkingDir": "/",
    }


def test_nested_paths_get_their_directories_before_them(program: Path, tmp_path: Path) -> None:
    destination = tmp_path / "image.tar"
    files = (ImageFile("/etc/app/settings", b"a = 1\n"), ImageFile("/etc/passwd", b"", 0o600))
    write_image(recipe(program, install_as="/usr/local/bin/app", files=files), destination)
    _, layer = Layout(destination).image()
    names = layer.getnames()
    assert names == [
        "etc",
        "etc/app",
        "usr",
        "usr/local",
        "usr/local/bin",
        "usr/local/bin/app",
        "etc/app/settings",
        "etc/passwd",
    ]
    modes = {member.name: (member.mode, member.isdir()) for member in layer.getmembers()}
    assert modes["etc/app"] == (0o755, True)
    assert modes["usr/local/bin/app"] == (0o755, False)
    assert modes["etc/passwd"] == (0o600, False)
    settings = layer.extractfile("etc/app/settings")
    assert settings is not None
    assert settings.read() == b"a = 1\n"


contents = st.binary(max_size=3000)
names = st.text("abcdefgh.-_", min_size=1, max_size=12).filter(lambda name: name.strip("."))
small_files = st.lists(
    st.builds(
        ImageFile,
        path=st.lists(names, min_size=1, max_size=3).map(lambda parts: "/etc/" + "/".join(parts)),
        content=contents,
        mode=st.sampled_from([0o644, 0o600, 0o755]),
    ),
    max_size=3,
    unique_by=lambda file: file.path,
).map(tuple)


@given(body=contents, files=small_files)
def test_whatever_goes_in_comes_out_and_twice_the_same(
    body: bytes, files: tuple[ImageFile, ...]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        binary = directory / "program"
        binary.write_bytes(elf(body=body))
        try:
            made = recipe(binary, files=files)
        except UsageError:
            return  # a file where another one needs a directory
        first = write_image(made, directory / "first.tar")
        os.utime(binary, (1, 1))
        binary.chmod(0o700)
        assert write_image(made, directory / "second.tar") == first
        tar = (directory / "first.tar").read_bytes()
        assert tar == (directory / "second.tar").read_bytes()
        assert len(tar) % 512 == 0
        layout = Layout(directory / "first.tar")
        _, layer = layout.image()
        program = layer.extractfile("app")
        assert program is not None
        assert program.read() == binary.read_bytes()
        for file in files:
            stored = layer.extractfile(file.path.lstrip("/"))
            assert stored is not None
            assert stored.read() == file.content
        everything = [*layout.members, *layer.getmembers()]
        assert {(m.uid, m.gid, m.mtime, m.uname) for m in everything} == {(0, 0, 0, "")}


@given(first=contents, second=contents)
def test_another_binary_is_another_digest(first: bytes, second: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        binary, destination = Path(name) / "program", Path(name) / "image.tar"
        digests = []
        for body in (first, second):
            binary.write_bytes(elf(body=body))
            digests.append(write_image(recipe(binary), destination))
    assert (digests[0] == digests[1]) == (first == second)


def test_pause_and_echo_hostname_are_one_layer(program: Path, tmp_path: Path) -> None:
    destination = tmp_path / "images.tar"
    dns = tmp_path / "coredns"
    dns.write_bytes(elf(body=b"dns"))
    recipes = [
        images.pause_image(program),
        images.echo_hostname_image(program),
        images.coredns_image(dns),
    ]
    digests = write_images(recipes, destination)
    layout = Layout(destination)
    assert [m["digest"] for m in layout.index["manifests"]] == list(digests)
    assert [m["annotations"]["io.containerd.image.name"] for m in layout.index["manifests"]] == [
        "svcproof.dev/pause:1",
        "svcproof.dev/echo-hostname:1",
        "svcproof.dev/coredns:1",
    ]
    blobs = [name for name in layout.names if name.startswith("blobs/sha256/")]
    assert len(blobs) == 3 + 3 + 2  # manifests, configurations, layers
    entrypoints = [layout.image(number)[0]["config"]["Entrypoint"] for number in range(3)]
    assert entrypoints == [["/echo-hostname", "pause"], ["/echo-hostname"], ["/coredns"]]


def test_the_same_content_under_another_name_is_stored_once(program: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.write_bytes(program.read_bytes())
    destination = tmp_path / "images.tar"
    write_images([recipe(program), recipe(copy, reference="example.org/other:1")], destination)
    layout = Layout(destination)
    # One configuration, one layer and so even one manifest, under two names.
    assert sum(name.startswith("blobs/sha256/") for name in layout.names) == 3
    assert [layout.image(n)[0]["architecture"] for n in (0, 1)] == ["amd64", "amd64"]


@pytest.mark.parametrize(("machine", "architecture"), [(AMD64, "amd64"), (ARM64, "arm64")])
def test_the_architecture_is_the_binarys(tmp_path: Path, machine: int, architecture: str) -> None:
    binary = tmp_path / "program"
    binary.write_bytes(elf(machine=machine))
    destination = tmp_path / "image.tar"
    write_image(recipe(binary), destination)
    layout = Layout(destination)
    assert layout.image()[0]["architecture"] == architecture
    assert layout.index["manifests"][0]["platform"]["architecture"] == architecture


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "not a 64-bit"),
        (b"#!/bin/sh\n" + bytes(80), "not a 64-bit"),
        (elf(machine=RISCV), "ELF machine 243; known are amd64, arm64"),
        (elf(segments=(PT_LOAD, PT_INTERP)), "dynamically linked"),
    ],
)
def test_a_wrong_binary_is_refused_and_leaves_nothing(
    tmp_path: Path, content: bytes, complaint: str
) -> None:
    binary = tmp_path / "program"
    binary.write_bytes(content)
    with pytest.raises(UsageError, match=complaint):
        write_image(recipe(binary), tmp_path / "image.tar")
    assert list(tmp_path.iterdir()) == [binary]


def test_an_earlier_image_survives_a_failure(program: Path, tmp_path: Path) -> None:
    destination = tmp_path / "image.tar"
    write_image(recipe(program), destination)
    before = destination.read_bytes()
    program.unlink()
    with pytest.raises(FileNotFoundError):
        write_image(recipe(program), destination)
    assert destination.read_bytes() == before


def test_the_result_is_readable_for_others(program: Path, tmp_path: Path) -> None:
    destination = tmp_path / "image.tar"
    write_image(recipe(program), destination)
    assert destination.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    "changes",
    [
        {"reference": "example.org/app"},
        {"reference": "localhost:5000/app"},
        {"reference": ":1"},
        {"install_as": "app"},
        {"install_as": "/"},
        {"install_as": "/bin//app"},
        {"install_as": "/bin/../app"},
        {"files": (ImageFile("/app", b""),)},
        {"files": (ImageFile("/app/x", b""),)},
        {"files": (ImageFile("/x", b""), ImageFile("/x", b""))},
    ],
)
def test_a_contradictory_recipe_is_refused(program: Path, changes: dict[str, Any]) -> None:
    make: Callable[..., ImageRecipe] = recipe
    with pytest.raises(UsageError):
        make(program, **changes)


def test_a_path_too_long_for_a_layer_is_refused(program: Path, tmp_path: Path) -> None:
    made = recipe(program, install_as="/" + "x" * 300)
    with pytest.raises(UsageError, match="does not fit"):
        write_image(made, tmp_path / "image.tar")


def test_a_reference_given_twice_is_refused(program: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="given twice"):
        write_images([recipe(program), recipe(program)], tmp_path / "images.tar")
