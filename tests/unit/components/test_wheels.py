"""What is in the wheels, and what their names say."""

import stat
import zipfile
from email import message_from_bytes
from importlib import import_module

import pytest

from svcproof.components import wheels
from svcproof.components.installed import installed
from svcproof.components.licences import licence_text
from svcproof.components.model import BINARIES, Components
from svcproof.components.progress import Silent
from svcproof.components.wheels import make_wheels, wheel_tag, wheel_version


@pytest.mark.parametrize(
    ("svcproof", "version"),
    [
        ("0.1.0", "1.36.4.post100"),
        ("1.2.3", "1.36.4.post10203"),
        ("0.2.0.dev1", "1.36.4.post200.dev1"),
    ],
)
def test_the_version_is_that_of_kubernetes_and_of_svcproof(svcproof, version):
    assert wheel_version("1.36.4", svcproof) == version


def test_the_tag_says_any_linux_of_that_machine():
    assert wheel_tag("arm64") == (
        "py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.musllinux_1_1_aarch64"
    )


@pytest.fixture
def made(tmp_path, target, fake_components, monkeypatch):
    directory = fake_components(tmp_path / "programs", target)
    found = Components(directory, "1.36.4", "cache", target.key)
    monkeypatch.setattr(wheels, "build_into_cache", lambda *_, **__: found)
    monkeypatch.setattr(wheels, "find_go", lambda *_, **__: tmp_path / "go" / "bin" / "go")
    licence = tmp_path / "module"
    licence.mkdir()
    (licence / "LICENSE").write_text("Do as you like.")
    monkeypatch.setattr(wheels, "linked_modules", lambda *_: {"example.com/m@v1.0.0": licence})
    return make_wheels(target, tmp_path / "out", allow_install=False, progress=Silent())


def content(wheel, suffix):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(suffix)]
        return archive.read(name)


def test_two_wheels_and_nothing_else(made, tmp_path):
    assert sorted(made) == sorted((tmp_path / "out").iterdir())
    assert [wheel.name.split("-")[:2] for wheel in made] == [
        ["svcproof_components_kubernetes", "1.36.4.post100"],
        ["svcproof_components", "1.36.4.post100"],
    ]


def test_every_program_is_in_one_of_them_and_executable(made):
    modes = {}
    for wheel in made:
        with zipfile.ZipFile(wheel) as archive:
            for entry in archive.infolist():
                if entry.filename.startswith("svcproof_components/bin/"):
                    modes[entry.filename.rpartition("/")[2]] = entry.external_attr >> 16
    assert set(modes) == {*BINARIES, "components.json"}
    assert all(stat.S_IMODE(modes[name]) == 0o755 for name in BINARIES)


def test_one_needs_the_other_in_the_same_version(made):
    metadata = message_from_bytes(content(made[1], "METADATA"))
    assert metadata["Requires-Dist"] == "svcproof-components-kubernetes==1.36.4.post100"
    assert metadata["License-File"] == "LICENSES.txt"


def test_the_licences_are_in_both(made):
    for wheel in made:
        text = content(wheel, ".dist-info/licenses/LICENSES.txt").decode()
        assert "example.com/m@v1.0.0 (LICENSE)" in text
        assert "Do as you like." in text


def test_equal_programs_make_equal_wheels(made, tmp_path, target):
    before = [wheel.read_bytes() for wheel in made]
    again = make_wheels(target, tmp_path / "again", allow_install=False, progress=Silent())
    assert [wheel.read_bytes() for wheel in again] == before


def test_a_licence_that_many_share_is_given_once(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "LICENSE").write_text("The same.\n")
    text = licence_text({"a@v1": tmp_path / "a", "b@v1": tmp_path / "b"}, tmp_path / "go")
    assert text.count("The same.") == 1
    assert "a@v1 (LICENSE)\nb@v1 (LICENSE)" in text


class TestInstalled:
    @pytest.fixture
    def site(self, made, tmp_path, monkeypatch):
        """Both wheels unpacked as pip would."""
        site = tmp_path / "site"
        for wheel in made:
            with zipfile.ZipFile(wheel) as archive:
                for entry in archive.infolist():
                    path = archive.extract(entry, site)
                    import_module("os").chmod(path, entry.external_attr >> 16)
        monkeypatch.syspath_prepend(str(site))
        return site

    def test_it_is_found(self, site, target):
        found = installed(target)
        assert (found.directory, found.unusable) == (site / "svcproof_components" / "bin", "")
        assert found.version == "1.36.4.post100"

    def test_another_key_is_explained(self, site, target):
        record = site / "svcproof_components" / "bin" / "components.json"
        record.write_text(record.read_text().replace(target.key, "1.36-linux-amd64-old"))
        assert "its key is 1.36-linux-amd64-old, wanted is 1.36-" in installed(target).unusable

    def test_half_of_it_is_explained(self, site, target):
        (site / "svcproof_components" / "bin" / "kube").unlink()
        assert installed(target).unusable == "it lacks kube"

    def test_a_corrupt_record_is_explained(self, site, target):
        (site / "svcproof_components" / "bin" / "components.json").write_text("?")
        assert "is not a record" in installed(target).unusable


def test_nothing_installed(target):
    assert installed(target) is None
