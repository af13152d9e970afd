"""The test of shares: its false alarms and power, exactly wherever that can be done."""

import itertools
import math
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import chdtrc, gammaln, xlog1py, xlogy

from svcproof.stats import (
    goodness_of_fit,
    skew_sample_size,
    smallest_skew,
    visible_shares,
)
from svcproof.stats.binomial import at_least, at_most, ordinary, two_sided

ALPHAS = (1e-2, 1e-3, 1e-4, 1e-6, 1e-8)
COUNTS = st.lists(st.integers(0, 400), min_size=1, max_size=12)


def compositions(total, parts):
    """Every way to distribute the total."""
    if parts == 1:
        yield (total,)
        return
    for first in range(total + 1):
        for rest in compositions(total - first, parts - 1):
            yield (first, *rest)


def multinomial(counts, shares):
    ways = math.factorial(sum(counts)) // math.prod(map(math.factorial, counts))
    return ways * math.prod(share**count for count, share in zip(counts, shares, strict=True))


def binomial(trials, share):
    counts = np.arange(trials + 1)
    ways = gammaln(trials + 1) - gammaln(counts + 1) - gammaln(trials - counts + 1)
    return np.exp(ways + xlogy(counts, share) + xlog1py(trials - counts, -share))


def alarm_rate(connections, shares, alpha):
    """P(goodness_of_fit against equal shares gives p ≤ alpha), when draws have these shares.

    The backends are dealt with one after the other, each with its binomial share of what
    is left, and only counts that raise no alarm go on.
    """
    backends = len(shares)
    accepted = ordinary(connections, 1 / backends, alpha / (2 if backends == 2 else 2 * backends))
    left = {connections: 1.0}
    rest = 1.0
    for share in shares[:-1]:
        following = np.zeros(connections + 1)
        for remaining, chance in left.items():
            odds = binomial(remaining, min(1.0, share / rest))
            for count in range(accepted.start, min(accepted.stop, remaining + 1)):
                following[remaining - count] += chance * odds[count]
        left = {number: chance for number, chance in enumerate(following) if chance}
        rest -= share
    return 1 - sum(chance for number, chance in left.items() if number in accepted)


def skewed(share, backends):
    return [share, *[(1 - share) / (backends - 1)] * (backends - 1)]


@given(st.integers(1, 40), st.data())
def test_tails_are_exact(trials, data):
    count = data.draw(st.integers(-1, trials + 1))
    share = Fraction(data.draw(st.integers(0, 20)), 20)
    exact = [
        math.comb(trials, number) * share**number * (1 - share) ** (trials - number)
        for number in range(trials + 1)
    ]
    assert at_least(count, trials, float(share)) == pytest.approx(
        float(sum(exact[max(0, count) :])), rel=1e-9, abs=0
    )
    assert at_most(count, trials, float(share)) == pytest.approx(
        float(sum(exact[: count + 1])), rel=1e-9, abs=0
    )


def test_two_sided_is_never_above_one():
    assert two_sided(5, 10, 0.5) == 1.0
    assert two_sided(0, 10, 0.5) == pytest.approx(2 * 0.5**10)


@given(COUNTS)
def test_a_p_value_is_one_and_does_not_depend_on_the_order(counts):
    fit = goodness_of_fit(counts)
    assert 0 <= fit.p_value <= 1
    assert fit.count == counts[fit.backend]
    assert goodness_of_fit(counts[::-1]).p_value == fit.p_value


@given(COUNTS, st.sampled_from(ALPHAS))
def test_alarms_are_the_counts_outside_the_ordinary(counts, alpha):
    tails = 2 if len(counts) <= 2 else 2 * len(counts)
    accepted = ordinary(sum(counts), 1 / len(counts), alpha / tails)
    alarm = goodness_of_fit(counts).p_value <= alpha
    assert alarm == any(count not in accepted for count in counts)


