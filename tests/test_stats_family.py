"""Margin tests and their correction for many: how rarely chance is called a change, and how surely a change is."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness.stats import margin
from harness.stats.family import adjusted, next_level
from harness.stats.interval import ratio_interval, t_interval

M = 0.02
P = st.lists(st.floats(0, 1), min_size=1, max_size=30)
LOGS = st.lists(st.floats(-0.3, 0.3).map(lambda x: round(x, 6)), min_size=2, max_size=8)
ALARMS = ("faster", "slower")


@given(P)
def test_adjusted_p_values_are_those_of_benjamini_and_hochberg(p):
    np.testing.assert_allclose(adjusted(p), stats.false_discovery_control(p), rtol=1e-12, atol=1e-300)


def test_a_contrast_by_itself_needs_no_correction_and_none_at_all_needs_no_level():
    assert adjusted([0.03]) == [0.03]
    assert adjusted([]) == []
    assert next_level([]) == next_level(adjusted([0.2])) == margin.ALPHA


@given(P)
def test_the_next_level_is_what_one_more_discovery_must_reach(p):
    found = adjusted(p)
    rest = [at for at, one in enumerate(found) if one > margin.ALPHA]
    level = next_level(found)
    for at in rest[:1]:
        better, worse = list(p), list(p)
        better[at], worse[at] = level * (1 - 1e-9), level * (1 + 1e-6)
        assert adjusted(better)[at] <= margin.ALPHA
        others = sorted(p[other] for other in rest if other != at)
        if all(one > margin.ALPHA for one in others):
            assert adjusted(worse)[at] > margin.ALPHA


@given(LOGS)
def test_an_interval_lies_beyond_the_margin_exactly_where_p_is_under_one_in_twenty(logs):
    p = margin.p_value(logs, M)
    beyond = margin.called(logs, M) in ALARMS
    assert beyond == (p < margin.ALPHA) or p == pytest.approx(margin.ALPHA, rel=1e-6)


@given(LOGS)
def test_exchanging_the_arms_exchanges_the_two_sides_and_keeps_p(logs):
    back = [-log for log in logs]
    assert margin.p_value(back, M) == pytest.approx(margin.p_value(logs, M), rel=1e-9)
    assert margin.p_slower(back, M) == pytest.approx(margin.p_faster(logs, M), rel=1e-9)


def test_p_is_students_tail_beyond_the_margin():
    logs = [0.031, 0.027, 0.036, 0.029]
    shifted = [log - math.log1p(M) for log in logs]
    assert margin.p_slower(logs, M) == pytest.approx(stats.ttest_1samp(shifted, 0, alternative="greater").pvalue)


@pytest.mark.parametrize(("log", "p", "word"), [(0.5, 0.0, "slower"), (-0.5, 0.0, "faster"), (0.01, 1.0, "same")])
def test_trials_without_spread_are_certain(log, p, word):
    assert (margin.p_value([log] * 3, M), margin.called([log] * 3, M)) == (p, word)


def test_one_trial_has_no_p_and_decides_nothing():
    assert margin.p_value([0.5], M) is None
    assert margin.called([0.5], M) == "inconclusive"


@given(st.floats(0.03, 0.2), st.floats(1e-3, 0.1), st.floats(1e-4, 0.05))
def test_what_would_be_called_alone_settles_where_its_p_reaches_the_level_of_the_family(mean, spread, level):
    needed = margin.n_to_settle([mean - spread, mean, mean + spread], M, level)
    if needed is None:
        return

    def p(n: int) -> float:
        return 2 * float(stats.t.sf((mean - math.log1p(M)) / (spread / math.sqrt(n)), n - 1))

    assert p(needed) <= level * (1 + 1e-6)
    assert needed == 2 or p(needed - 1) > level * (1 - 1e-6)


@pytest.mark.parametrize(("n", "size"), [(2, 5), (6, 60), (10, 300)])
def test_a_lone_change_of_the_detectable_size_is_found_in_80_of_100_families(n, size):
    experiments, spread = 2000, 0.01
    effect = math.log1p(margin.detectable_at(spread, n, M, size))
    draws = np.random.default_rng(n).normal(effect, spread, (experiments, n))
    found = sum(margin.p_value(row.tolist(), M) * size <= margin.ALPHA for row in draws)
    assert abs(found / experiments - margin.POWER) < 4 * math.sqrt(0.8 * 0.2 / experiments)


def test_an_interval_tells_the_same_detectable_change_as_its_trials():
    logs = [0.01, 0.03, -0.02, 0.004]
    from_interval = margin.detectable_of(ratio_interval(logs), M, 7)
    assert from_interval == pytest.approx(margin.detectable(logs, M, 7), rel=1e-9)
    assert margin.detectable(logs, M, 7) > margin.detectable(logs, M)


def suites(kind: str, n: int, suites: int, truth: float, *, contrasts: int = 60, spread: float = 0.01):
    """Log ratios [suite, contrast, trial] of equals: noise of their own, and a baseline's that all of them share."""
    generator = np.random.default_rng([n, len(kind)])
    draw = (
        generator.standard_normal if kind == "normal" else lambda shape: generator.standard_t(3, shape) / math.sqrt(3)
    )
    own, shared = draw((suites, contrasts, n)), draw((suites, 1, n))
    return truth + spread * (own - shared) / math.sqrt(2)


@pytest.mark.parametrize("kind", ["normal", "heavy"])
@pytest.mark.parametrize(("n", "truth"), [(6, 0.0), (6, math.log1p(M)), (10, math.log1p(M))])
def test_at_most_one_in_twenty_suites_of_sixty_nulls_has_any_alarm(kind, n, truth):
    """Nulls that lie at the margin are the worst there are; one by one, a third of their suites would give an alarm."""
    rows = suites(kind, n, 200, truth)
    alarmed = alone = 0
    for suite in rows:
        p = [margin.p_value(logs, M) for logs in suite.tolist()]
        alarmed += any(one <= margin.ALPHA for one in adjusted(p))
        alone += any(one <= margin.ALPHA for one in p)
    assert alarmed / len(rows) <= 0.05
    assert alone / len(rows) > 0.2 if truth else alone == 0


def test_a_planted_change_is_found_among_fifty_nine_nulls():
    """+5 % at n = 10 and +10 % at n = 6, margin 2 %, 1 % of noise between trials."""
    for n, planted, share in ((10, 0.05, 0.8), (6, 0.10, 0.95)):
        rows = suites("normal", n, 100, 0.0)
        rows[:, 0] += math.log1p(planted)
        found = [adjusted([margin.p_value(logs, M) for logs in suite.tolist()])[0] <= margin.ALPHA for suite in rows]
        assert np.mean(found) >= share
        assert all(t_interval(logs[0]).low > math.log1p(M) for logs, one in zip(rows, found, strict=True) if one)
