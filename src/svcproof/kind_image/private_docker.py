"""A Docker for one command, where none runs: ``python -m svcproof.kind_image.private_docker``.

Its daemon is in namespaces of its own: network, mounts, processes. The command that is to
use it is in the same network namespace. So whatever Docker does to iptables, bridges and
forwarding it does there; nothing can leave the machine from there, for there is no way
out; and when this process ends, however it ends, the kernel ends all of it. What stays
after a SIGKILL are a directory and empty control groups, which the next start removes.
"""

from __future__ import annotations

import fcntl
import functools
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import click

from svcproof.clusters.kind.docker import Docker
from svcproof.components.cache import cache_root
from svcproof.components.capabilities import lacks_sys_resource
from svcproof.components.system_tools import Tool, ensure_system_tools, search_path
from svcproof.errors import EnvironmentProblem, StartFailed, SvcproofError, WaitExpired
from svcproof.waits import wait_for

__all__ = ["main", "private_docker"]

_DAEMON: Final = (Tool("dockerd", "a Docker of its own"),)
_CLIENT: Final = (Tool("docker", "a Docker of its own"),)
_NAMESPACES: Final = ("unshare", "nsenter", "setpriv", "ip", "mount")
#: Ranges that nobody else can have: the network namespace is Docker's alone.
_BRIDGE: Final = "172.29.0.1/24"
_POOL: Final = {"base": "172.28.0.0/16", "size": 24}
_START_LIMIT: Final = 60.0
_END_LIMIT: Final = 30.0
_WRAPPER: Final = Path(__file__).resolve().parent / "runtime_wrapper.py"
#: What an installer asks whether it may start a service: no.
_POLICY: Final = Path("/usr/sbin/policy-rc.d")
_ENVIRONMENT: Final = 4

# Docker's own sockets and locks are below /run. The shell stays, to collect orphans.
_START: Final = """
mount -t tmpfs tmpfs /run
ip link set lo up
dockerd --config-file="$1"
exit $?
"""


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--no-install", is_flag=True, help="Never install Docker; say what to do instead.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def main(no_install: bool, command: tuple[str, ...]) -> None:
    """Run COMMAND with a Docker: the one that runs, or one for this command only."""
    try:
        sys.exit(_run(command, allow_install=not no_install))
    except SvcproofError as error:
        click.echo(f"svcproof: {error}", err=True)
        sys.exit(_ENVIRONMENT)


def _run(command: Sequence[str], *, allow_install: bool) -> int:
    with suppress(EnvironmentProblem):
        Docker.running()
        click.echo("the Docker that runs will do", err=True)
        return subprocess.run(command, check=False).returncode
    with private_docker(allow_install=allow_install) as (prefix, environment):
        # It could do nothing without us.
        argv = [*_dying_with_us(), *prefix, *command]
        return subprocess.run(argv, env=environment, check=False).returncode


@contextmanager
def private_docker(*, allow_install: bool) -> Iterator[tuple[list[str], dict[str, str]]]:
    """A Docker until the end of the block: what its users' commands begin with, their environment.

    Raises :class:`~svcproof.errors.EnvironmentProblem` with what it lacks.
    """
    _require(allow_install=allow_install)
    root = cache_root() / "docker"
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    _sweep(root)
    directory = root / secrets.token_hex(4)
    directory.mkdir(mode=0o700)
    lock = _lock(directory)
    try:
        with _daemon(directory) as prefix:
            yield prefix, {**os.environ, "DOCKER_HOST": f"unix://{directory}/docker.sock"}
    finally:
        _remove(directory)
        if lock is not None:
            os.close(lock)


def _require(*, allow_install: bool) -> None:
    if os.geteuid() != 0:
        raise EnvironmentProblem(
            f"no Docker runs, and starting one needs root: this is user {os.geteuid()}",
            remedy="start Docker, or run the same command with sudo",
        )
    missing = [name for name in _NAMESPACES if shutil.which(name, path=search_path()) is None]
    if missing:
        raise EnvironmentProblem(
            f"a Docker of its own needs {', '.join(missing)}", remedy="install util-linux, iproute2"
        )
    with _no_service_starts():
        for tools in (_DAEMON, _CLIENT):
            ensure_system_tools(allow_install=allow_install, report=_say, tools=tools)


