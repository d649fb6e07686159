"""A location that one stray trial cannot move, and how it is told that one did."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.stats.interval import half_width
from harness.stats.location import hodges_lehmann, stray

VALUES = st.lists(st.floats(-1, 1), min_size=1, max_size=12)


@given(VALUES)
def test_hodges_lehmann_is_the_median_of_all_pairwise_averages(values):
    averages = [(a + b) / 2 for a, b in itertools.combinations_with_replacement(values, 2)]
    assert hodges_lehmann(values) == pytest.approx(float(np.median(averages)), abs=1e-12)


@given(VALUES, st.floats(-5, 5))
def test_it_moves_with_the_data_and_changes_sign_with_them(values, shift):
    assert hodges_lehmann([x + shift for x in values]) == pytest.approx(hodges_lehmann(values) + shift, abs=1e-9)
    assert hodges_lehmann([-x for x in values]) == pytest.approx(-hodges_lehmann(values), abs=1e-12)


@pytest.mark.parametrize("n", [6, 10, 20])
@pytest.mark.parametrize("far", [0.1, 10.0, 1e6])
def test_one_stray_trial_is_told_however_far_it_is(n, far):
    values = [1e-4 * at for at in range(n - 1)] + [far]
    assert stray(values)
    assert abs(hodges_lehmann(values)) < 1e-3
    assert abs(np.mean(values) - hodges_lehmann(values)) < half_width(values) / 2


@pytest.mark.parametrize("n", [4, 6, 10, 20])
def test_normal_noise_is_seldom_called_stray(n):
    draws = np.random.default_rng(n).standard_normal((2000, n))
    assert np.mean([stray(row) for row in draws]) < 0.025


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=3))
def test_three_trials_have_no_stray(values):
    assert not stray(values)
