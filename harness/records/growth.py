"""How a quantity of a variant grows with the one whole-number condition that its part varies."""

from __future__ import annotations

from typing import Literal

from harness.records.base import Interval, Record, Value

GrowthWord = Literal["linear", "constant", "more than linear", "less than linear", "not settled"]
Quantity = Literal["time", "peak_bytes", "saved_bytes"]


class Growth(Record):
    """Of time an interval over trials; bytes repeat exactly, so that theirs has no width and n is 1."""

    part: str
    condition: str
    values: tuple[float, ...]
    """Ascending; those whose cells were measured."""
    under: dict[str, Value] = {}
    """The part's other varied conditions."""
    variant: str
    cells: tuple[str, ...]
    """Ids, as `values`."""
    quantity: Quantity
    stage: str = ""
    """Empty: the whole call."""
    direction: Literal["forward", "backward"] = "forward"
    measured: tuple[float, ...]
    """Seconds (geometric mean over trials) or bytes, as `values`."""
    slope: Interval
    """Of ln(quantity) against ln(condition), by least squares."""
    last: Interval
    """The same between the last two values alone."""
    slack: float = 0.0
    last_slack: float = 0.0
    """What the noise floor can do to each."""
    floor: float = 0.0
    """That noise floor: of the whole call, or of the stage."""
    word: GrowthWord
    last_word: GrowthWord
    fixed: tuple[Interval, Interval]
    """Share of the fixed cost at the first and at the last value, of a fixed cost with a linear term."""
    line_misfit: float
    power_misfit: float
    """Largest relative error of a fixed cost with a linear term, and of a power, over the values."""
    trials: tuple[float, ...] = ()
    """Of time: one slope per trial."""
    degraded: bool = False
    clock: Literal["wall", "cpu", "none"] = "wall"
    doubt: str = ""
    """Why its words were taken away; empty where they were not."""
    note: str = ""
    """Why a word was taken away, which values are missing, which clock was read."""
