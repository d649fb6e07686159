"""What a calibration says of a run: how much copies of one cell differed here, and what a run of this suite can see."""

from __future__ import annotations

from harness.records import CalibratedStage, Calibration, Manifest
from harness.report import numbers
from harness.report.shown import Block, Column, Entry, Table
from harness.report.text import label, safe

WORDS = 1000
"""Characters: a calibration's words hold a command."""


def calibration_block(manifest: Manifest) -> Block | None:
    """None for a calibration itself, and for runs from before there were any."""
    if not manifest.calibration_words:
        return None
    said = safe(manifest.calibration_words, WORDS)
    items = (_table(manifest.calibration),) if manifest.calibration else ()
    return Block("Calibration", "", (f"{said[:1].upper()}{said[1:]}.",), items)


def _table(calibration: Calibration) -> Table:
    columns = (
        Column("Part"),
        Column("Timed"),
        Column("Comparisons", True),
        Column("False alarms", True),
        Column("Floor, median", True),
        Column("Floor, worst", True),
        Column("Worst in"),
        Column("Detectable, median", True),
        Column("Detectable, worst", True),
        Column("Blocks kept", True),
    )
    caption = f"Copies of one cell beside it: run {label(calibration.run)}, preset {label(calibration.preset)}"
    return Table(caption, columns, tuple(_row(one) for one in calibration.stages))


def _row(one: CalibratedStage) -> tuple[Entry, ...]:
    timed = f"{label(one.stage)}, {one.direction}" if one.stage else "whole call"
    sizes = (numbers.share(one.floor_median), numbers.share(one.floor_worst), label(one.worst_cell))
    seen = (_known(one.detectable_median), _known(one.detectable_worst), numbers.share(one.kept_share))
    counts = (str(one.contrasts), str(one.false_alarms))
    return tuple(Entry(text) for text in (label(one.part), timed, *counts, *sizes, *seen))


def _known(share: float | None) -> str:
    return "–" if share is None else numbers.share(share)
