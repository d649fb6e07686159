"""Two samples of unequal spread: how far apart their means are.

Input: values a_1..a_m and b_1..b_n, of two at least each. With means and standard deviations (m - 1, n - 1):

    (1)  D = mean a - mean b,  u = s_a^2 / m,  w = s_b^2 / n,  e = sqrt(u + w),
         v = (u + w)^2 / (u^2 / (m - 1) + w^2 / (n - 1))
    (2)  D -+ t(0.975, v) e
    (3)  p = min(1, 2 min(P(T > (D - M) / e), P(T < (D + M) / e))),  T: Student, v degrees;
         two-sided, of a difference no larger than M

p is under 0.05 exactly where (2) lies beyond -+ M. Without spread it is 0 beyond M and 1 within it.
Source: Welch 1947.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from harness.records import Interval
from harness.stats.interval import CONFIDENCE


class _Apart(NamedTuple):
    """Equation (1)."""

    centre: float
    error: float
    freedom: float


def difference(a: Sequence[float], b: Sequence[float]) -> Interval:
    """Equation (2); n counts the values of `a`."""
    apart = _apart(a, b)
    half = float(stats.t.ppf(0.5 + CONFIDENCE / 2, apart.freedom)) * apart.error if apart.error else 0.0
    return Interval(point=apart.centre, low=apart.centre - half, high=apart.centre + half, n=len(a))


def p_beyond(a: Sequence[float], b: Sequence[float], bound: float) -> float:
    """Equation (3)."""
    apart = _apart(a, b)
    if not apart.error:
        return 0.0 if abs(apart.centre) > bound else 1.0
    above = float(stats.t.sf((apart.centre - bound) / apart.error, apart.freedom))
    below = float(stats.t.cdf((apart.centre + bound) / apart.error, apart.freedom))
    return min(1.0, 2 * min(above, below))


def _apart(a: Sequence[float], b: Sequence[float]) -> _Apart:
    centre = float(np.mean(a)) - float(np.mean(b))
    u, w = (float(np.var(values, ddof=1)) / len(values) for values in (a, b))
    if u + w == 0:
        return _Apart(centre, 0.0, math.inf)
    return _Apart(centre, math.sqrt(u + w), (u + w) ** 2 / (u**2 / (len(a) - 1) + w**2 / (len(b) - 1)))
