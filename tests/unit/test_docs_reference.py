"""The reference is what the code says."""

import subprocess
import sys

import pytest

from svcproof.clusters.options import choices
from svcproof.fixtures import plugin
from svcproof.fixtures.options import OPTIONS
from svcproof.history import Outcome
from tests.unit.docs.reference import (
    _ARGUMENTS,
    COMMAND,
    FILE,
    _declared_fixtures,
    outcome_meanings,
)


def test_the_reference_is_that_of_this_code():
    # In a process of its own: click keeps a command's help option as it was first asked for,
    # and other tests ask commands without their group.
    script = (
        "import sys; from tests.unit.docs import reference as r; sys.stdout.write(r.reference())"
    )
    made = subprocess.run(
        [sys.executable, "-c", script],
        cwd=FILE.parents[1],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    if FILE.read_text() != made:
        pytest.fail(f"{FILE.name} is not what the code says; write it anew with: {COMMAND}")


def test_every_fixture_of_the_plugin_is_told():
    declared = {each.name: each.text for each in _declared_fixtures()}
    assert set(plugin.__all__) <= set(declared)
    assert all(declared[name] for name in plugin.__all__)


def test_every_outcome_has_a_meaning():
    assert set(outcome_meanings()) == set(Outcome)


def test_options_with_choices_are_known():
    assert set(_ARGUMENTS) <= set(OPTIONS)
    assert sorted(_ARGUMENTS.values()) == sorted(choices())
