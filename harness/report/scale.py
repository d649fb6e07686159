"""Values to places on paper: one axis, linear or logarithmic, with its ticks."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from harness.report.numbers import exact


@dataclass(frozen=True)
class Axis:
    low: float
    high: float
    start: float
    end: float
    log: bool

    def place(self, value: float) -> float:
        if self.log:
            part = math.log(max(value, 1e-300) / self.low) / math.log(self.high / self.low)
        else:
            part = (value - self.low) / (self.high - self.low)
        return self.start + min(max(part, 0.0), 1.0) * (self.end - self.start)

    def ticks(self, most: int) -> list[tuple[float, str]]:
        values = log_ticks(self.low, self.high, most) if self.log else linear_ticks(self.low, self.high, most)
        return [(self.place(value), self.word(value)) for value in values]

    def word(self, value: float) -> str:
        return exact(round(value, 12)) if value > 1e-9 else exact(value)


def linear_axis(values: Iterable[float], tails: Iterable[float], start: float, end: float) -> Axis:
    """Long interval tails may stretch the axis by its own length to either side, no further."""
    known = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(known), max(known)
    span = (high - low) or abs(high) or 1.0
    reach = [min(max(tail, low - span), high + span) for tail in tails]
    bottom, top = min([low, *reach]), max([high, *reach])
    margin = ((top - bottom) or span) * 0.04
    return Axis(bottom if bottom == 0 else bottom - margin, top + margin, start, end, False)


def log_axis(values: Iterable[float], tails: Iterable[float], start: float, end: float) -> Axis:
    logs = [math.log(value) for value in values if value > 0 and math.isfinite(value)]
    ends = [math.log(max(tail, 1e-300)) if tail < math.inf else 700.0 for tail in tails]
    axis = linear_axis(logs or [0.0], ends, start, end)
    low, high = math.exp(axis.low), math.exp(axis.high)
    return Axis(low / 1.001 if axis.low == 0 else low, high, start, end, True)


def linear_ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers from `low` to `high`, at most `most` of them."""
    raw = (high - low) / max(most - 1, 1)
    magnitude = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * magnitude for factor in (1, 2, 5, 10, 20) if factor * magnitude >= raw * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def log_ticks(low: float, high: float, most: int) -> list[float]:
    """Powers of ten, with 2 and 5 between them where there is room; round steps where the range is narrow."""
    if high / low < 4:
        return [tick for tick in linear_ticks(low, high, most) if tick > 0]
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1, 1.5, 2, 3, 4, 5, 7), (1, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
        ticks = [f * 10.0**e for e in exponents for f in factors if low * 0.999 <= f * 10.0**e <= high * 1.001]
        if len(ticks) <= most:
            return ticks
    return ticks[:: math.ceil(len(ticks) / most)]
