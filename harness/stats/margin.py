"""The words of a contrast: size against a margin, never mere significance.

Let L be the 95 % interval of log(t_cell / t_baseline) over n trials and M = log(1 + m) for a margin m:

    (1)  faster: L wholly below -M;  slower: L wholly above M;  same: L wholly inside [-M, M];  else inconclusive

The bounds are symmetric in the logarithm, so that exchanging the two arms exchanges faster and slower.

    (2)  n that settles an inconclusive contrast of mean d and spread s:
         the least n with  t(0.975, n - 1) s / sqrt(n) <= | |d| - M |
    (3)  detectable effect: the least |delta| which n trials of spread s would call faster or slower with 80 % power;
         with T noncentral t of n - 1 degrees,  P(T(lambda) > t(0.975, n - 1)) = 0.8,
         |delta| = M + lambda s / sqrt(n), as a relative change e^|delta| - 1
    (4)  noise floor of a control (A/A): e^max(|low|, |high|) - 1
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from harness.records import Interval
from harness.stats.interval import CONFIDENCE, logarithm, t_quantile

POWER = 0.8
MOST_TRIALS = 1000
"""Beyond this many trials a contrast counts as one that more trials will not settle."""

Word = Literal["faster", "slower", "same", "inconclusive"]


def call(ratio: Interval, margin: float) -> Word:
    """Equation (1). The caller has seen to it that there are at least two trials."""
    bound = math.log1p(margin)
    log = logarithm(ratio)
    if log.high < -bound:
        return "faster"
    if log.low > bound:
        return "slower"
    if -bound <= log.low and log.high <= bound:
        return "same"
    return "inconclusive"


def n_to_settle(logs: Sequence[float], margin: float) -> int | None:
    """Equation (2); None where over a thousand trials would be needed."""
    if len(logs) < 2:
        return None
    gap = abs(abs(float(np.mean(logs))) - math.log1p(margin))
    spread = float(np.std(logs, ddof=1))
    enough = np.flatnonzero(_widths() * spread <= gap)
    return int(enough[0]) + 2 if len(enough) else None


def detectable(logs: Sequence[float], margin: float) -> float | None:
    """Equation (3)."""
    n = len(logs)
    if n < 2:
        return None
    spread = float(np.std(logs, ddof=1))
    return math.expm1(min(math.log1p(margin) + _noncentrality(n) * spread / math.sqrt(n), 700.0))


def floor(control: Interval) -> float:
    """Equation (4)."""
    log = logarithm(control)
    return math.expm1(max(abs(log.low), abs(log.high)))


@lru_cache
def _widths() -> NDArray[np.float64]:
    """t(0.975, n - 1) / sqrt(n) for n = 2, 3, ..., MOST_TRIALS."""
    n = np.arange(2, MOST_TRIALS + 1)
    return np.asarray(stats.t.ppf(0.5 + CONFIDENCE / 2, n - 1) / np.sqrt(n))


@lru_cache
def _noncentrality(n: int) -> float:
    limit = t_quantile(n)

    def excess(shift: float) -> float:
        return float(stats.nct.sf(limit, n - 1, shift)) - POWER

    return float(optimize.brentq(excess, 0.0, 4.0 * limit))
