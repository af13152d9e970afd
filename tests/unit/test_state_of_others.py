"""State directories that this version did not write, or not to their end."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from svcproof.cli import cluster, group
from svcproof.clusters.embedded import launch, owner, state, sweep
from svcproof.clusters.embedded.plan import make_plan
from svcproof.clusters.embedded.state import StateDirectory
from svcproof.clusters.embedded.world import World
from svcproof.clusters.options import cluster_options
from svcproof.errors import (
    ClusterNotFound,
    EnvironmentProblem,
    NameInUse,
    OtherVersion,
    SvcproofError,
    WaitExpired,
)


@pytest.fixture
def base(tmp_path, monkeypatch) -> Path:
    """The directory of all clusters, of this test alone; and no Docker."""
    monkeypatch.setattr(state, "BASE", tmp_path / "state")
    monkeypatch.setattr(cluster, "_of_kind", dict)
    monkeypatch.setattr(owner, "_END_LIMIT", 0.05)
    monkeypatch.setattr(sweep, "_cgroup_mounts", lambda: iter(()))
    (tmp_path / "state").mkdir()
    return tmp_path / "state"


def planned(name: str) -> bytes:
    plan = make_plan(
        name=name,
        slot=211,
        kubernetes_version="1.36.4",
        proxy_mode="iptables",
        ip_families="ipv4",
        nodes=2,
        state=Path("/state"),
        components=Path("/nowhere"),
        seeds=Path("/seeds"),
        store_seed="s",
        image_seed="i",
        image="t",
    )
    return msgspec.json.encode(plan)


def newer(name: str) -> bytes:
    """A plan as a later version may write it."""
    found = msgspec.json.decode(planned(name))
    return msgspec.json.encode({"name": name, "slot": 207, "layout": found})


DAMAGED = [
    b"",
    b"\xff\xfe",
    b"\x00" * 10,
    b"[]",
    b"null",
    b'{"name":"x","slot":',
    b'{"a":' * 100_000,
    newer("x"),
    planned("x").replace(b'"iptables"', b'"ebpf"'),
    planned("x").replace(b'"slot":211', b'"slot":"211"'),
]


@contextmanager
def living(path: Path) -> Iterator[StateDirectory]:
    """As long as its keeper lives, it is locked."""
    path.mkdir()
    lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        yield StateDirectory(path)
    finally:
        os.close(lock)


def invoked(*arguments: str):
    done = CliRunner().invoke(group, arguments)
    assert done.exception is None or isinstance(done.exception, SvcproofError), done.exception
    return done


class TestOneThatRuns:
    @pytest.mark.parametrize("plan", DAMAGED)
    def test_of_another_version(self, base, plan):
        with living(base / "x") as directory:
            directory.plan_file.write_bytes(plan)
            shown = invoked("status")
            assert shown.output.splitlines()[1].split(maxsplit=6) == [
                "x", "?", "?", "?", "?", "?", "of another version of svcproof",
            ]  # fmt: skip
            for command in (["kubectl", "get", "nodes"], ["shell", "node-1"]):
                refused = invoked(command[0], "--name", "x", *command[1:]).exception
                assert isinstance(refused, OtherVersion)
                assert str(directory.plan_file) in refused.what
                assert "svcproof down --name x" in refused.remedy
            assert isinstance(invoked("down", "--name", "x").exception, WaitExpired)
            with pytest.raises(NameInUse, match="'x' is running already"):
                started("x")
            assert directory.plan_file.read_bytes() == plan

    def test_its_addresses_are_not_used_if_it_says_which(self, base):
        with living(base / "x") as directory:
            directory.plan_file.write_bytes(newer("x"))
            assert [other.slot for other in state.running()] == [207]

    @pytest.mark.parametrize(
        ("file", "content", "attribute"),
        [
            ("supervisor", b"", "supervisor"),
            ("supervisor", b"12 34", "supervisor"),
            ("processes.json", b'{"components":{}}', "processes"),
            ("processes.json", b'{"node_inits":{"node-1":"7"},"components":{}}', "processes"),
            ("timeline.json", b"[1]", "timeline"),
            ("timeline.json", None, "timeline"),
        ],
    )
    def test_a_file_that_is_not_as_here_is_named(self, base, file, content, attribute):
        with living(base / "x") as directory:
            directory.plan_file.write_bytes(planned("x"))
            if content is not None:
                (directory.path / file).write_bytes(content)
            with pytest.raises(OtherVersion, match=f"{directory.path}/{file}: "):
                getattr(directory, attribute)()

    def test_one_unreadable_file_does_not_hide_the_others(self, base):
        with living(base / "x") as one, living(base / "y") as other:
            for each in (one, other):
                each.plan_file.write_bytes(planned(each.name))
                each.timeline_file.write_bytes(b"{}")
                each.supervisor_file.write_text("1")
                each.processes_file.write_bytes(b'{"node_inits":{},"components":{}}')
            one.processes_file.write_bytes(b"{}")
            _, first, second = invoked("status").output.splitlines()
            assert first.endswith("of another version of svcproof")
            assert second.rstrip().endswith("all components run")

    def test_one_that_still_starts_says_so(self, base):
        with living(base / "x") as directory:
            directory.plan_file.write_bytes(planned("x"))
            assert "starting" in invoked("status").output
            with pytest.raises(OtherVersion, match="cluster x still starts, or"):
                World(directory)

    def test_one_that_has_just_ended_is_not_of_another_version(self, base):
        with pytest.raises(ClusterNotFound, match="cluster x has just ended"):
            StateDirectory(base / "x").plan()

    def test_kubectl_that_is_gone_is_named(self, base):
        with living(base / "x") as directory:
            directory.plan_file.write_bytes(planned("x"))
            refused = invoked("kubectl", "--name", "x", "get", "nodes").exception
            assert isinstance(refused, EnvironmentProblem)
            assert "/nowhere/kube: No such file or directory" in refused.what


def started(name: str) -> None:
    options = cluster_options(kind="embedded")
    launch.launch(options, name=name, components=None, report=print)  # type: ignore[arg-type]


def stored(path: Path, files: dict[str, bytes]) -> Path:
    path.mkdir()
    for name, content in files.items():
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).write_bytes(content)
    return path


class TestWhatIsLeft:
    @pytest.mark.parametrize(
        "files",
        [
            {},
            {"plan.json": b""},
            {"plan.json": planned("x")[:90]},
            {"plan.json": planned("x"), "logs/keeper.log": b"x", "kubeconfig": b"y"},
            {"plan.json": newer("x"), "anything": b"else"},
        ],
    )
    def test_a_cluster_that_was_killed_is_swept(self, base, files):
        stored(base / "x", files)
        assert "no cluster is running" in invoked("status").output
        assert not (base / "x").exists()

    def test_one_that_was_killed_at_once(self, base):
        (base / "x" / "logs").mkdir(parents=True)
        invoked("status")
        assert not (base / "x").exists()

    @pytest.mark.parametrize("command", [["status"], ["down", "--all"], ["down", "--name", "x"]])
    @pytest.mark.parametrize(
        "files",
        [
            {"cache.db": b"x"},
            {"logs/today.log": b"x"},
            {"plan.json": b'{"resource_changes":[]}', "state": b"x"},
            {"plan.json": planned("y"), "logs/a": b"x"},
            {"plan.json": b"\xff", "kubeconfig": b"x"},
        ],
    )
    def test_what_is_no_cluster_is_left_alone(self, base, files, command):
        stored(base / "x", files)
        done = invoked(*command)
        assert {str(path.relative_to(base / "x")) for path in (base / "x").rglob("*.*")} >= {
            name for name in files if "." in name
        }
        if command == ["status"]:
            assert f"{base}/x: not a cluster's, and left alone" in done.stderr
        with pytest.raises(NameInUse, match=f"{base}/x is there already, and not a cluster's"):
            started("x")

    def test_a_file_in_the_place_of_a_cluster(self, base):
        (base / "x").write_text("note")
        assert "no cluster is running" in invoked("status").output
        with pytest.raises(NameInUse, match="is there already"):
            started("x")

    def test_a_file_in_the_place_of_all(self, base):
        base.rmdir()
        base.write_text("note")
        refused = invoked("status").exception
        assert isinstance(refused, EnvironmentProblem)
        assert refused.what == f"{base}, where the state of clusters is: File exists"
