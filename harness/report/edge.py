"""Error or residual against time: which cells no other cell beats in both (the Pareto edge)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from harness.records import CellSummary, Contrast, Part, PartAnalysis
from harness.report import numbers, words
from harness.report.lookup import Run
from harness.report.shown import Column, Entry, Figure, Mark, Point, Scatter, Table
from harness.report.text import label, slug

DRAWN = 4
BASELINE = "baseline"


@dataclass(frozen=True)
class Measure:
    name: str
    """Of the figure's file."""
    word: str
    axis: str
    values: Mapping[str, float]
    """Cell id -> how far off it is."""


@dataclass(frozen=True)
class Placed:
    cell: CellSummary
    contrast: Contrast | None
    """None: the baseline itself."""
    ratio: float
    off: float


def edge_figures(plan: Part, part: PartAnalysis, run: Run) -> Iterator[Figure]:
    """Cells are compared only under the same conditions: one figure for each set of them, `DRAWN` at most."""
    ordered = sorted(part.cells, key=run.varied)
    sets = [(where, list(cells)) for where, cells in groupby(ordered, key=run.varied)]
    for measure in _measures(part, run, plan):
        placed = [(where, list(_placed(cells, measure, run))) for where, cells in sets]
        worth = [(where, found) for where, found in placed if len(found) > 2 and len({each.off for each in found}) > 1]
        for number, (where, found) in enumerate(worth[:DRAWN], 1):
            left_out = f" {DRAWN} of {len(worth)} sets of conditions are drawn." if len(worth) > DRAWN == number else ""
            yield _figure(plan, measure, found, where, number, left_out, run)


def _measures(part: PartAnalysis, run: Run, plan: Part) -> Iterator[Measure]:
    """How far the outputs are from the oracle's, and what a solver says it left undone."""
    errors = {cell.cell: cell.error for cell in part.cells if cell.error is not None}
    yield Measure("edge", "error", "relative error against the float64 oracle", errors)
    for probe in dict.fromkeys(name for cell in part.cells for name in cell.probes):
        if "residual" in probe.rpartition(".")[2]:
            read = {cell.cell: cell.probes.get(probe) for cell in part.cells}
            values = {cell: value for cell, value in read.items() if isinstance(value, float)}
            title = words.probe_title(probe, run.unit(plan, probe))
            yield Measure(f"edge-{slug(probe)}", "residual", title, values)


def _placed(cells: Sequence[CellSummary], measure: Measure, run: Run) -> Iterator[Placed]:
    """Those with a time and a number that a log axis can show."""
    for cell in cells:
        off = measure.values.get(cell.cell, math.nan)
        if run.is_control(cell) or not cell.time_s or not (0 < off < math.inf):
            continue
        contrast = run.contrasts.get((cell.part, cell.cell))
        if contrast is None or contrast.baseline == cell.cell:
            if run.is_baseline(cell):
                yield Placed(cell, None, 1.0, off)
        elif contrast.ratio:
            yield Placed(cell, contrast, contrast.ratio.point, off)


def _figure(
    plan: Part, measure: Measure, placed: list[Placed], where: str, number: int, left_out: str, run: Run
) -> Figure:
    timed = sorted(placed, key=lambda each: (each.ratio, each.off))
    points, rows, best = [], [], math.inf
    for each in timed:
        mark = _mark(each.cell, run)
        on_edge = mark is words.MEASURED_MARK and _as_told(each.off) < best
        best = _as_told(each.off) if on_edge else best
        points.append(Point(_name(each), each.ratio, each.off, mark, on_edge))
        rows.append(_row(each, mark, on_edge=on_edge))
    drawn = any(point.mark is words.BEYOND_MARK for point in points)
    shape = words.BEYOND_MARK.shape
    beyond = f" {shape} goes beyond the documents, and stands off the edge too." if drawn else ""
    return Figure(
        f"{measure.name}-{slug(plan.name)}" + (f"-{number}" if number > 1 else ""),
        f"Does a smaller {measure.word} cost time?" + (f" ({where})" if where else ""),
        "Lower left is better, the line is the baseline's time. The staircase joins the cells that no other cell beats "
        "in both; a cross is a cell whose outputs differ beyond its tolerance, or whose solver stopped short of its "
        f"own, and stands off the edge.{beyond}{left_out}",
        Scatter("time over the baseline's time (log axis)", f"{measure.axis} (log axis)", tuple(points), reference=1.0),
        _table(measure, tuple(rows)),
    )


def _as_told(off: float) -> float:
    """In the two digits that are printed: what reads the same beats nothing."""
    return float(f"{off:.1e}")


def _mark(cell: CellSummary, run: Run) -> Mark:
    unsolved = words.unsolved(cell)
    if cell.sameness == "broken":
        return words.BROKEN_MARK
    if unsolved:
        return words.UNSOLVED_MARKS[unsolved.lower()]
    return words.BEYOND_MARK if run.is_beyond(cell) else words.MEASURED_MARK


def _row(each: Placed, mark: Mark, *, on_edge: bool) -> tuple[Entry, ...]:
    ratio = words.ratio(each.contrast) if each.contrast else None
    shown = numbers.with_interval(ratio) if ratio else "1" if each.contrast is None else "–"
    trials = str(ratio.n) if ratio else ""
    said = Entry("on the edge") if on_edge else Entry(mark=None if mark is words.MEASURED_MARK else mark)
    return Entry(_name(each)), Entry(shown), Entry(trials), Entry(numbers.reading(each.off, 2)), said


def _table(measure: Measure, rows: tuple[tuple[Entry, ...], ...]) -> Table:
    columns = (
        Column("Cell"),
        Column("Time ratio [95 % interval]", True),
        Column("n, trials", True),
        Column(measure.axis[:1].upper() + measure.axis[1:], True),
        Column("Edge"),
    )
    return Table(f"{measure.word.capitalize()} and time, the fastest first", columns, rows)


def _name(each: Placed) -> str:
    """The levels that set it apart from its baseline, which is all a point has room for."""
    changed = [label(after) for _, after in each.contrast.changes.values()] if each.contrast else [BASELINE]
    return " + ".join(changed) or label(each.cell.name)