@pytest.mark.parametrize(
    ("connections", "shares"),
    [
        *((n, (Fraction(1, 2),) * 2) for n in (1, 5, 30, 60)),
        *((n, (Fraction(1, 3),) * 3) for n in (1, 4, 12, 25)),
        (12, (Fraction(1, 4),) * 4),
        (20, (Fraction(1, 2), Fraction(3, 10), Fraction(1, 5))),
        (20, (Fraction(9, 10), Fraction(1, 10), Fraction(0))),
    ],
)
def test_no_p_value_is_too_small(connections, shares):
    """Each outcome counted: p ≤ t has a probability of at most t, for every t there is."""
    outcomes = sorted(
        (goodness_of_fit(counts, [float(share) for share in shares]).p_value, counts)
        for counts in compositions(connections, len(shares))
    )
    reached = Fraction(0)
    for p_value, equal in itertools.groupby(outcomes, key=lambda outcome: outcome[0]):
        reached += sum(multinomial(counts, shares) for _, counts in equal)
        assert float(reached) <= p_value * (1 + 1e-9)


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize(
    ("connections", "backends"),
    [(66, 2), (300, 2), (66, 3), (300, 3), (90, 5), (66, 10), (197, 10)],
)
def test_false_alarms_are_as_rare_as_said(connections, backends, alpha):
    rate = alarm_rate(connections, [1 / backends] * backends, alpha)
    assert rate <= alpha * (1 + 1e-6) + 1e-13  # what is left is rounding: the rate is 1 - the rest
    assert rate >= alpha / 20  # and the test is not blind instead


def pearson_alarm_rate(connections, backends, alpha):
    """The same for Pearson's chi-square, k/n · Σc² - n, by way of the sum of squares."""
    top = math.ceil((backends * 20 + connections) * connections / backends)
    squares = np.arange(top + 1)
    statistic = np.maximum(squares * backends / connections - connections, 0)
    accepted = chdtrc(backends - 1, statistic) > alpha
    assert not accepted[-1]
    chances = np.zeros((connections + 1, top + 1))
    chances[connections, 0] = 1
    for others in range(backends - 1, 0, -1):
        following = np.zeros_like(chances)
        for left in range(connections + 1):
            odds = binomial(left, 1 / (others + 1))
            for count in range(left + 1):
                square = count * count
                if square <= top:
                    following[left - count, square:] += (
                        odds[count] * chances[left, : top + 1 - square]
                    )
        chances = following
    return 1 - sum(
        chances[left, : top + 1 - left * left][accepted[left * left :]].sum()
        for left in range(connections + 1)
        if left * left <= top
    )


def test_pearsons_chi_square_would_break_its_rate():
    """The reason not to use it, although each backend is due more than six connections."""
    assert pearson_alarm_rate(66, 10, 1e-6) == pytest.approx(3.60e-6, rel=0.01)
    assert pearson_alarm_rate(66, 10, 1e-8) == pytest.approx(12.3e-8, rel=0.01)
    assert pearson_alarm_rate(90, 5, 1e-6) == pytest.approx(1.64e-6, rel=0.01)


@pytest.mark.parametrize("alpha", [1e-2, 1e-6, 1e-8])
@pytest.mark.parametrize(
    ("connections", "backends"), [(66, 2), (300, 2), (120, 3), (300, 3), (200, 5), (250, 10)]
)
def test_the_shares_called_visible_are_seen(connections, backends, alpha):
    visible = visible_shares(connections, backends, alpha, 0.99)
    for share in (visible.low, visible.high):
        assert alarm_rate(connections, skewed(share, backends), alpha) >= 0.99 - 1e-9


def test_simulation_finds_the_rates_that_were_computed():
    """Four thousand runs each: false alarms, and a backend that gets too little or too much."""
    draw = np.random.default_rng(1)
    visible = visible_shares(300, 3, 1e-2, 0.9)
    for share in (1 / 3, visible.low, visible.high):
        shares = skewed(share, 3)
        runs = draw.multinomial(300, shares, 4000).tolist()
        alarms = sum(goodness_of_fit(counts).p_value <= 1e-2 for counts in runs)
        rate = alarm_rate(300, shares, 1e-2)
        assert abs(alarms - 4000 * rate) <= 4 * math.sqrt(4000 * rate * (1 - rate))


