"""A build with a go command of ours: what comes out, and what is left when it fails."""

import stat

import pytest

from svcproof.components import build as building
from svcproof.components.build import build
from svcproof.components.model import Manifest, missing_binaries
from svcproof.components.recipe import Target
from svcproof.errors import ComponentsUnavailable

#: Answers `env`, `list` and `build` as far as a build looks at the answers.
GO = """#!/bin/sh
case $1 in
env) echo go1.26.8 ;;
list)
    for last; do :; done
    case $last in .) program=echo-hostname ;; *) program=components/kube ;; esac
    printf 'fmt\\ttrue\\tbuild ID mismatch\\t\\n'
    printf "svcproof.dev/$program\\ttrue\\tstale\\tfmt \\n" ;;
build)
    echo "$@" >> {log}
    {extra}
    for argument; do case $argument in -o=*) out=${{argument#-o=}} ;; esac; done
    echo fmt >&2
    echo svcproof.dev/components/kube >&2
    case $out in
    */echo-hostname) echo '#!/bin/sh' > $out; chmod +x $out ;;
    *) for name in {programs}; do echo '#!/bin/sh' > $out$name; chmod +x $out$name; done ;;
    esac ;;
esac
"""
PROGRAMS = (
    "kube server containerd containerd-shim-runc-v2 ctr ptp loopback host-local portmap coredns"
)


@pytest.fixture
def go(tmp_path, monkeypatch):
    """Install the fake; returns the file its builds are logged in."""

    def install(extra="", programs=PROGRAMS):
        path = tmp_path / "go"
        path.write_text(GO.format(log=tmp_path / "log", extra=extra, programs=programs))
        path.chmod(0o755)
        monkeypatch.setattr(building, "find_go", lambda *_, **__: path)
        monkeypatch.setattr("svcproof.components.resources.available_memory", lambda: 8 << 30)
        return tmp_path / "log"

    return install


@pytest.fixture
def destination(cache, target):
    return cache / "components" / target.key


def run(target, destination, progress):
    build(target, destination, allow_install=False, progress=progress)


def test_a_directory_with_everything(go, target, destination, recording):
    go()
    run(target, destination, recording)
    assert missing_binaries(destination) == ()
    record = Manifest.read(destination)
    assert (record.key, record.kubernetes, record.go) == (target.key, "1.36.4", "1.26.8")
    assert recording.totals == {"kube": 2, "echo-hostname": 1}
    assert recording.parts == ["kube", "kube"]
    assert [path.name for path in destination.parent.iterdir()] == [target.key]


def test_what_another_key_shares_is_linked(go, target, destination, recording, fake_components):
    other = fake_components(destination.parent / f"{target.prefix}other", target)
    record = Manifest.read(other)
    Manifest(
        "other", "1.36.4", "linux-amd64", "1.26.8", {}, {**record.steps, "echo-hostname": ""}
    ).write(other)
    log = go()
    run(target, destination, recording)
    assert (destination / "kube").samefile(other / "kube")
    assert not (destination / "echo-hostname").samefile(other / "echo-hostname")
    assert len(log.read_text().splitlines()) == 1


def test_a_failure_tells_gos_own_words_and_leaves_nothing(go, target, destination, recording):
    go(
        extra="echo some/package >&2; echo '# k8s.io/api' >&2; "
        "echo 'x.go:1: undefined: y' >&2; exit 1"
    )
    with pytest.raises(ComponentsUnavailable) as failure:
        run(target, destination, recording)
    assert "Kubernetes 1.36.4 could not be built" in failure.value.what
    assert "x.go:1: undefined: y" in failure.value.what
    assert "some/package" not in failure.value.what
    assert list(destination.parent.iterdir()) == []


def test_a_build_that_makes_too_little_is_a_failure(go, target, destination, recording):
    go(programs=PROGRAMS.replace("ptp ", ""))
    with pytest.raises(ComponentsUnavailable, match="made no ptp"):
        run(target, destination, recording)
    assert not destination.exists()


def test_sources_that_change_meanwhile_spoil_it(go, target, destination, recording, monkeypatch):
    go()
    monkeypatch.setattr("svcproof.components.recipe.digest", lambda *_: "changed")
    target = Target(target.version, target.architecture)
    monkeypatch.setitem(vars(target), "key", "as it was")
    with pytest.raises(ComponentsUnavailable, match="changed while they were built"):
        run(target, destination, recording)
    assert list(destination.parent.iterdir()) == []


def test_ctrl_c_leaves_nothing(go, target, destination, recording):
    go(extra="echo fmt >&2; sleep 60")

    def interrupt(_):
        raise KeyboardInterrupt

    recording.compiled = interrupt
    with pytest.raises(KeyboardInterrupt):
        run(target, destination, recording)
    assert list(destination.parent.iterdir()) == []


def test_what_a_killed_builder_left_is_removed(go, target, destination, recording):
    left = destination.parent / ".partial-abc" / "tmp"
    left.mkdir(parents=True)
    go()
    run(target, destination, recording)
    assert [path.name for path in destination.parent.iterdir()] == [target.key]


def test_a_full_disk_is_said_before_anything_is_built(
    go, target, destination, recording, monkeypatch
):
    log = go()
    monkeypatch.setattr("svcproof.components.resources.free_space", lambda _: 100 << 20)
    with pytest.raises(ComponentsUnavailable, match=r"0\.1 GiB free, the components need 1 GiB"):
        run(target, destination, recording)
    assert not log.exists()


def test_too_little_memory_is_said_before_anything_is_built(
    go, target, destination, recording, monkeypatch
):
    log = go()
    monkeypatch.setattr("svcproof.components.resources.available_memory", lambda: 2 << 30)
    with pytest.raises(ComponentsUnavailable, match=r"2\.0 GiB of memory available, .* needs 2\.7"):
        run(target, destination, recording)
    assert not log.exists()


@pytest.mark.parametrize(("gibibytes", "one_at_a_time"), [(8, False), (4, True)])
def test_a_small_machine_compiles_one_package_at_a_time(
    go, target, destination, recording, monkeypatch, gibibytes, one_at_a_time
):
    log = go()
    there = gibibytes << 30
    monkeypatch.setattr("svcproof.components.resources.available_memory", lambda: there)
    run(target, destination, recording)
    assert all((" -p=1 " in line) is one_at_a_time for line in log.read_text().splitlines())


def test_the_programs_can_be_run_by_everybody(go, target, destination, recording):
    go()
    run(target, destination, recording)
    assert stat.S_IMODE(destination.stat().st_mode) & 0o055 == 0o055
