"""Snapshots that are shared: each began after it was asked for, and few are taken."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from svcproof.clusters import looks
from svcproof.clusters.looks import SharedLooks
from svcproof.errors import ApiRefused
from svcproof.snapshot import Snapshot


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(looks, "_SPACE_SECONDS", 0.0)


class Camera:
    """Takes looks, each of which waits until it is let go."""

    def __init__(self) -> None:
        self.taken = 0
        self.begun = threading.Semaphore(0)
        self.let_go = threading.Semaphore(0)
        self.fails: set[int] = set()

    def look(self, namespace: str) -> Snapshot:
        self.taken += 1
        number = self.taken
        self.begun.release()
        assert self.let_go.acquire(timeout=10)
        if number in self.fails:
            raise ApiRefused(500, f"look {number} of {namespace}")
        return Snapshot((), (), (), (), absent=frozenset({f"look {number}"}))


def number_of(snapshot: Snapshot) -> str:
    (name,) = snapshot.absent
    return name


def test_who_asks_while_one_is_taken_shares_the_next():
    camera = Camera()
    shared = SharedLooks(camera.look)
    with ThreadPoolExecutor(20) as pool:
        first = pool.submit(shared.snapshot, "ns")
        assert camera.begun.acquire(timeout=10)
        others = [pool.submit(shared.snapshot, "ns") for _ in range(15)]
        camera.let_go.release()
        assert number_of(first.result(10)) == "look 1"
        for _ in range(15):
            camera.let_go.release()
        # Nobody gets the look that had begun before they asked.
        assert "look 1" not in {number_of(each.result(10)) for each in others}
    assert camera.taken < 16


def test_a_look_that_fails_fails_for_who_took_it_alone():
    camera = Camera()
    camera.fails = {2}
    shared = SharedLooks(camera.look)
    for _ in range(20):
        camera.let_go.release()
    assert number_of(shared.snapshot("ns")) == "look 1"
    with pytest.raises(ApiRefused, match="look 2 of ns"):
        shared.snapshot("ns")
    assert number_of(shared.snapshot("ns")) == "look 3"


def test_namespaces_do_not_wait_for_each_other():
    camera = Camera()
    shared = SharedLooks(camera.look)
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(shared.snapshot, name) for name in ("a", "b")]
        assert camera.begun.acquire(timeout=10)
        assert camera.begun.acquire(timeout=10)
        camera.let_go.release(2)
        assert {number_of(each.result(10)) for each in both} == {"look 1", "look 2"}