def _say(line: str) -> None:
    click.echo(f"svcproof: {line}", err=True)


@contextmanager
def _no_service_starts() -> Iterator[None]:
    """Debian starts what it installs; a system-wide Docker is not what was asked for."""
    if _POLICY.exists() or not _POLICY.parent.is_dir():
        yield
        return
    _POLICY.write_text("#!/bin/sh\nexit 101\n", encoding="utf-8")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink(missing_ok=True)


@contextmanager
def _daemon(directory: Path) -> Iterator[list[str]]:
    config, log = directory / "daemon.json", directory / "dockerd.log"
    config.write_text(json.dumps(_configuration(directory)), encoding="utf-8")
    command = [*_dying_with_us(), "unshare", "--net", "--mount", "--pid", "--fork", "--kill-child"]
    command += ["--mount-proc", "sh", "-c", _START, "dockerd", str(config)]
    environment = {**os.environ, "PATH": search_path()}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment
        )
    try:
        _await_answer(directory, process, log)
        yield ["nsenter", f"--net=/proc/{process.pid}/ns/net", "--"]
    finally:
        _end(process)


def _end(unshare: subprocess.Popen[bytes]) -> None:
    """Kill the first process of the namespace: unshare ends when all the others are gone, too."""
    children = Path(f"/proc/{unshare.pid}/task/{unshare.pid}/children")
    with suppress(FileNotFoundError):
        for child in children.read_text(encoding="utf-8").split():
            with suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        unshare.wait(timeout=_END_LIMIT)
    unshare.kill()
    unshare.wait()


def _configuration(directory: Path) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "data-root": str(directory / "data"),
        "exec-root": str(directory / "exec"),
        "pidfile": str(directory / "dockerd.pid"),
        "hosts": [f"unix://{directory}/docker.sock"],
        "bip": _BRIDGE,
        "default-address-pools": [_POOL],
        "default-cgroupns-mode": "private",
        "cgroup-parent": _cgroup(directory),
        "exec-opts": ["native.cgroupdriver=cgroupfs"],
        # Everything ends at once, and nothing is to be started again.
        "shutdown-timeout": 1,
    }
    if lacks_sys_resource():
        runtime = directory / "runc"
        runtime.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {_WRAPPER} "$@"\n')
        runtime.chmod(0o755)
        settings |= {
            "runtimes": {"without-sys-resource": {"path": str(runtime)}},
            "default-runtime": "without-sys-resource",
        }
    return settings


def _await_answer(directory: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    command = ["docker", f"--host=unix://{directory}/docker.sock", "info"]

    def silence() -> str:
        if process.poll() is not None:
            return ""
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
        return " ".join(done.stderr.split()) if done.returncode else ""

    reason = "ended"
    try:
        wait_for("Docker's answer", silence, limit=_START_LIMIT, interval=0.2)
        if process.poll() is None:
            return
    except WaitExpired as error:
        reason = str(error)
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:]
    raise StartFailed("dockerd", reason, exit_code=process.poll(), log_lines=lines)


@functools.cache
def _dying_with_us() -> tuple[str, ...]:
    return ("setpriv", "--pdeathsig", "KILL")


def _lock(directory: Path) -> int | None:
    """Lock a daemon's directory; ``None`` while its owner lives."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _sweep(root: Path) -> None:
    for directory in root.iterdir():
        lock = _lock(directory)
        if lock is not None:
            _remove(directory)
            os.close(lock)


def _remove(directory: Path) -> None:
    """What the kernel leaves of a daemon: empty control groups, and its files.

    The directory last: as long as it is there, somebody will try again.
    """
    with suppress(WaitExpired):  # of a killed owner's daemon some processes may still be ending
        wait_for("empty control groups", lambda: _remove_groups(directory), limit=_END_LIMIT)
        shutil.rmtree(directory, ignore_errors=True)


def _remove_groups(directory: Path) -> str:
    """Remove them in every hierarchy; names one that is left."""
    remaining = ""
    for hierarchy in (Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").glob("*/")):
        for path, _, _ in os.walk(hierarchy / _cgroup(directory).lstrip("/"), topdown=False):
            try:
                Path(path).rmdir()
            except OSError:
                remaining = path
    return remaining


def _cgroup(directory: Path) -> str:
    return f"/svcproof-docker-{directory.name}"


if __name__ == "__main__":
    main()
