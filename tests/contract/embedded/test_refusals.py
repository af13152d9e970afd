"""Bad input and failing starts: one clear message, exit code 4, nothing left."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from svcproof.clusters.embedded.state import BASE
from svcproof.components import BINARIES, obtain
from tests.contract.embedded.machine import Machine

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--proxy-mode", "ipvs"], ["'ipvs'", "iptables, nftables"]),
        (["--nodes", "0"], ["0 nodes", "1 to 8"]),
        (["--nodes", "99"], ["99 nodes", "1 to 8"]),
        (["--nodes", "three"], ["'three'", "1 to 8"]),
        (["--k8s-version", "1.12"], ["'1.12'", "1.35, 1.36, 1.37"]),
        (["--ip-families", "ipv5"], ["'ipv5'", "ipv4, ipv6, dual"]),
        (["--name", "Not A Name"], ["'Not A Name'", "lower-case"]),
        (["--components", "/nowhere"], ["/nowhere", "does not exist"]),
        (["--no-such-option"], ["--no-such-option"]),
    ],
)
def test_wrong_values(
    svcproof: Command, machine: Machine, name: str, arguments: list[str], words: list[str]
) -> None:
    done = svcproof("up", "--name", name, *arguments)
    assert (done.returncode, done.stdout) == (4, "")
    assert all(word in done.stderr for word in words), done.stderr
    del machine


def test_without_root(machine: Machine, name: str) -> None:
    """In a user namespace, where this user is another one but may still read its own files."""
    command = ["unshare", "--user", "--map-user=65534", sys.executable, "-m", "svcproof"]
    done = subprocess.run(
        [*command, "up", "--name", name], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 4
    assert "needs root" in done.stderr
    assert "sudo" in done.stderr
    del machine


@pytest.fixture
def components(tmp_path: Path) -> Path:
    """A directory of components whose files can be replaced."""
    found = obtain("1.36")
    directory = tmp_path / "components"
    directory.mkdir()
    for binary in BINARIES:
        (directory / binary).symlink_to(found.directory / binary)
    return directory


def test_a_component_is_missing(
    svcproof: Command, machine: Machine, components: Path, name: str
) -> None:
    (components / "etcd").unlink()
    done = svcproof("up", "--name", name, "--components", str(components))
    assert done.returncode == 4
    assert "etcd" in done.stderr
    del machine


def test_a_component_fails(
    svcproof: Command, machine: Machine, components: Path, name: str
) -> None:
    """The message has its name, its exit code and the last 20 lines that it wrote."""
    etcd = components / "etcd"
    etcd.unlink()
    etcd.write_text("#!/bin/sh\nfor i in $(seq 30); do echo line $i; done\nexit 7\n")
    etcd.chmod(0o755)
    done = svcproof("up", "--name", name, "--components", str(components))
    assert done.returncode == 4
    assert "etcd (exit code 7)" in done.stderr
    assert "line 30" in done.stderr
    assert "line 11\n" in done.stderr
    assert "line 10\n" not in done.stderr
    del machine


def test_the_disk_is_full(machine: Machine, name: str) -> None:
    """A tiny file system where clusters keep their files; others' see nothing of it."""
    BASE.mkdir(mode=0o700, exist_ok=True)
    mount = f'mount -t tmpfs -o size=16k,mode=0700 tiny {BASE} && exec "$@"'
    up = [sys.executable, "-m", "svcproof", "up", "--name", name]
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", mount, "sh", *up],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 4
    assert "free" in done.stderr
    assert str(BASE) in done.stderr
    assert len(done.stderr.splitlines()) == 3
    del machine


def test_unknown_cluster(svcproof: Command) -> None:
    for command in (["kubectl"], ["kubeconfig"], ["down"], ["logs"], ["shell"]):
        rest = {"kubectl": ["get", "nodes"], "logs": ["etcd"], "shell": ["node-1"]}
        done = svcproof(*command, "--name", "nobody", *rest.get(command[0], []))
        assert done.returncode == 4
        assert "nobody" in done.stderr
