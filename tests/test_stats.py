"""Intervals, words, and what a factorial says: checked against simulation, brute force and algebra."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.records import Interval
from harness.stats import factorial, margin
from harness.stats.interval import positive_interval, ratio_interval, t_interval
from harness.stats.layout import full_factorial

M = 0.02
LOGS = st.lists(st.floats(-1, 1), min_size=2, max_size=8)


def ratio(low: float, high: float, n: int = 6) -> Interval:
    return Interval(point=math.sqrt(low * high), low=low, high=high, n=n)


@pytest.mark.parametrize("n", [2, 3, 6, 10])
def test_a_t_interval_covers_the_truth_in_95_of_100_experiments(n):
    experiments = 4000
    draws = np.random.default_rng(n).normal(0.3, 2.0, (experiments, n))
    covered = sum((i := t_interval(row.tolist())).low <= 0.3 <= i.high for row in draws)
    spread = math.sqrt(0.95 * 0.05 / experiments)
    assert abs(covered / experiments - 0.95) < 4 * spread


def test_an_interval_of_one_trial_is_a_bare_point_and_says_so():
    assert t_interval([3.0]) == Interval(point=3.0, low=3.0, high=3.0, n=1)


@given(LOGS)
def test_the_interval_of_the_inverse_ratio_is_the_inverse(logs):
    there, back = ratio_interval(logs), ratio_interval([-log for log in logs])
    assert there.low == pytest.approx(1 / back.high, rel=1e-9)
    assert there.point == pytest.approx(1 / back.point, rel=1e-9)


def test_wild_trials_give_a_finite_interval():
    interval = ratio_interval([-300.0, 300.0])
    assert 0 < interval.low < interval.high < math.inf


def test_times_get_positive_intervals_even_where_the_spread_is_large():
    assert positive_interval([1.0, 3.0]).low > 0
    assert positive_interval([0.0, 1.0]).point == 0.5


@pytest.mark.parametrize(
    ("interval", "word"),
    [
        (ratio(0.5, 0.97), "faster"),
        (ratio(1.03, 2.0), "slower"),
        (ratio(0.99, 1.015), "same"),
        (ratio(0.97, 1.0), "inconclusive"),
        (ratio(0.9, 1.1), "inconclusive"),
        (ratio(1.0, 1.0), "same"),
        (ratio(0.5, 0.985), "inconclusive"),
    ],
)
def test_a_contrast_is_called_by_its_interval_against_the_margin(interval, word):
    assert margin.call(interval, M) == word


@given(st.floats(0.5, 2), st.floats(1, 1.5))
def test_exchanging_the_arms_exchanges_faster_and_slower(low, width):
    there = margin.call(ratio(low, low * width), M)
    back = margin.call(ratio(1 / (low * width), 1 / low), M)
    assert back == {"faster": "slower", "slower": "faster"}.get(there, there)


@given(st.floats(-0.2, 0.2), st.floats(1e-4, 0.3))
def test_n_to_settle_is_the_least_n_whose_interval_would_settle_it(mean, spread):
    n = margin.n_to_settle([mean - spread, mean, mean + spread], M)
    gap = abs(abs(mean) - math.log1p(M))

    def half(count: int) -> float:
        return float(margin.t_quantile(count)) * spread / math.sqrt(count)

    if n is None:
        assert half(margin.MOST_TRIALS) > gap * (1 - 1e-9)
    else:
        assert half(n) <= gap * (1 + 1e-9)
        assert n == 2 or half(n - 1) > gap * (1 - 1e-9)


def test_an_effect_of_the_detectable_size_is_called_in_80_of_100_experiments():
    n, spread, experiments = 6, 0.01, 4000
    pattern = np.array([1, -1, 1, -1, 1, -1]) * spread / np.std([1, -1, 1, -1, 1, -1], ddof=1)
    effect = math.log1p(margin.detectable(pattern.tolist(), M))
    draws = np.random.default_rng(1).normal(effect, spread, (experiments, n))
    called = sum(margin.call(ratio_interval(row.tolist()), M) == "slower" for row in draws)
    assert abs(called / experiments - 0.8) < 4 * math.sqrt(0.8 * 0.2 / experiments)


def test_one_trial_can_neither_detect_nor_be_settled():
    assert margin.detectable([0.1], M) is None
    assert margin.n_to_settle([0.1], M) is None


def test_the_floor_is_the_larger_end_of_the_control():
    assert margin.floor(ratio(0.95, 1.01)) == pytest.approx(1 / 0.95 - 1)
    assert margin.floor(ratio(0.99, 1.04)) == pytest.approx(0.04)


def responses(k: int, n: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, *(2,) * k))


def effect(y: np.ndarray, *factors: int) -> np.ndarray:
    """Main effect of one factor, or interaction of several, of all 2^k cells."""
    term = next(term for term in full_factorial(y.ndim - 1).terms if term.factors == factors)
    return factorial.effect(y.reshape(len(y), -1), term.signs)


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_effects_are_twice_the_coefficients_of_the_coded_regression(k):
    y = responses(k)
    levels = np.array(list(itertools.product((-1, 1), repeat=k)), float)
    pairs = list(itertools.combinations(range(k), 2))
    design = np.column_stack([np.ones(2**k), levels, *(levels[:, i] * levels[:, j] for i, j in pairs)])
    coefficients = np.linalg.lstsq(design, y.reshape(len(y), -1).T, rcond=None)[0]
    for factor in range(k):
        np.testing.assert_allclose(effect(y, factor), 2 * coefficients[1 + factor], atol=1e-12)
    for at, (i, j) in enumerate(pairs):
        np.testing.assert_allclose(effect(y, i, j), 2 * coefficients[1 + k + at], atol=1e-12)


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_shapley_values_are_the_mean_over_all_orders_of_switching_on(k):
    y = responses(k)
    expected = np.zeros((len(y), k))
    orders = list(itertools.permutations(range(k)))
    for order in orders:
        levels = [0] * k
        for factor in order:
            before = y[(slice(None), *levels)]
            levels[factor] = 1
            expected[:, factor] += (y[(slice(None), *levels)] - before) / len(orders)
    np.testing.assert_allclose(factorial.shapley(y), expected, atol=1e-12)


@given(st.integers(1, 4), st.integers(0, 10_000))
def test_shapley_values_add_up_to_the_total(k, seed):
    y = responses(k, seed=seed)
    np.testing.assert_allclose(factorial.shapley(y).sum(axis=1), factorial.total(y), atol=1e-12)


def test_where_changes_are_additive_shapley_equals_the_main_effect_and_nothing_interacts():
    effects = np.log([0.5, 0.8, 1.1])
    y = np.zeros((2, 2, 2, 2))
    for levels in itertools.product((0, 1), repeat=3):
        y[(slice(None), *levels)] = np.dot(levels, effects)
    for factor in range(3):
        np.testing.assert_allclose(effect(y, factor), effects[factor], atol=1e-12)
    np.testing.assert_allclose(factorial.shapley(y), np.tile(effects, (2, 1)), atol=1e-12)
    np.testing.assert_allclose(effect(y, 0, 2), 0, atol=1e-12)


def test_two_changes_that_save_more_together_interact_negatively():
    y = np.log([[[1.0, 0.9], [0.9, 0.5]]])
    assert effect(y, 0, 1)[0] == pytest.approx((math.log(0.5 / 0.9) - math.log(0.9)) / 2)
    assert effect(y, 0, 1)[0] < 0
