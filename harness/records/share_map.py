"""Over which conditions, modes and switches a stage takes which share of a call."""

from __future__ import annotations

from typing import Literal

from harness.records.base import Interval, Record, Value

MapWord = Literal["holds", "does not hold", "not settled", "not measured", "beyond"]


class MapPoint(Record):
    part: str
    cell: str
    where: dict[str, Value]
    """Mode, conditions and levels in which the points of the map differ: what tells this one from the others."""
    share: Interval | None
    """A plain fraction, of the sum of all stages, both directions."""
    word: MapWord
    """Of the stated share; `beyond` of a cell that is not on trial, where the share was measured and nothing judged."""
    reason: str = ""


class ShareMap(Record):
    stage: str
    up: str | None
    across: str | None
    """Conditions for the two axes: those with the most values."""
    tied: dict[str, str] = {}
    """Condition -> the one it goes with, value by value: it needs no axis and no panel of its own."""
    stated: float | None
    tolerance: float = 0.0
    """Plain fractions, of the claim `claim` about this share; None where the run's claims state none."""
    claim: str | None = None
    points: tuple[MapPoint, ...]
    """The largest share first; those without one at the end."""
    nearest: int | None = None
    """Which point is nearest to the stated share."""
