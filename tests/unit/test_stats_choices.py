"""Rules behind sequences of choices: every sequence counted where that can be done."""

import itertools
import math
import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svcproof.stats import (
    Algorithm,
    classification_size,
    classify,
    dependence,
    draws_needed,
    redraws_needed,
    rotation,
    same_again_probability,
    same_choice_probability,
)

BACKENDS = (2, 3, 5, 10, 20)
ALPHAS = (1e-2, 1e-6, 1e-8)


def every(backends, draws):
    return itertools.product(range(backends), repeat=draws)


def turns(backends, draws):
    return [number % backends for number in range(draws)]


@pytest.mark.parametrize(("backends", "draws"), [(1, 3), (2, 0), (2, 1), (2, 9), (3, 2), (3, 7)])
def test_the_chance_of_rotation_is_its_share_of_all_sequences(backends, draws):
    strict = sum(rotation(choices, backends).strict for choices in every(backends, draws))
    assert rotation(turns(backends, draws), backends).chance == pytest.approx(
        strict / backends**draws
    )


@given(st.permutations("abcde"), st.integers(0, 40))
def test_rotation_in_any_order(order, draws):
    sequence = list(itertools.islice(itertools.cycle(order), draws))
    assert rotation(sequence, 5).strict


@given(st.permutations("abcde"), st.integers(0, 39))
def test_one_choice_that_is_wrong_is_no_rotation(order, place):
    sequence = list(itertools.islice(itertools.cycle(order), 40))
    sequence[place] = order[(place + 1) % 5]
    assert not rotation(sequence, 5).strict


def test_rotation_that_leaves_one_out_is_none():
    assert not rotation("abababab", 3).strict


@pytest.mark.parametrize(
    ("backends", "draws", "lag"), [(2, 12, 1), (2, 12, 3), (3, 8, 1), (3, 8, 2)]
)
def test_no_p_value_of_dependence_is_too_small(backends, draws, lag):
    """Each sequence counted: p ≤ t has a probability of at most t, for every t there is."""
    p_values = sorted(
        dependence(choices, backends, lag).p_value for choices in every(backends, draws)
    )
    for number, p_value in enumerate(p_values, start=1):
        if number == len(p_values) or p_values[number] > p_value:
            assert number / backends**draws <= p_value * (1 + 1e-9)


def test_repeats_are_counted_at_their_lag():
    found = dependence("aabbaabb", 2, lag=2)
    assert (found.pairs, found.repeats, found.expected) == (6, 0, 3.0)
    assert found.p_value == pytest.approx(2 / 2**6)
    assert dependence("aabbaabb", 2, lag=4).repeats == 4
    assert dependence("ab", 2, lag=5).p_value == 1.0


@pytest.mark.parametrize("alpha", [0.1, 0.2, 0.5])
def test_false_alarms_of_the_classification_counted(alpha):
    """Of all 4096 sequences of 12 draws, at most alpha are called anything but random."""
    called = [classify(choices, 2, alpha).algorithm for choices in every(2, 12)]
    assert Algorithm.UNDECIDED not in called
    assert sum(word is not Algorithm.RANDOM for word in called) <= alpha * 4096


@pytest.mark.parametrize(("backends", "draws"), [(3, 60), (5, 100)])
def test_false_alarms_of_the_classification_simulated(backends, draws):
    draw = random.Random(1)
    words = [
        classify(draw.choices(range(backends), k=draws), backends, 0.05).algorithm
        for _ in range(2000)
    ]
    assert words.count(Algorithm.RANDOM) >= 0.95 * 2000
    assert words.count(Algorithm.RANDOM) < 2000


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("backends", BACKENDS)
def test_from_the_stated_size_on_rotation_and_affinity_are_named(backends, alpha):
    size = classification_size(backends, alpha)
    for draws in (size, size + 1, 2 * size):
        assert classify(turns(backends, draws), backends, alpha).algorithm is Algorithm.ROTATION
        assert classify([7] * draws, backends, alpha).algorithm is Algorithm.STICKY
    for sequence in (turns(backends, size - 1), [7] * (size - 1)):
        assert classify(sequence, backends, alpha).algorithm is Algorithm.UNDECIDED


def test_the_size_of_a_classification():
    assert [classification_size(backends) for backends in (2, 3, 5, 10)] == [31, 52, 95, 206]


