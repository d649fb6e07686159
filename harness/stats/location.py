"""Beside the mean, a location that one stray trial cannot move.

    (1)  Hodges-Lehmann: the median of all (x_i + x_j) / 2 with i <= j
    (2)  stray: |mean - (1)| is over a third of the half-width of the mean's 95 % interval

One trial far from n - 1 that agree moves the mean by 1 / t(0.975, n - 1) of the half-width, whatever the distance
(0.39 at n = 6, 0.44 at 10, never 0.5), and (1) hardly at all. Normal noise passes a third in at most 1.4 % of samples
at these n. At four trials or fewer nothing can.
Source: Hodges and Lehmann 1963.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.stats.interval import half_width

STRAY = 1 / 3
ROUNDING = 1e-12


def hodges_lehmann(values: Sequence[float]) -> float:
    """Equation (1)."""
    x = np.asarray(values, dtype=float)
    first, second = np.triu_indices(len(x))
    return float(np.median((x[first] + x[second]) / 2))


def stray(values: Sequence[float]) -> bool:
    """Equation (2), of logarithms; values that differ by rounding alone have no stray."""
    half = half_width(values)
    return half > ROUNDING and abs(float(np.mean(values)) - hodges_lehmann(values)) > STRAY * half
