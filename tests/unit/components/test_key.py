"""The key is equal exactly when the same sources are built in the same way."""

import shutil

import pytest

from svcproof.components import recipe
from svcproof.components.recipe import PARTS, Target, checked_architecture
from svcproof.components.sources import COMPONENTS, ECHO_HOSTNAME
from svcproof.errors import UsageError


@pytest.fixture
def sources(tmp_path, monkeypatch):
    """Copies of both modules that a test may change."""
    for name, origin in (("COMPONENTS", COMPONENTS), ("ECHO_HOSTNAME", ECHO_HOSTNAME)):
        copy = tmp_path / origin.name
        shutil.copytree(origin, copy)
        monkeypatch.setattr(recipe, name, copy)
    return tmp_path


@pytest.fixture
def key(sources):
    """The key as of now; a target reads the sources only once."""
    return lambda: Target.of("1.36", "amd64").key


def test_where_the_sources_lie_and_when_they_were_written_does_not_matter(target, key, sources):
    (sources / "components" / "kube" / "main.go").touch()
    assert key() == target.key


@pytest.mark.parametrize(
    "file",
    [
        "components/kube/main.go",
        "components/coredns/main.go",
        "components/versions/1.36/go.mod",
        "components/versions/1.36/go.sum",
        "echo-hostname/main.go",
        "echo-hostname/go.mod",
    ],
)
def test_any_change_to_what_is_built_changes_it(key, sources, file):
    before = key()
    with (sources / file).open("a") as source:
        source.write("\n// changed\n")
    assert key() != before


@pytest.mark.parametrize(
    "file",
    [
        "components/versions/1.35/go.mod",
        "components/add-version",
        "components/kube/main_test.go",
        "components/metallb/go.mod",
        "components/metallb/tools.go",
        "echo-hostname/README.md",
        "echo-hostname/echo-hostname",
    ],
)
def test_what_cannot_change_a_program_does_not(key, sources, file):
    before = key()
    with (sources / file).open("a") as source:
        source.write("\n// changed\n")
    assert key() == before


def test_it_tells_minor_and_platform():
    assert Target.of("1.35", "arm64").key.startswith("1.35-linux-arm64-")


def test_other_flags_are_another_key(key, monkeypatch):
    before = key()
    monkeypatch.setattr(recipe, "_LINKER_FLAGS", "-s")
    assert key() != before


def test_a_change_to_our_program_leaves_the_other_step_alone(sources):
    before = {step.name: step.digest for step in Target.of("1.36", "amd64").steps}
    (sources / "echo-hostname" / "more.go").write_text("package main\n")
    after = {step.name: step.digest for step in Target.of("1.36", "amd64").steps}
    assert after["components"] == before["components"]
    assert after["echo-hostname"] != before["echo-hostname"]


def test_the_steps_make_every_program_once(target):
    made = [program for step in target.steps for program in step.programs]
    assert sorted(made) == sorted(recipe.BINARIES)
    assert {part for step in target.steps for part in step.parts} == set(PARTS)


def test_the_users_go_settings_do_not_reach_the_build(target, monkeypatch):
    monkeypatch.setenv("GOFLAGS", "-race")
    monkeypatch.setenv("GOROOT", "/nowhere")
    monkeypatch.setenv("GOPROXY", "https://proxy.example")
    environment = target.environment()
    assert environment["GOFLAGS"] == "-buildvcs=false"
    assert "GOROOT" not in environment
    assert environment["GOPROXY"] == "https://proxy.example"


def test_an_unknown_architecture_lists_the_known_ones():
    with pytest.raises(UsageError, match="amd64, arm64"):
        checked_architecture("mips")
