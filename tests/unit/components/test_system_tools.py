"""Programs of the distribution: seen, installed, or named with what to type."""

import os

import pytest

from svcproof.components import packages, system_tools
from svcproof.components.packages import _MANAGERS, detect, install_with_apt
from svcproof.components.system_tools import TOOLS, Tool, ensure_system_tools, look_for
from svcproof.errors import MissingTool

RUNC = next(tool for tool in TOOLS if tool.name == "runc")


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A PATH with every tool, as shell scripts; remove one to miss it."""
    directory = tmp_path / "bin"
    directory.mkdir()
    for tool in TOOLS:
        put(directory, tool.name, "x from util-linux 2.38, version 1.2.3, libseccomp: 2.5.4")
    monkeypatch.setenv("PATH", str(directory))
    monkeypatch.setattr(system_tools, "_SYSTEM_DIRECTORIES", ())
    return directory


def put(directory, name, says="", code=0):
    (directory / name).write_text(f"#!/bin/sh\necho '{says}'\nexit {code}\n")
    (directory / name).chmod(0o755)


@pytest.fixture
def user(monkeypatch):
    def be(number):
        monkeypatch.setattr(os, "geteuid", lambda: number)

    return be


def test_all_there(programs):
    assert ensure_system_tools(allow_install=False)["nft"] == programs / "nft"


def test_a_tool_has_a_version(programs):
    put(programs, "nft", "nftables v1.0.6 (Lester Gooch #5)")
    look = look_for(next(tool for tool in TOOLS if tool.name == "nft"))
    assert (look.path, look.version, look.problem) == (programs / "nft", "1.0.6", "")


def test_runc_without_seccomp_is_refused(programs, user):
    user(0)
    put(programs, "runc", "runc version 1.2.0")
    with pytest.raises(MissingTool, match="built without seccomp, every Pod would fail"):
        ensure_system_tools(allow_install=False)


def test_the_unshare_of_busybox_is_refused(programs):
    put(programs, "unshare", "BusyBox v1.36")
    with pytest.raises(MissingTool, match="not util-linux'"):
        ensure_system_tools(allow_install=False)


@pytest.mark.parametrize(
    ("manager", "command"),
    [
        (
            "apt-get",
            "apt-get update && apt-get install --yes --no-install-recommends nftables runc",
        ),
        ("dnf", "dnf install --assumeyes nftables runc"),
        ("apk", "apk add nftables runc"),
        ("pacman", "pacman --sync --needed --noconfirm nftables runc"),
        ("zypper", "zypper --non-interactive install nftables runc"),
    ],
)
def test_the_command_to_type(programs, user, manager, command):
    user(0)
    put(programs, manager)
    (programs / "nft").unlink()
    (programs / "runc").unlink()
    with pytest.raises(MissingTool) as refusal:
        ensure_system_tools(allow_install=False)
    assert refusal.value.remedy == command
    assert "nft: not found (for kube-proxy's nftables mode" in refusal.value.what


def test_a_user_is_told_sudo(programs, user):
    user(1000)
    put(programs, "apt-get")
    (programs / "nft").unlink()
    with pytest.raises(MissingTool) as refusal:
        ensure_system_tools()
    assert refusal.value.remedy.startswith("sudo apt-get update && sudo apt-get install")


def test_without_a_known_package_manager(programs):
    (programs / "nft").unlink()
    with pytest.raises(MissingTool) as refusal:
        ensure_system_tools()
    assert refusal.value.remedy == "install nftables with your package manager"


class TestInstalling:
    @pytest.fixture(autouse=True)
    def root_with_apt(self, programs, user):
        user(0)
        put(programs, "apt-get")
        (programs / "nft").unlink()

    def test_what_is_missing_is_installed(self, programs, monkeypatch):
        def install(names):
            assert names == ["nftables"]
            put(programs, "nft")
            return ""

        monkeypatch.setattr(system_tools, "install_with_apt", install)
        reports = []
        assert ensure_system_tools(report=reports.append)["nft"] == programs / "nft"
        assert reports == ["installing nftables with apt-get"]

    def test_nothing_is_installed_when_forbidden(self, monkeypatch):
        monkeypatch.setattr(system_tools, "install_with_apt", lambda _: pytest.fail("installed"))
        with pytest.raises(MissingTool):
            ensure_system_tools(allow_install=False)

    def test_when_apt_fails_its_words_are_told(self, monkeypatch):
        monkeypatch.setattr(system_tools, "install_with_apt", lambda _: "E: no network")
        with pytest.raises(MissingTool, match="apt-get failed: E: no network"):
            ensure_system_tools()


class TestApt:
    @pytest.fixture
    def apt(self, monkeypatch):
        """Answers by verb; calls are recorded."""
        calls, answers = [], {}

        def run(*arguments):
            calls.append(arguments[0])
            return answers[arguments[0]].pop(0)

        monkeypatch.setattr(packages, "_apt", run)
        return calls, answers

    def test_the_lists_are_fetched_only_when_needed(self, apt):
        calls, answers = apt
        answers["install"] = [""]
        assert install_with_apt(["nftables"]) == ""
        assert calls == ["install"]

    def test_a_package_not_in_the_lists_fetches_them(self, apt):
        calls, answers = apt
        answers.update(install=["E: Unable to locate", ""], update=[""])
        assert install_with_apt(["nftables"]) == ""
        assert calls == ["install", "update", "install"]

    def test_no_network(self, apt):
        answers = apt[1]
        answers.update(install=["E: Unable to locate"], update=["E: no network"])
        assert install_with_apt(["nftables"]) == "E: no network"

    def test_the_last_line_of_a_failure(self, programs):
        put(programs, "apt-get", "E: broken", code=100)
        assert packages._apt("update") == "E: broken"


def test_every_manager_has_a_package_for_every_tool():
    for manager in _MANAGERS.values():
        assert {tool.name for tool in TOOLS} <= set(manager.packages)


def test_the_first_manager_that_is_there_is_taken(programs):
    assert detect().name == "unknown"
    put(programs, "apk")
    assert detect().name == "apk"


def test_a_tool_that_cannot_be_run_is_no_crash(programs):
    (programs / "odd").write_text("")
    (programs / "odd").chmod(0o755)
    assert look_for(Tool("odd", "nothing")).path == programs / "odd"
