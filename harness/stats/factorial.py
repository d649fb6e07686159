"""What each factor did, from a two-level design: effects per trial, and Shapley shares where every cell was run.

Input: y of shape [n, R], the log time ratio of R cells to the all-low cell in each of n trials; signs s of shape [R],
-1 and +1 equally often, from the levels coded -1 (low) and +1 (high):

    (1)  effect              (2 / R) sum over cells of s y = mean(y | s = +1) - mean(y | s = -1)
         main effect of A    s = A's levels;  interaction of A and B: s = their product
    (2)  Shapley value of A  sum over subsets S of the other factors of |S|! (k - |S| - 1)! / k! (y(S + A) - y(S)),
         where y(S) is the cell with the factors of S high and all others low; needs all R = 2^k cells

All are log ratios high / low per trial, shape [n]. What the cells of a trial share, the time of its baseline above
all, cancels. The Shapley values of a trial add up to its y(all high) - y(all low) exactly; in an additive y each
equals the main effect. A negative interaction: together they save more than the sum of what each saves on average.
Source: Box, Hunter and Hunter, Statistics for Experimenters; Shapley 1953.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def effect(y: Array, signs: Sequence[int]) -> Array:
    """Equation (1)."""
    estimated: Array = y @ np.asarray(signs, dtype=np.float64) * (2 / len(signs))
    return estimated


def corners(y: Array) -> Array:
    """y of all 2^k cells, the last factor running fastest, as [n, 2, ..., 2]."""
    return y.reshape(y.shape[0], *(2,) * (y.shape[1].bit_length() - 1))


def shapley(y: Array) -> Array:
    """Equation (2) for every factor, shape [n, k], from y of shape [n, 2, ..., 2]."""
    k = y.ndim - 1
    values = np.zeros((y.shape[0], k))
    for levels in itertools.product((0, 1), repeat=k):
        size = sum(levels)
        for factor in range(k):
            if levels[factor]:
                continue
            weight = math.factorial(size) * math.factorial(k - size - 1) / math.factorial(k)
            raised = (*levels[:factor], 1, *levels[factor + 1 :])
            values[:, factor] += weight * (y[_cell(raised)] - y[_cell(levels)])
    return values


def total(y: Array) -> Array:
    """Log ratio of the all-high to the all-low cell, shape [n], from y of shape [n, 2, ..., 2]."""
    k = y.ndim - 1
    whole: Array = y[_cell((1,) * k)] - y[_cell((0,) * k)]
    return whole


def _cell(levels: tuple[int, ...]) -> Any:
    """Index of all trials of one cell."""
    return (slice(None), *levels)
