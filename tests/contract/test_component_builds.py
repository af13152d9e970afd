"""Components really built, packed and installed. Go's build cache is the user's own, so warm."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from svcproof.clusters.embedded.start import fresh_name
from svcproof.components import BINARIES, DEFAULT_KUBERNETES, open_progress
from svcproof.components.obtain import build_into_cache
from svcproof.components.recipe import Target

SVCPROOF = [sys.executable, "-m", "svcproof"]
BUILD = [*SVCPROOF, "components", "build"]
#: Cold, on a slow machine.
LIMIT = 1800


@pytest.fixture(scope="module")
def go_caches() -> dict[str, str]:
    """Compile once on this machine: into the cache where a user's own build would."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    with open_progress() as progress:
        target = Target.of(DEFAULT_KUBERNETES)
        build_into_cache(target, allow_install=True, progress=progress)
    return {"GOCACHE": os.environ.get("GOCACHE") or f"{cache}/go-build"}


def empty_cache(go_caches, directory):
    """The environment of a build: an empty cache of ours, beside a full one of Go's."""
    return {**os.environ, **go_caches, "XDG_CACHE_HOME": str(directory), "CI": "1"}


def components_in(environment):
    return Path(environment["XDG_CACHE_HOME"]) / "svcproof" / "components"


def processes_with(text):
    """Command lines of running processes that contain it."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in line:
            found.append(line)
    return found


def gone_within(seconds, text):
    deadline = time.monotonic() + seconds
    while (left := processes_with(text)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def version_of(program, *arguments):
    done = subprocess.run(
        [program, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout + done.stderr


@contextmanager
def linking(environment):
    """A build that has come so far that it links, which takes seconds."""
    process = subprocess.Popen(BUILD, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        while "linking" not in (line := process.stderr.readline()):
            assert line, "it ended before it linked"
        time.sleep(0.5)
        yield process
    finally:
        process.kill()
        process.communicate()


def test_ctrl_c_ends_everything_at_once_and_leaves_no_directory(go_caches, tmp_path):
    environment = empty_cache(go_caches, tmp_path)
    components = components_in(environment)
    with linking(environment) as process:
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=3) == 2
    assert gone_within(1, str(components)) == []
    assert list(components.iterdir()) == []


@pytest.fixture(scope="module")
def after_a_killed_build(go_caches, tmp_path_factory):
    """The environment of a build that was killed while it linked, and what that left."""
    environment = empty_cache(go_caches, tmp_path_factory.mktemp("cache"))
    components = components_in(environment)
    with linking(environment) as process:
        process.kill()
        assert process.wait(timeout=3) == -signal.SIGKILL
    # The go command dies with us; a linker that it had started ends by itself.
    assert gone_within(20, str(components)) == []
    (left,) = components.iterdir()
    return environment, left


def test_two_at_once_build_once_and_remove_what_a_killed_build_left(after_a_killed_build):
    environment, left = after_a_killed_build
    running = [
        subprocess.Popen(
            BUILD, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    told = [process.communicate(timeout=LIMIT) for process in running]
    assert [process.returncode for process in running] == [0, 0], told
    assert told[0][0] == told[1][0]
    waited = [index for index, (_, err) in enumerate(told) if "waiting for process" in err]
    built = [index for index, (_, err) in enumerate(told) if "finding what to compile" in err]
    assert len(waited) == len(built) == 1
    assert f"waiting for process {running[built[0]].pid}," in told[waited[0]][1]

    directory, target = Path(told[0][0].strip()), Target.of(DEFAULT_KUBERNETES)
    assert list(components_in(environment).iterdir()) == [directory]
    assert not left.exists()
    pins = target.version.pins()
    assert directory.name == target.key
    assert {path.name for path in directory.iterdir()} == {*BINARIES, "components.json"}
    assert f"v{pins['kubernetes']}\n" in version_of(directory / "kube", "kubelet", "--version")
    assert pins["etcd"] in version_of(directory / "etcd", "--version")
    assert pins["containerd"] in version_of(directory / "containerd", "--version")
    assert pins["coredns"] in version_of(directory / "coredns", "-version")


def test_wheels_in_an_environment_without_go(go_caches, tmp_path):
    """Made here, installed by pip into an empty environment; a cluster starts from them."""
    command = [*SVCPROOF, "components", "wheel", "--output", str(tmp_path)]
    run(*command, environment={**os.environ, **go_caches})
    wheels = sorted(tmp_path.glob("*.whl"))
    assert len(wheels) == 2
    assert all(wheel.stat().st_size < 100e6 for wheel in wheels)

    python = empty_environment(tmp_path / "venv")
    without_go = {
        "PATH": "/usr/bin:/bin",
        "HOME": "/nonexistent",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    wanted = [f"--find-links={tmp_path}", f"svcproof-components=={DEFAULT_KUBERNETES}.*"]
    pip = [str(python), "-m", "pip", "--no-cache-dir", "install", "--quiet", "--no-index"]
    run(*pip, *wanted, environment=without_go)
    # svcproof itself and what it needs are this environment's own.
    (site,) = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    (site / "svcproof.pth").write_text("\n".join(path for path in sys.path if path))
    script = (
        "from svcproof.components import obtain\n"
        f"found = obtain({DEFAULT_KUBERNETES!r}, allow_install=False)\n"
        "print(found.source, found.path('kube'))"
    )
    source, kube = run(str(python), "-c", script, environment=without_go).split()
    assert source == "wheel"
    assert Path(kube) == site / "svcproof_components" / "bin" / "kube"
    assert Target.of(DEFAULT_KUBERNETES).version.patch in version_of(kube, "kubectl", "version")
    assert not (tmp_path / "cache").exists()
    start_a_cluster(python, environment=without_go)


def start_a_cluster(python, *, environment):
    command = [str(python), "-m", "svcproof"]
    name = fresh_name()
    run(*command, "up", "--name", name, "--nodes", "1", "--no-install", environment=environment)
    try:
        shown = run(*command, "kubectl", "--name", name, "get", "nodes", environment=environment)
        assert "node-1   Ready" in shown
    finally:
        run(*command, "down", "--name", name, environment=environment)


def empty_environment(directory):
    base = getattr(sys, "_base_executable", sys.executable)
    subprocess.run([base, "-m", "venv", directory], check=True, timeout=300)
    return directory / "bin" / "python"


def run(*command, environment):
    """To the end; what it prints."""
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=LIMIT, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
