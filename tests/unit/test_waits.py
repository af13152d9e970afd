"""Waiting has a name, a limit and the last state."""

import pytest

from svcproof.errors import WaitExpired
from svcproof.waits import wait_for


def test_it_ends_when_nothing_lacks():
    states = iter(["1 of 3", "2 of 3", ""])
    assert wait_for("the Pods", lambda: next(states), limit=5, interval=0.001) < 5
    assert next(states, "none left") == "none left"


def test_it_expires_with_the_last_state():
    states = iter(range(10_000))
    with pytest.raises(
        WaitExpired, match=r"waited 0.02 s for the Pods; last state: \d+ of"
    ) as info:
        wait_for(
            "the Pods",
            lambda: f"{next(states)} of 3",
            limit=0.02,
            interval=0.001,
            remedy="look at them",
        )
    assert info.value.remedy == "look at them"


def test_what_the_look_raises_comes_through():
    with pytest.raises(ZeroDivisionError):
        wait_for("x", lambda: str(1 // 0), limit=1)
