"""Sample sizes against the figures they must give, and against simulation."""

import random

import pytest

from svcproof.stats import (
    CELL_ALPHA,
    coverage_miss_rate,
    coverage_size,
    failure_size,
    loss_size,
    sample_size,
)


@pytest.mark.parametrize(("backends", "size"), [(1, 1), (2, 21), (3, 37), (10, 153)])
def test_coverage_size(backends, size):
    assert coverage_size(backends, 1e-6) == size


@pytest.mark.parametrize("backends", range(2, 30))
def test_the_size_is_enough_and_one_less_is_not(backends):
    size = coverage_size(backends)
    assert coverage_miss_rate(backends, size) <= CELL_ALPHA
    assert coverage_miss_rate(backends, size - 1) > CELL_ALPHA


def test_no_connections_miss_for_sure():
    assert coverage_miss_rate(1, 0) == 1.0
    assert coverage_miss_rate(3, 0) == 1.0
    assert coverage_miss_rate(1, 1) == 0.0


def test_false_alarms_are_as_rare_as_said():
    """With α = 5 %, 20,000 simulated runs: the union bound holds and is not far off."""
    draw = random.Random(1)
    size = coverage_size(3, 0.05)
    missed = sum(len({draw.randrange(3) for _ in range(size)}) < 3 for _ in range(20_000))
    assert 0.02 < missed / 20_000 <= 0.05


def test_loss_size():
    assert loss_size(0.1, 0.999) == 66
    assert (1 - 0.1) ** loss_size(0.1, 0.999) <= 1e-3


def test_a_single_backend_still_takes_a_sample():
    assert sample_size(1) == loss_size()
    assert sample_size(20) == coverage_size(20)


def test_where_every_connection_must_fail_few_will_do():
    assert failure_size() == 10
    assert 0.5 ** failure_size() <= 1e-3
