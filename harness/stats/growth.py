"""How a quantity grows with a condition: its exponent, the fixed cost behind it, and the word for both.

Input: values x_1 < ... < x_K of the condition (positive, K >= 3), and y [n, K], what was measured in each of n trials
(seconds or bytes, positive). Equations, per trial, with u_k = ln x_k less their mean:

    (1)  slope    s = sum_k w_k ln y_k,  w_k = u_k / sum_j u_j^2         (least squares; y = c x^s)
    (2)  last     s' = ln(y_K / y_K-1) / ln(x_K / x_K-1)                 (small sizes are mostly overhead)
    (3)  line     c0, c1 that minimise sum_k ((c0 + c1 x_k) / y_k - 1)^2
    (4)  fixed    c0 / (c0 + c1 x): the share of the fixed cost at x; below zero where y grows faster than any line
    (5)  misfit   max_k |fit(x_k) / y_k - 1|, of the line and of the power law
    (6)  slack    ln(1 + f) / 2 sum_k |w_k|, of the last slope ln(1 + f) / ln(x_K / x_K-1)

Intervals are t intervals over the trials' slopes. They do not hold what is the same in every trial: f is the noise
floor, by which two equal cells differed, so that each is off the middle by at most half of it, and (6) is what that
does to a slope at worst. An interval [low, high] widened by the slack is called

    linear             inside [0.95, 1.05]
    constant           inside [-0.05, 0.05]
    more than linear   above 1.05 altogether
    less than linear   below 0.95 altogether, and not constant
    not settled        otherwise
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.records import GrowthWord, Interval

Array = NDArray[np.float64]
NEAR = 0.05


class Line(NamedTuple):
    """Of one trial: c0 and c1."""

    fixed: float
    each: float

    def share(self, x: float) -> float:
        """Equation (4)."""
        return self.fixed / (self.fixed + self.each * x)


def weights(x: Sequence[float]) -> Array:
    """w_k of equation (1), shape [K]."""
    centred = np.log(x) - np.mean(np.log(x))
    return np.asarray(centred / (centred @ centred))


def slopes(x: Sequence[float], y: Array) -> Array:
    """Equation (1), shape [n]."""
    return np.asarray(np.log(y) @ weights(x))


def last_slopes(x: Sequence[float], y: Array) -> Array:
    """Equation (2), shape [n]."""
    return np.asarray(np.log(y[:, -1] / y[:, -2]) / math.log(x[-1] / x[-2]))


def line(x: Sequence[float], y: Sequence[float]) -> Line:
    """Equation (3)."""
    of = np.asarray(y, dtype=np.float64)
    columns = np.stack([1 / of, np.asarray(x) / of], axis=1)
    (fixed, each), *_ = np.linalg.lstsq(columns, np.ones(len(of)), rcond=None)
    return Line(float(fixed), float(each))


def line_misfit(x: Sequence[float], y: Sequence[float]) -> float:
    """Equation (5) of the line."""
    fitted = line(x, y)
    return max(abs((fitted.fixed + fitted.each * at) / of - 1) for at, of in zip(x, y, strict=True))


def power_misfit(x: Sequence[float], y: Sequence[float]) -> float:
    """Equation (5) of the power law."""
    logs = np.log(y)
    centred = np.log(x) - np.mean(np.log(x))
    fitted = np.mean(logs) + centred * (weights(x) @ logs)
    return float(np.max(np.abs(np.expm1(fitted - logs))))


def slack(x: Sequence[float], floor: float) -> float:
    """Equation (6) of the slope."""
    return math.log1p(floor) / 2 * float(np.sum(np.abs(weights(x))))


def last_slack(x: Sequence[float], floor: float) -> float:
    """Equation (6) of the last slope."""
    return math.log1p(floor) / math.log(x[-1] / x[-2])


def word(slope: Interval, slack: float) -> GrowthWord:
    low, high = slope.low - slack, slope.high + slack
    if low >= 1 - NEAR and high <= 1 + NEAR:
        return "linear"
    if max(-low, high) <= NEAR:
        return "constant"
    if low > 1 + NEAR:
        return "more than linear"
    if high < 1 - NEAR:
        return "less than linear"
    return "not settled"
