"""The same contrast in two runs: did it move?

Input: log ratios a_1..a_m of one run's trials and b_1..b_n of another's, each paired inside its own trials, so that
the speed of the machine, in either session, is in neither.

    (1)  D = mean b - mean a, with Welch's interval (`adjacent`, equation (2))
    (2)  p = min(1, 2 min(P(T > (D - M) / e), P(T < (D + M) / e))),  M = log(1 + bar), e and the degrees of T from (1)
    (3)  bar = max(margin, (1 + f)(1 + g) - 1): the noise floors f and g of both runs may add up
    (4)  moved: p, after Benjamini-Hochberg over all contrasts compared, is at most 0.05; the same: the interval (1)
         lies wholly inside -+ log(1 + margin) and no floor bars that word; else not settled

Of plain times nothing of the kind is said. Two runs are two sessions of a machine: what changed between them (clock,
neighbours, libraries) shifts every trial of one run alike, and no spread between its trials knows of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from scipy import stats

from harness.records import Interval
from harness.stats.family import adjusted
from harness.stats.margin import ALPHA

Word = Literal["moved", "same", "not settled"]


def bar_of(margin: float, floors: Sequence[float]) -> float:
    """Equation (3)."""
    return max(margin, math.prod(1 + floor for floor in floors) - 1)


def p_moved(after: Sequence[float], before: Sequence[float], bar: float) -> float:
    """Equation (2); both of two values at least."""
    centre, bound = float(np.mean(after)) - float(np.mean(before)), math.log1p(bar)
    u, w = (float(np.var(values, ddof=1)) / len(values) for values in (after, before))
    if u + w == 0:
        return 0.0 if abs(centre) > bound else 1.0
    freedom = (u + w) ** 2 / (u**2 / (len(after) - 1) + w**2 / (len(before) - 1))
    above = float(stats.t.sf((centre - bound) / math.sqrt(u + w), freedom))
    below = float(stats.t.cdf((centre + bound) / math.sqrt(u + w), freedom))
    return min(1.0, 2 * min(above, below))


def words(
    changes: Sequence[Interval], p: Sequence[float], margins: Sequence[float], bars: Sequence[float]
) -> list[Word]:
    """Equation (4); `changes` in logarithms, one p, margin and bar for each."""
    found: list[Word] = []
    for change, level, margin, bar in zip(changes, adjusted(p), margins, bars, strict=True):
        inside = -math.log1p(margin) <= change.low and change.high <= math.log1p(margin)
        found.append("moved" if level <= ALPHA else "same" if inside and bar <= margin else "not settled")
    return found