@pytest.mark.parametrize("backends", [3, 5, 10])
def test_a_rotation_that_others_move_on_as_well_is_not_random(backends):
    """Now and then another client takes a turn: no order is left, but never the same twice."""
    draw = random.Random(1)
    size = classification_size(backends)
    for _ in range(200):
        sequence, at = [], 0
        for _ in range(size):
            at += draw.choice((1, 2))
            sequence.append(at % backends)
        found = classify(sequence, backends)
        assert found.neighbours.repeats == 0
        assert found.algorithm in (Algorithm.OTHER, Algorithm.ROTATION)


def test_each_twice_in_turn_has_as_many_repeats_as_chance_but_is_not_random():
    found = classify("aabb" * 20, 2)
    assert found.neighbours.p_value > 0.9
    assert found.algorithm is Algorithm.OTHER


def test_two_of_three_in_turn_are_none_of_these():
    assert classify("ab" * 50, 3).algorithm is Algorithm.OTHER


def test_half_of_the_connections_held_on_to_is_not_random():
    draw = random.Random(1)
    sequence = [0]
    for _ in range(300):
        sequence.append(sequence[-1] if draw.random() < 0.5 else draw.randrange(3))
    assert classify(sequence, 3).algorithm is Algorithm.OTHER


@pytest.mark.parametrize("sequence", ["", "a", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"])
def test_among_one_nothing_is_chosen(sequence):
    assert classify(sequence, 1).algorithm is Algorithm.UNDECIDED
    assert classify(sequence, 1).p_value == 1.0


def test_nothing_is_undecided():
    found = classify([], 3)
    assert (found.algorithm, found.p_value, found.draws) == (Algorithm.UNDECIDED, 1.0, 0)


def test_a_million_choices_take_no_second():
    sequence = [f"pod-{number * number % 7}" for number in range(1_000_000)]
    classify(sequence[:10], 10)  # imports
    started = time.process_time()
    classify(sequence, 10)
    assert time.process_time() - started < 1


def test_sequences_and_arguments_that_make_no_sense():
    with pytest.raises(ValueError, match="3 different choices among 2 backends"):
        classify("abc", 2)
    with pytest.raises(ValueError, match="one backend or more, not 0"):
        rotation("", 0)
    with pytest.raises(ValueError, match="lag 0"):
        dependence("ab", 2, lag=0)
    for size in (classification_size, draws_needed, redraws_needed):
        with pytest.raises(ValueError, match="one backend"):
            size(1)


@pytest.mark.parametrize(("backends", "draws"), [(1, 4), (2, 1), (2, 8), (3, 6)])
def test_the_chance_of_the_same_choice_is_its_share_of_all(backends, draws):
    sequences = list(every(backends, draws))
    same = sum(len(set(choices)) == 1 for choices in sequences)
    assert same_choice_probability(backends, draws) == pytest.approx(same / len(sequences))
    again = sum(set(choices) == {0} for choices in sequences)
    assert same_again_probability(backends, draws) == pytest.approx(again / len(sequences))


def test_no_draws_are_all_the_same():
    assert same_choice_probability(3, 0) == 1.0
    assert same_again_probability(3, 0) == 1.0


@given(st.integers(2, 500), st.floats(1e-12, 0.5))
def test_enough_draws_and_one_less_is_not(backends, alpha):
    assert same_choice_probability(backends, draws_needed(backends, alpha)) <= alpha
    assert same_choice_probability(backends, draws_needed(backends, alpha) - 1) > alpha
    assert same_again_probability(backends, redraws_needed(backends, alpha)) <= alpha


def test_how_many_draws():
    assert [draws_needed(backends, 1e-6) for backends in (2, 3, 10)] == [21, 14, 7]
    assert [redraws_needed(backends, 1e-6) for backends in (2, 3, 10)] == [20, 13, 6]
    assert math.isclose(same_choice_probability(3, 14), 3**-13)


def test_the_p_value_of_a_classification_is_that_of_k_plus_one_tests():
    turns = "ab" * 30
    found = classify(turns, 2)
    assert found.p_value == pytest.approx(3 * 2 * 0.5**59, rel=1e-9, abs=0)


def test_a_p_value_of_exactly_alpha_is_not_called_random():
    blocks = "aaab" * 30
    found = classify(blocks, 2)
    assert classify(blocks, 2, alpha=found.p_value).algorithm is Algorithm.OTHER
    assert classify(blocks, 2, alpha=found.p_value / 2).algorithm is Algorithm.RANDOM