@given(st.integers(2, 20), st.integers(1, 5000), st.sampled_from(ALPHAS))
def test_visible_shares_enclose_the_fair_one(backends, connections, alpha):
    visible = visible_shares(connections, backends, alpha)
    assert visible.low is None or 0 < visible.low < 1 / backends
    assert visible.high is None or 1 / backends < visible.high < 1
    if visible.low is not None and visible.high is not None:
        assert 1 / backends - visible.low <= visible.high - 1 / backends + 1e-9


@given(st.integers(2, 12), st.data())
def test_the_size_is_enough_and_one_less_is_not(backends, data):
    skew = data.draw(st.floats(0.05, min(2, backends - 1)))
    size = skew_sample_size(skew, backends)
    assert smallest_skew(size, backends) <= skew * (1 + 1e-12)
    assert smallest_skew(size - 1, backends) > skew


@pytest.mark.parametrize("skew", [-0.1, -0.5, -1])
def test_the_size_for_a_backend_that_gets_too_few(skew):
    size = skew_sample_size(skew, 5)
    assert visible_shares(size, 5).low >= (1 + skew) / 5
    below = visible_shares(size - 1, 5).low
    assert below is None or below < (1 + skew) / 5


def test_too_few_connections_show_no_skew():
    assert smallest_skew(0, 3) == math.inf
    assert smallest_skew(5, 3) == math.inf
    assert visible_shares(66, 10).low is None


def test_one_backend_has_its_share_always():
    assert goodness_of_fit([66]).p_value == 1.0
    assert visible_shares(66, 1).high is None
    assert smallest_skew(66, 1) == math.inf


def test_of_two_backends_two_tails_are_counted_and_of_three_six():
    assert goodness_of_fit([0, 10]).p_value == pytest.approx(2 * 0.5**10)
    assert goodness_of_fit([0, 10, 10]).p_value == pytest.approx(6 * (2 / 3) ** 20)


def test_no_connections_are_no_evidence():
    assert goodness_of_fit([0, 0, 0]).p_value == 1.0


def test_a_backend_without_connections():
    fit = goodness_of_fit([40, 0, 40])
    assert (fit.backend, fit.count, fit.expected) == (1, 0, pytest.approx(80 / 3))
    assert fit.p_value == pytest.approx(6 * (2 / 3) ** 80, rel=1e-9, abs=0)


def test_a_connection_where_none_is_due_is_impossible():
    assert goodness_of_fit([1, 99], [0, 1]).p_value == 0.0
    assert goodness_of_fit([0, 99], [0, 1]).p_value == 1.0


@pytest.mark.parametrize(
    ("counts", "weights", "message"),
    [
        ([], None, "one backend or more"),
        ([3, -1], None, r"not \[3, -1\]"),
        ([1, 2], [1.0], "1 weights for 2 counts"),
        ([1, 2], [0.5, 0.6], r"sum up to 1, not \[0.5, 0.6\]"),
        ([1, 2], [1.5, -0.5], "sum up to 1"),
    ],
)
def test_counts_and_weights_that_make_no_sense(counts, weights, message):
    with pytest.raises(ValueError, match=message):
        goodness_of_fit(counts, weights)


@pytest.mark.parametrize("skew", [0, -1.1, 2.5])
def test_a_skew_that_cannot_be(skew):
    with pytest.raises(ValueError, match="cannot have a skew"):
        skew_sample_size(skew, 3)


def test_arguments_out_of_range():
    with pytest.raises(ValueError, match="cannot have a skew"):
        skew_sample_size(0.5, 1)
    with pytest.raises(ValueError, match="one of 1 backends cannot"):
        skew_sample_size(-0.5, 1)
    with pytest.raises(ValueError, match="one backend or more, not 0"):
        visible_shares(66, 0)
    with pytest.raises(ValueError, match="between 0 and 1"):
        visible_shares(66, 3, alpha=0)
    with pytest.raises(ValueError, match="between 0 and 1"):
        visible_shares(66, 3, power=1)


def test_the_heavy_libraries_are_imported_when_something_is_computed():
    """The pytest plugin imports this module, and must load at once."""
    script = "import sys, svcproof.stats; print({'numpy', 'scipy'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"
