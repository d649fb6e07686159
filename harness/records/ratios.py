"""Ratios of times that are no contrast of a cell with its baseline: of the two passes, and of two processes."""

from __future__ import annotations

from harness.records.base import Interval, Record, Value


class Passes(Record):
    """Time of the backward pass over that of the forward pass, within single calls."""

    part: str
    cell: str
    stage: str
    """Empty: all stages together, without the optimiser's update."""
    ratio: Interval
    trials: tuple[float, ...]
    floor: float | None
    """What this ratio of equal cells differed by, relative; None where no control tells."""
    doubt: str = ""
    """Why it is not fit to judge by; empty where it is."""


class Speedup(Record):
    """Time under the first over time under the last value of what its processes differ in: how many times as fast a
    variant is under the last."""

    part: str
    condition: str
    values: tuple[Value, Value]
    under: dict[str, Value] = {}
    """The part's other varied conditions."""
    cells: tuple[str, str]
    """Ids, as `values`."""
    ratio: Interval
    """Of whole calls, bare."""
    trials: tuple[float, ...]
    trial_numbers: tuple[int, ...]
    doubt: str = ""
    """As of the passes."""
