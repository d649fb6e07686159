"""Exponents, fixed costs and their words: against algebra, brute force and simulation."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.records import Interval
from harness.stats import growth
from harness.stats.interval import t_interval

X = (64.0, 128.0, 256.0, 512.0)
UNEVEN = (3.0, 5.0, 40.0, 41.0, 700.0)
EXACT = 1e-9
"""Allowance for sums of at most ten doubles of order 10."""


def between(low: float, high: float, n: int = 6) -> Interval:
    return Interval(point=(low + high) / 2, low=low, high=high, n=n)


@given(st.floats(-2, 3), st.floats(1e-6, 1e6))
def test_the_exponent_of_a_power_is_the_power(power, factor):
    for x in (X, UNEVEN):
        y = factor * np.power([x, x], power)
        assert growth.slopes(x, y) == pytest.approx([power, power], abs=EXACT)
        assert growth.last_slopes(x, y) == pytest.approx([power, power], abs=1e-7)  # 41 / 40: ln is 0.025
        assert growth.power_misfit(x, y[0].tolist()) == pytest.approx(0, abs=EXACT)


def test_the_exponent_is_the_least_squares_one():
    y = np.random.default_rng(1).lognormal(size=(3, len(UNEVEN)))
    fitted = [np.polyfit(np.log(UNEVEN), np.log(row), 1)[0] for row in y]
    assert growth.slopes(UNEVEN, y) == pytest.approx(fitted, abs=EXACT)


def test_the_last_exponent_looks_at_nothing_but_the_last_two():
    y = np.array([[9.0, 1.0, 2.0, 8.0]])
    assert growth.last_slopes(X, y) == pytest.approx([2.0])
    assert growth.last_slopes(X, np.array([[1.0, 7.0, 2.0, 8.0]])) == pytest.approx([2.0])


@given(st.floats(0, 100), st.floats(0.01, 10))
def test_a_fixed_cost_and_a_linear_term_are_told_apart(fixed, each):
    y = [fixed + each * x for x in UNEVEN]
    found = growth.line(UNEVEN, y)
    assert found.fixed == pytest.approx(fixed, abs=1e-7 * max(y))
    assert found.each == pytest.approx(each, rel=1e-6)
    assert found.share(3.0) == pytest.approx(fixed / (fixed + 3 * each), abs=1e-6)
    assert growth.line_misfit(UNEVEN, y) < 1e-9


def test_the_line_minimises_relative_errors_not_absolute_ones():
    y = np.array([2.0, 2.0, 5.0, 9.0])

    def loss(line):
        return sum(((line[0] + line[1] * x) / of - 1) ** 2 for x, of in zip(X, y, strict=True))

    best = growth.line(X, y.tolist())
    for step in itertools.product((-1e-3, 0, 1e-3), (-1e-5, 0, 1e-5)):
        assert loss(best) <= loss((best.fixed + step[0], best.each + step[1])) + 1e-15


def test_misfits_are_the_largest_relative_errors():
    fixed = [400 + x for x in X]
    square = [x * x for x in X]
    fitted = np.polyval(np.polyfit(np.log(X), np.log(fixed), 1), np.log(X))
    assert growth.power_misfit(X, fixed) == pytest.approx(max(abs(np.exp(fitted - np.log(fixed)) - 1)))
    assert growth.power_misfit(X, fixed) > 0.05 > growth.line_misfit(X, fixed)
    line = growth.line(X, square)
    assert growth.line_misfit(X, square) == pytest.approx(
        max(abs((line.fixed + line.each * x) / (x * x) - 1) for x in X)
    )
    assert growth.line_misfit(X, square) > 0.05 > growth.power_misfit(X, square)


def test_what_grows_faster_than_a_line_has_a_fixed_share_below_zero():
    assert growth.line(X, [x * x for x in X]).share(X[0]) < 0


@pytest.mark.parametrize("x", [X, UNEVEN])
def test_the_slack_is_the_worst_that_cells_within_the_floor_can_do(x):
    floor = 0.07
    off = [math.log1p(floor) / 2 * np.array(signs) for signs in itertools.product((-1, 1), repeat=len(x))]
    assert growth.slack(x, floor) == pytest.approx(max(growth.slopes(x, np.exp([one]))[0] for one in off))
    assert growth.last_slack(x, floor) == pytest.approx(max(growth.last_slopes(x, np.exp([one]))[0] for one in off))
    assert growth.slack(x, 0.0) == 0.0


@pytest.mark.parametrize("n", [3, 6])
@pytest.mark.parametrize("last", [False, True])
def test_the_interval_covers_the_planted_exponent_in_95_of_100_experiments(n, last):
    """Each trial runs at a speed of its own, and each cell has noise of its own."""
    experiments, power = 3000, 1.3
    draw = np.random.default_rng([n, last])
    speed = draw.lognormal(0, 0.5, (experiments, n, 1))
    y = speed * np.power(X, power) * draw.lognormal(0, 0.05, (experiments, n, len(X)))
    read = growth.last_slopes if last else growth.slopes
    found = [t_interval(read(X, trials).tolist()) for trials in y]
    covered = sum(one.low <= power <= one.high for one in found) / experiments
    assert abs(covered - 0.95) < 4 * math.sqrt(0.95 * 0.05 / experiments)
    assert np.mean([one.point for one in found]) == pytest.approx(power, abs=0.005)


@pytest.mark.parametrize(
    ("low", "high", "slack", "word"),
    [
        (0.96, 1.04, 0.0, "linear"),
        (0.95, 1.05, 0.0, "linear"),
        (0.96, 1.04, 0.02, "not settled"),
        (0.94, 1.04, 0.0, "not settled"),
        (0.96, 1.06, 0.0, "not settled"),
        (1.06, 1.30, 0.0, "more than linear"),
        (1.06, 1.30, 0.02, "not settled"),
        (1.04, 1.30, 0.0, "not settled"),
        (0.40, 0.94, 0.0, "less than linear"),
        (0.40, 0.94, 0.02, "not settled"),
        (0.01, 0.94, 0.0, "less than linear"),
        (-0.80, -0.20, 0.0, "less than linear"),
        (-0.04, 0.05, 0.0, "constant"),
        (-0.04, 0.04, 0.02, "less than linear"),
    ],
)
def test_the_word_of_an_exponent(low, high, slack, word):
    assert growth.word(between(low, high), slack) == word
