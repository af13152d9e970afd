"""The reference is what the code says."""

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
    reference,
)


def test_the_reference_is_that_of_this_code():
    if FILE.read_text() != reference():
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
