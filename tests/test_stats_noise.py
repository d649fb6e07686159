"""What several copies of a baseline say together about how noisy comparisons of equals are."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.stats import margin, noise
from harness.stats.interval import ratio_interval

M = 0.02
TRIALS = st.lists(st.floats(-0.1, 0.1), min_size=2, max_size=8)


def numbered(logs):
    return dict(enumerate(map(float, logs), start=1))


@given(TRIALS)
def test_one_control_is_itself(logs):
    alone, known = noise.pooled([numbered(logs)]), ratio_interval(logs)
    assert [alone.point, alone.low, alone.high] == pytest.approx([known.point, known.low, known.high], rel=1e-12)
    assert alone.n == len(logs)


def test_more_controls_never_average_the_noise_away():
    """Of two controls off by the same amount to either side, the mean is right and neither is."""
    both = noise.pooled([numbered([0.03, 0.03, 0.03]), numbered([-0.03, -0.03, -0.03])])
    each, between = 0.03, 0.06
    assert margin.floor(both) == pytest.approx(math.expm1(math.sqrt((2 * each**2 + between**2) / 3)))


def test_controls_are_compared_in_the_trials_they_share():
    found = noise.pooled([{1: 0.01, 2: 0.02, 3: 0.03}, {2: 0.02, 3: 0.03}])
    assert found.n == 2
    assert margin.floor(found) < margin.floor(ratio_interval([0.02, 0.03]))
    assert noise.pooled([{1: 0.01, 2: 0.02}, {3: 0.02}]).n == 1


def withheld(controls: int, spread: float, runs: int = 500, n: int = 6) -> float:
    """Share of runs whose floor is above the margin: noise of each copy, half of it the baseline's."""
    draws = np.random.default_rng(7).normal(0.0, spread / math.sqrt(2), (runs, controls + 1, n))
    floors = [margin.floor(noise.pooled([numbered(copy - copies[0]) for copy in copies[1:]])) for copies in draws]
    return float(np.mean([floor > M for floor in floors]))


def test_three_controls_spare_quiet_runs_and_catch_noisy_ones():
    assert withheld(3, 0.01) < withheld(1, 0.01) / 2
    assert withheld(3, 0.02) > withheld(1, 0.02) + 0.1
