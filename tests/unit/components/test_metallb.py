"""The load balancer's programs: a module, a key and a build of their own."""

import shutil

import pytest

from svcproof.components import build as building
from svcproof.components.metallb import CONTROLLER, SPEAKER, MetalLB, obtain_metallb
from svcproof.components.model import missing_binaries
from svcproof.components.progress import Silent
from svcproof.components.recipe import OUTPUT_NAMES
from svcproof.components.sources import METALLB


@pytest.fixture
def sources(tmp_path, monkeypatch):
    """A copy of the module that a test may change."""
    copy = tmp_path / "metallb"
    shutil.copytree(METALLB, copy)
    monkeypatch.setattr(MetalLB, "directory", copy)
    return copy


def programs(directory):
    directory.mkdir(parents=True)
    for name in (CONTROLLER, SPEAKER):
        (directory / name).touch(mode=0o755)
    return directory


def test_it_says_what_it_is():
    target = MetalLB("arm64")
    assert (target.label, target.platform) == ("MetalLB 0.15.2", "linux-arm64")
    assert target.key.startswith("metallb-linux-arm64-")
    assert target.environment()["GOARCH"] == "arm64"


@pytest.mark.parametrize("file", ["go.mod", "go.sum", "tools.go"])
def test_any_change_to_its_module_is_another_key(sources, file):
    before = MetalLB("amd64").key
    with (sources / file).open("a") as source:
        source.write("\n// changed\n")
    assert MetalLB("amd64").key != before


def test_go_names_its_programs_otherwise():
    packages = [package.rpartition("/")[2] for package in MetalLB("amd64").steps[0].packages]
    assert [OUTPUT_NAMES[package] for package in packages] == [CONTROLLER, SPEAKER]


def test_what_lies_beside_the_components_is_taken(tmp_path):
    beside = programs(tmp_path / "given")
    assert obtain_metallb(beside, allow_install=False, progress=Silent()) == beside


def test_built_once_and_then_found(tmp_path, monkeypatch):
    built = []

    def build(target, destination, **_):
        built.append(target.key)
        programs(destination)

    monkeypatch.setattr(building, "build", build)
    found = [obtain_metallb(tmp_path, allow_install=False, progress=Silent()) for _ in range(2)]
    assert found[0] == found[1]
    assert missing_binaries(found[0], (CONTROLLER, SPEAKER)) == ()
    assert len(built) == 1
