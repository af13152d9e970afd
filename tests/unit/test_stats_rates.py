"""Bounds of rates: each number of failures counted."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svcproof.stats import CELL_ALPHA, CHECK_ALPHA, budget, loss_bound, loss_proven
from svcproof.stats.binomial import at_least, at_most


def test_none_of_three_thousand():
    assert loss_bound(0, 3000) == pytest.approx(1 - 0.01 ** (1 / 3000))
    assert 0.00153 < loss_bound(0, 3000) < 0.00154
    assert loss_proven(0, 3000) == 0.0


def test_all_failed():
    assert loss_bound(7, 7) == 1.0
    assert loss_proven(7, 7) == pytest.approx(0.01 ** (1 / 7))


def test_no_attempts_say_nothing():
    assert (loss_proven(0, 0), loss_bound(0, 0)) == (0.0, 1.0)


@given(st.integers(1, 4000), st.data())
def test_the_bounds_are_where_the_tail_is_what_confidence_leaves(total, data):
    failed = data.draw(st.integers(0, total))
    low, high = loss_proven(failed, total), loss_bound(failed, total)
    assert 0 <= low <= failed / total <= high <= 1
    if failed < total:
        assert at_most(failed, total, high) == pytest.approx(0.01)
    if failed:
        assert at_least(failed, total, low) == pytest.approx(0.01)


@pytest.mark.parametrize("total", [1, 10, 66])
def test_bounds_hold_as_often_as_said(total):
    """For true rates from 0 to 1: each bound is on the wrong side with at most 1 %."""
    bounds = [
        (loss_proven(failed, total), loss_bound(failed, total)) for failed in range(total + 1)
    ]
    for percent in range(101):
        rate = percent / 100
        odds = [
            math.comb(total, failed) * rate**failed * (1 - rate) ** (total - failed)
            for failed in range(total + 1)
        ]
        pairs = list(zip(odds, bounds, strict=True))
        assert sum(chance for chance, (_, high) in pairs if high < rate) <= 0.01 + 1e-12
        assert sum(chance for chance, (low, _) in pairs if low > rate) <= 0.01 + 1e-12


@pytest.mark.parametrize(
    ("failed", "total", "confidence", "message"),
    [
        (4, 3, 0.99, "4 of 3 cannot have failed"),
        (-1, 3, 0.99, "-1 of 3"),
        (1, 3, 1.0, "between 0 and 1, not 1.0"),
    ],
)
def test_arguments_that_make_no_sense(failed, total, confidence, message):
    for bound in (loss_bound, loss_proven):
        with pytest.raises(ValueError, match=message):
            bound(failed, total, confidence)


def test_the_budget_is_a_sum():
    assert budget(0, CHECK_ALPHA) == 0.0
    assert budget(100, CELL_ALPHA) == pytest.approx(CHECK_ALPHA)
    assert budget(3, 0.5) == 1.0
