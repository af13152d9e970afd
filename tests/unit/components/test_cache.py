"""One builder at a time, and old builds removed only when nobody needs them."""

import os
import shutil
import subprocess
import sys
import time

import pytest

from svcproof.components.cache import exclusive, mark_used, remove_outdated
from svcproof.components.progress import Silent

HOLD = """
import sys
from svcproof.components.cache import exclusive
from svcproof.components.progress import Silent
with exclusive(Silent()):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_the_second_waits_and_says_for_whom(recording):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "held\n"
    recording.tick = lambda: holder.stdin.write("\n") and holder.stdin.flush()
    with exclusive(recording):
        assert holder.wait(timeout=10) == 0
    holder.stdin.close()
    holder.stdout.close()
    waiting = f"waiting for process {holder.pid}, which builds components"
    assert set(recording.phases) == {waiting}


def test_a_killed_holder_does_not_block(recording):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    holder.stdout.readline()
    holder.kill()
    holder.communicate()
    with exclusive(recording):
        pass
    assert recording.phases == []


def test_nothing_is_left_of_a_holder(cache):
    with exclusive(Silent()):
        assert (cache / "lock.pid").read_text() == f"{os.getpid()}\n"
    assert not (cache / "lock.pid").exists()


class TestOutdated:
    @pytest.fixture
    def root(self, cache):
        return cache / "components"

    @pytest.fixture
    def build_of(self, root, target, fake_components):
        def make(name, *, hours_ago):
            directory = fake_components(root / name, target)
            then = time.time() - hours_ago * 3600
            os.utime(directory / "components.json", (then, then))
            return directory

        return make

    def test_an_old_one_goes_when_the_new_one_is_there(self, build_of, target):
        current = build_of(f"{target.prefix}new", hours_ago=0)
        old = build_of(f"{target.prefix}old", hours_ago=2)
        remove_outdated(current, target.prefix)
        assert current.exists()
        assert not old.exists()

    def test_a_recently_used_one_stays(self, build_of, target):
        current = build_of(f"{target.prefix}new", hours_ago=0)
        old = build_of(f"{target.prefix}old", hours_ago=2)
        mark_used(old)
        remove_outdated(current, target.prefix)
        assert old.exists()

    def test_another_minor_stays(self, build_of, target):
        current = build_of(f"{target.prefix}new", hours_ago=0)
        other = build_of("1.35-linux-amd64-old", hours_ago=2)
        remove_outdated(current, target.prefix)
        assert other.exists()

    def test_one_that_a_program_runs_from_stays(self, build_of, target):
        current = build_of(f"{target.prefix}new", hours_ago=0)
        old = build_of(f"{target.prefix}old", hours_ago=2)
        shutil.copy(shutil.which("sleep"), old / "etcd")
        running = subprocess.Popen([old / "etcd", "60"])
        try:
            remove_outdated(current, target.prefix)
            assert old.exists()
        finally:
            running.kill()
            running.wait()
        remove_outdated(current, target.prefix)
        assert not old.exists()


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path):
    mark_used(tmp_path / "nowhere")
