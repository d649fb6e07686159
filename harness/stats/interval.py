"""t intervals over trials.

Input: one number per trial, shape [n]. Equations, for values x_1..x_n with mean m and standard deviation s (n - 1):

    (1)  m -+ t(0.975, n - 1) s / sqrt(n)
    (2)  the same for log x, exponentiated: a ratio and its inverse then have inverse intervals

At one trial there is no interval: low and high equal the point and n is 1. Such an interval looks exact and is not,
so whoever judges must look at n first (`margin.call` withholds, a claim stays untested).
Source: Georges et al. 2007; percentile bootstrap covers 79 to 93 % at these n and is not used.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
from scipy import stats

from harness.records import Interval

CONFIDENCE = 0.95


@cache
def t_quantile(n: int, probability: float = 0.5 + CONFIDENCE / 2) -> float:
    return float(stats.t.ppf(probability, n - 1))


def half_width(values: Sequence[float]) -> float:
    """Equation (1), zero at one trial."""
    n = len(values)
    if n < 2:
        return 0.0
    return t_quantile(n) * float(np.std(values, ddof=1)) / math.sqrt(n)


def t_interval(values: Sequence[float]) -> Interval:
    """Equation (1)."""
    mean = float(np.mean(values))
    half = half_width(values)
    return Interval(point=mean, low=mean - half, high=mean + half, n=len(values))


def ratio_interval(logs: Sequence[float]) -> Interval:
    """Equation (2), from logarithms."""
    return exponentiated(t_interval(logs))


def positive_interval(values: Sequence[float]) -> Interval:
    """Equation (2) from positive values; equation (1) where a value is not positive (a clock may read 0)."""
    if min(values) <= 0:
        return t_interval(values)
    return ratio_interval([math.log(value) for value in values])


def exponentiated(interval: Interval) -> Interval:
    return Interval(point=_exp(interval.point), low=_exp(interval.low), high=_exp(interval.high), n=interval.n)


def logarithm(interval: Interval) -> Interval:
    return Interval(point=math.log(interval.point), low=_log(interval.low), high=math.log(interval.high), n=interval.n)


def _exp(value: float) -> float:
    """Two trials that disagree wildly have t intervals beyond what a float can exponentiate."""
    return math.exp(min(max(value, -700.0), 700.0))


def _log(value: float) -> float:
    return math.log(value)
