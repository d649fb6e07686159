"""What probes read: per cell beside the baseline's reading, and where each reading moved most.

A reading is of one set of weights and inputs, those of the plan's seed: there is nothing to take an interval over.
"""

from __future__ import annotations

from harness.records.base import Record


class CellReading(Record):
    cell: str
    probe: str
    value: float | str | None
    """In the probe's unit; a word where the probe gives one; None where it read nothing."""
    missing: str = ""
    """Why it read nothing."""
    count: int = 0
    """How often it was read: once for every group of cells that holds this one."""
    low: float | None = None
    high: float | None = None
    """Of several readings that differ."""
    change: float | None = None
    """value - reading of the baseline under the same conditions; None for the baseline itself."""
    ratio: float | None = None
    """value / reading of the baseline, where neither is zero and their signs agree."""


class ReadingMove(Record):
    """Between which two cells a reading differs most: a cell and its baseline where a level moved it, else baselines
    under two sets of conditions; twice the same cell where nothing moved it."""

    probe: str
    against: str
    cell: str
    before: float | str
    after: float | str
    ratio: float | None
    """after / before."""
    moved: int
    """Cells that read something else than their baseline."""
    compared: int
    """Cells whose baseline was read too."""
