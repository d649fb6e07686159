"""What the probes that a part asks for (`reads`) say in every cell, and where each of them moved most.

With r the reading of a cell and r0 that of its baseline, under the same conditions:

    (1)  change  r - r0
    (2)  ratio   r / r0                        where neither is zero and their signs agree
    (3)  move    |r - r0| / max(|r|, |r0|)     1 - min / max of equal signs, 1 from or to zero, above 1 across it

The cell of the largest (3) is where a level moved the reading most; of equals the one of the largest |r - r0|, then the
first of the design. A word that differs, or a number that is none, moved further than any number. Where no level moved
it, the baselines under different conditions are held against each other: the lowest and the highest, in the design's
order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.analysis.contrasts import Summaries
from harness.analysis.evidence import Evidence
from harness.records import Cell, CellReading, CellSummary, ReadingMove

Told = float | str


def readings(evidence: Evidence, summaries: Summaries) -> tuple[CellReading, ...]:
    """Of every cell but the controls, which no probe reads; in the design's order."""
    return tuple(
        _reading(evidence, cell, probe, summaries)
        for cell in evidence.part.cells
        if not cell.control
        for probe in evidence.part.reads
    )


def moves(evidence: Evidence, summaries: Summaries) -> tuple[ReadingMove, ...]:
    """One for each probe that read something."""
    cells = [cell for cell in evidence.part.cells if not cell.control]
    found = (_move(probe, cells, summaries) for probe in evidence.part.reads)
    return tuple(move for move in found if move is not None)


def _reading(evidence: Evidence, cell: Cell, probe: str, summaries: Summaries) -> CellReading:
    summary = summaries[cell.id]
    value, start = summary.probes.get(probe), summaries[cell.baseline].probes.get(probe)
    known = [line.values[probe] for line in evidence.probes.get(cell.id, []) if probe in line.values]
    numbers = [one for one in known if isinstance(one, float) and math.isfinite(one)]
    spread = len(set(numbers)) > 1
    compared = cell.id != cell.baseline
    return CellReading(
        cell=cell.id,
        probe=probe,
        value=value,
        missing=_missing(summary) if value is None else "",
        count=len(known),
        low=min(numbers) if spread else None,
        high=max(numbers) if spread else None,
        change=_change(value, start) if compared else None,
        ratio=_ratio(value, start) if compared else None,
    )


def _missing(summary: CellSummary) -> str:
    """A cell may be sound, and a probe have nothing to read in it."""
    return "not read" if summary.outcome == "measured" else summary.outcome.replace("_", " ")


def _change(value: Told | None, start: Told | None) -> float | None:
    if isinstance(value, float) and isinstance(start, float) and math.isfinite(value) and math.isfinite(start):
        return value - start
    return None


def _ratio(value: Told | None, start: Told | None) -> float | None:
    if isinstance(value, float) and isinstance(start, float) and _change(value, start) is not None:
        return value / start if value and start and (value > 0) == (start > 0) else None
    return None


def _move(probe: str, cells: Sequence[Cell], summaries: Summaries) -> ReadingMove | None:
    told = {cell.id: summaries[cell.id].probes[probe] for cell in cells if probe in summaries[cell.id].probes}
    read = [cell for cell in cells if cell.id in told]
    if not read:
        return None
    compared = [cell for cell in read if cell.id != cell.baseline and cell.baseline in told]
    moved = [cell for cell in compared if _size(told[cell.id], told[cell.baseline])[0] > 0]
    if moved:
        most = max(moved, key=lambda cell: _size(told[cell.id], told[cell.baseline]))
        against, cell = most.baseline, most.id
    else:
        alike = [cell.id for cell in read if cell.id == cell.baseline] or [cell.id for cell in read]
        against, cell = _ends(alike, told)
    return ReadingMove(
        probe=probe,
        against=against,
        cell=cell,
        before=told[against],
        after=told[cell],
        ratio=_ratio(told[cell], told[against]),
        moved=len(moved),
        compared=len(compared),
    )


def _size(value: Told, start: Told) -> tuple[float, float]:
    """(3), and |r - r0| to tell equals apart."""
    change = _change(value, start)
    if change is None:
        return (math.inf, 0.0) if repr(value) != repr(start) else (0.0, 0.0)
    if change == 0:
        return 0.0, 0.0
    assert isinstance(value, float)
    assert isinstance(start, float)
    return abs(change) / max(abs(value), abs(start)), abs(change)


def _ends(cells: Sequence[str], told: dict[str, Told]) -> tuple[str, str]:
    """Lowest and highest in the order given; of words the first, and the first that differs from it."""
    numbers = {cell: value for cell in cells if isinstance(value := told[cell], float) and math.isfinite(value)}
    if numbers:
        ends = min(numbers, key=lambda cell: numbers[cell]), max(numbers, key=lambda cell: numbers[cell])
    else:
        ends = cells[0], next((cell for cell in cells if repr(told[cell]) != repr(told[cells[0]])), cells[0])
    return (ends[0], ends[1]) if cells.index(ends[0]) <= cells.index(ends[1]) else (ends[1], ends[0])
