"""The error tree is as drawn, and its list of names is true."""

import inspect
import re

import pytest

from svcproof import errors
from svcproof.errors import EXIT_CODES, StartFailed, SvcproofError, WaitExpired

CLASSES = {
    name: item
    for name, item in vars(errors).items()
    if inspect.isclass(item) and issubclass(item, SvcproofError)
}


def test_all_is_true():
    assert set(errors.__all__) == set(CLASSES) | {"EXIT_CODES"}
    assert errors.__all__ == sorted(errors.__all__, key=lambda name: (not name.isupper(), name))


def test_the_drawn_tree_is_the_real_one():
    """Each line's indentation says whose child it is."""
    path: list[tuple[int, str]] = []
    drawn = {}
    for line in errors.__doc__.splitlines():
        match = re.match(r"^([ │├└─]+)([A-Z]\w+)", line)
        if match and match[2] in CLASSES:
            depth = len(match[1])
            path = [(d, name) for d, name in path if d < depth]
            drawn[match[2]] = path[-1][1] if path else "Exception"
            path.append((depth, match[2]))
    assert drawn == {name: item.__bases__[0].__name__ for name, item in CLASSES.items()}


def test_a_remedy_is_part_of_the_text():
    error = SvcproofError("it broke", remedy="mend it")
    assert str(error) == "it broke\n  what to do: mend it"
    assert str(SvcproofError("it broke")) == "it broke"


def test_wait_expired_says_what_how_long_and_the_last_state():
    text = str(WaitExpired("the Pods", limit=2.5, last_state="1 of 3"))
    assert text == "waited 2.5 s for the Pods; last state: 1 of 3"


def test_start_failed_says_which_component_and_shows_its_log():
    error = StartFailed("etcd", "it ended", exit_code=1, log_lines=["a", "b"], remedy="make room")
    assert str(error).splitlines() == [
        "the cluster did not start: etcd (exit code 1): it ended",
        "  last 2 log lines of etcd:",
        "    a",
        "    b",
        "  what to do: make room",
    ]


@pytest.mark.parametrize("code", range(5))
def test_every_exit_code_has_a_word(code):
    assert EXIT_CODES[code]
