"""Seeded readings and their t intervals."""

from __future__ import annotations

import math
from random import Random
from statistics import fmean, stdev

from harness.records import Interval

T_95 = {2: 12.706, 4: 3.182, 6: 2.571, 10: 2.262}
STAGE = "stage"
TOTAL = "total"


def interval(readings: list[float], *, log: bool = False) -> Interval:
    values = [math.log(value) for value in readings] if log else readings
    half = T_95[len(values)] * stdev(values) / math.sqrt(len(values))
    low, point, high = fmean(values) - half, fmean(values), fmean(values) + half
    ends = (math.exp(low), math.exp(point), math.exp(high)) if log else (low, point, high)
    return Interval(low=ends[0], point=ends[1], high=ends[2], n=len(values))


def noisy(value: float, n: int, random: Random, spread: float = 0.004) -> list[float]:
    return [value * math.exp(random.gauss(0, spread)) for _ in range(n)]
