"""What each factor did, from a full 2^k factorial: main effects, two-way interactions, Shapley shares.

Input: y of shape [n, 2, ..., 2] (k axes of two levels, low first), the log time ratio to the all-low cell in each of
n trials. With levels coded -1 and +1:

    (1)  main effect of A        mean(y | A = +1) - mean(y | A = -1)
    (2)  interaction of A and B  mean(y | AB = +1) - mean(y | AB = -1)
    (3)  Shapley value of A      sum over subsets S of the other factors of |S|! (k - |S| - 1)! / k! (y(S + A) - y(S)),
         where y(S) is the cell with the factors of S high and all others low

All are log ratios high / low per trial, shape [n]. The Shapley values of a trial add up to its y(all high) - y(all
low) exactly; in an additive y each equals the main effect. A negative interaction: together they save more than the
sum of what each saves on average.
Source: Box, Hunter and Hunter, Statistics for Experimenters; Shapley 1953.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def main_effect(y: Array, factor: int) -> Array:
    """Equation (1)."""
    return _contrast(y, (factor,))


def interaction(y: Array, first: int, second: int) -> Array:
    """Equation (2)."""
    return _contrast(y, (first, second))


def shapley(y: Array) -> Array:
    """Equation (3) for every factor, shape [n, k]."""
    k = y.ndim - 1
    values = np.zeros((y.shape[0], k))
    for levels in itertools.product((0, 1), repeat=k):
        size = sum(levels)
        for factor in range(k):
            if levels[factor]:
                continue
            weight = math.factorial(size) * math.factorial(k - size - 1) / math.factorial(k)
            raised = (*levels[:factor], 1, *levels[factor + 1 :])
            values[:, factor] += weight * (y[cell(raised)] - y[cell(levels)])
    return values


def total(y: Array) -> Array:
    """Log ratio of the all-high to the all-low cell, shape [n]."""
    k = y.ndim - 1
    whole: Array = y[cell((1,) * k)] - y[cell((0,) * k)]
    return whole


def cell(levels: tuple[int, ...]) -> Any:
    """Index of all trials of one cell."""
    return (slice(None), *levels)


def _contrast(y: Array, factors: tuple[int, ...]) -> Array:
    signs = np.ones(y.shape[1:])
    for factor in factors:
        shape = [1] * (y.ndim - 1)
        shape[factor] = 2
        signs = signs * np.array([-1.0, 1.0]).reshape(shape)
    flat = (y * signs).reshape(y.shape[0], -1)
    effect: Array = flat.sum(axis=1) * 2 / flat.shape[1]
    return effect
