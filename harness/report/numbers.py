"""Numbers as text: never more digits than the interval carries.

The last digit shown is the first significant digit of the interval's half-width (its second where the first is 1).
Records hold seconds, bytes and plain fractions; the conversion to ms, MiB and % happens here and nowhere else.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from harness.records import Interval

MINUS = "−"
MIB = 2.0**20
TIME_UNITS = ((1.0, "s"), (1e3, "ms"), (1e6, "µs"))
SIZE_UNITS = ((1 / MIB, "MiB"), (2.0**-10, "KiB"), (1.0, "B"))
FLOP_UNITS = ((1e-9, "GFLOP"), (1e-6, "MFLOP"), (1.0, "FLOP"))


def decimals(half_width: float) -> int:
    exponent = math.floor(math.log10(half_width))
    leading = round(half_width / 10.0**exponent, 9)
    return 1 - exponent if leading < 2 else -exponent


def fixed(value: float, places: int, *, signed: bool = False) -> str:
    if not math.isfinite(value):
        return {math.inf: "∞", -math.inf: f"{MINUS}∞"}.get(value, "not a number")
    rounded = round(value, places)
    text = f"{abs(rounded):.{max(places, 0)}f}"
    if rounded < 0:
        return MINUS + text
    return f"+{text}" if signed and rounded > 0 else text


def brief(value: float, digits: int = 3) -> str:
    """A number that comes without an interval."""
    if value == 0 or not math.isfinite(value):
        return fixed(value, 0)
    if abs(value) < 1e-4:
        return scientific(value, digits)
    return fixed(value, max(0, digits - 1 - math.floor(math.log10(abs(value)))))


def exact(value: float) -> str:
    """A stated number, a bound, a counter: as it was written, without padding."""
    text = f"{value:.6g}"
    return scientific(value, 6) if "e" in text else text.replace("-", MINUS)


def reading(value: float, digits: int = 3) -> str:
    """A probe or an error: whole numbers as they are, small ones in powers of ten."""
    if value == 0 or not math.isfinite(value):
        return fixed(value, 0)
    if abs(value) < 1e-2:
        return scientific(value, 2)
    return exact(value) if value == round(value) else exact(float(f"{value:.{digits}g}"))


def scientific(value: float, digits: int = 2) -> str:
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    shortened = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return f"{shortened.replace('-', MINUS)}e{int(exponent)}"


def places_of(interval: Interval, scale: float = 1.0, shift: float = 0.0) -> int | None:
    """Decimals for point and ends. None where no common number of them can show all three: the interval has no
    finite width, or spans a factor of ten."""
    ends = [(end + shift) * scale for end in (interval.point, interval.low, interval.high)]
    half_width = abs(ends[2] - ends[1]) / 2
    wild = ends[1] > 0 and ends[2] > 10 * ends[1]
    if interval.n < 2 or not math.isfinite(half_width) or half_width <= abs(ends[0]) * 1e-12 or wild:
        return None
    places = decimals(half_width)
    return max(places, 0) if half_width > abs(ends[0]) else places


def with_interval(
    interval: Interval, scale: float = 1.0, shift: float = 0.0, *, unit: str = "", signed: bool = False
) -> str:
    """`24.1 % [23.6, 24.6]` of (value + shift) x scale; a column whose head names the unit leaves it out here."""
    ends = [(end + shift) * scale for end in (interval.point, interval.low, interval.high)]
    places = places_of(interval, scale, shift)
    if places is not None:
        point, low, high = (fixed(end, places, signed=signed) for end in ends)
    else:
        exactly_alike = interval.n > 1 and interval.low == interval.high
        point, low, high = (reading(end, 4 if exactly_alike else 2) for end in ends)
    known = interval.n > 1 and all(map(math.isfinite, ends))
    between = f"[{low}, {high}]" if known else "[no interval]"
    return " ".join(filter(None, (point, unit, between)))


def in_digits_of(value: float, interval: Interval) -> str:
    places = places_of(interval)
    return reading(value, 4) if places is None else fixed(value, places)


def percent(interval: Interval) -> str:
    return with_interval(interval, 100, unit="%")


def change(ratio: Interval) -> str:
    """A time ratio as a change of time: 0.85 reads −15 %."""
    return with_interval(ratio, 100, -1.0, signed=True)


def share(value: float, digits: int = 2) -> str:
    """A plain fraction without an interval, as per cent."""
    return f"{brief(value * 100, digits)} %"


def bound(value: float | None) -> str:
    """A floor or a detectable change in per cent, without the sign: beyond tenfold only that it is."""
    if value is None:
        return ""
    return brief(value * 100, 2) if value <= 10 else "over 1000"


def time_unit(seconds: Iterable[float]) -> tuple[float, str]:
    """One unit for a whole column: the largest in which its middle entry is at least 1."""
    return _unit(seconds, TIME_UNITS)


def size_unit(sizes: Iterable[float]) -> tuple[float, str]:
    return _unit(sizes, SIZE_UNITS)


def flop_unit(flops: Iterable[float]) -> tuple[float, str]:
    return _unit(flops, FLOP_UNITS)


def _unit(values: Iterable[float], units: tuple[tuple[float, str], ...]) -> tuple[float, str]:
    known = sorted(value for value in values if value > 0) or [1.0]
    middle = known[len(known) // 2]
    return next((unit for unit in units if middle * unit[0] >= 1), units[-1])


def duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def mebibytes(size: float) -> str:
    return f"{size / MIB:.0f}"


def memory(size: float) -> str:
    return f"{mebibytes(size)} MiB" if size < 4096 * MIB else f"{size / MIB / 1024:.1f} GiB"
