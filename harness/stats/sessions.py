"""The same contrast in two runs: did it move?

Input: log ratios a_1..a_m of the second run's trials and b_1..b_n of the first's, each paired inside its own trials, so
that the speed of the machine, in either session, is in neither.

    (1)  D = mean a - mean b, its interval and p by Welch (`welch`), with M = log(1 + bar)
    (2)  bar = max(margin, (1 + f)(1 + g) - 1): the noise floors f and g of both runs may add up
    (3)  moved: p, after Benjamini-Hochberg over all contrasts compared, is at most 0.05; the same: the interval (1)
         lies wholly inside -+ log(1 + margin) and no floor bars that word; else not settled

Of plain times nothing of the kind is said. Two runs are two sessions of a machine: what changed between them (clock,
neighbours, libraries) shifts every trial of one run alike, and no spread between its trials knows of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.records import Interval
from harness.stats.family import adjusted
from harness.stats.margin import ALPHA
from harness.stats.welch import p_beyond

Word = Literal["moved", "same", "not settled"]


@dataclass(frozen=True)
class Change:
    """Of one contrast, in logarithms."""

    interval: Interval
    p: float
    margin: float
    bar: float


def bar_of(margin: float, floors: Sequence[float]) -> float:
    """Equation (2)."""
    return max(margin, math.prod(1 + floor for floor in floors) - 1)


def p_moved(after: Sequence[float], before: Sequence[float], bar: float) -> float:
    """Of a change no larger than the bar."""
    return p_beyond(after, before, math.log1p(bar))


def words(changes: Sequence[Change]) -> list[Word]:
    """Equation (3): all of them are one family."""
    found: list[Word] = []
    for change, level in zip(changes, adjusted([change.p for change in changes]), strict=True):
        bound = math.log1p(change.margin)
        inside = -bound <= change.interval.low and change.interval.high <= bound
        alike = inside and change.bar <= change.margin
        found.append("moved" if level <= ALPHA else "same" if alike else "not settled")
    return found
