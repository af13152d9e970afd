"""Directories of components and the record in them."""

import json

import pytest

from svcproof.components.model import BINARIES, Components, Manifest, missing_binaries
from svcproof.errors import ComponentsUnavailable


def test_a_complete_directory_lacks_nothing(tmp_path, fake_components, target):
    assert missing_binaries(fake_components(tmp_path / "c", target)) == ()


def test_what_is_absent_or_not_executable_is_missing(tmp_path, fake_components, target):
    directory = fake_components(tmp_path / "c", target, without=("etcd",))
    (directory / "ptp").chmod(0o644)
    assert missing_binaries(directory) == ("etcd", "ptp")


def test_no_directory_lacks_everything(tmp_path):
    assert missing_binaries(tmp_path / "nowhere") == BINARIES


def test_a_record_is_read_as_written(tmp_path):
    written = Manifest("k", "1.36.4", "linux-amd64", "1.26.8", {"etcd": "3.6.16"}, {"a": "b"})
    written.write(tmp_path)
    assert Manifest.read(tmp_path) == written


def test_no_record(tmp_path):
    assert Manifest.read(tmp_path) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 2}', '{"schema": 1, "odd": 3}'])
def test_a_corrupt_record_is_named(tmp_path, text):
    (tmp_path / "components.json").write_text(text)
    with pytest.raises(ComponentsUnavailable, match=r"components\.json is not a record"):
        Manifest.read(tmp_path)


def test_the_record_is_plain_json(tmp_path):
    Manifest("k", "1.36.4", "linux-amd64", "1.26.8").write(tmp_path)
    assert json.loads((tmp_path / "components.json").read_text())["kubernetes"] == "1.36.4"


def test_only_known_programs_have_a_path(tmp_path):
    components = Components(tmp_path, "1.36.4", "cache", "k")
    assert components.path("kube") == tmp_path / "kube"
    with pytest.raises(ValueError, match="no component is called 'kubelet'; there are kube, etcd"):
        components.path("kubelet")
