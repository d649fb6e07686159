"""Error against time: which cells no other cell beats in both (the Pareto edge)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import groupby

from harness.records import CellSummary, Part, PartAnalysis
from harness.report import numbers, words
from harness.report.lookup import Run
from harness.report.shown import Figure, Point, Scatter
from harness.report.text import label, slug

DRAWN = 6


def edge_figures(plan: Part, part: PartAnalysis, run: Run) -> Iterator[Figure]:
    """Cells are compared only under the same conditions: one figure for each set of them, `DRAWN` at most."""
    readable = [
        cell
        for cell in part.cells
        if cell.time_s and cell.error and math.isfinite(cell.error) and not run.is_control(cell)
    ]
    ordered = sorted(readable, key=lambda cell: run.varied(cell))
    groups = [(where, list(cells)) for where, cells in groupby(ordered, key=lambda cell: run.varied(cell))]
    worth = [(where, cells) for where, cells in groups if len(cells) > 2]
    for number, (where, cells) in enumerate(worth[:DRAWN], 1):
        yield _figure(plan, cells, where, number, len(worth), run)


def _figure(plan: Part, cells: list[CellSummary], where: str, number: int, of: int, run: Run) -> Figure:
    read = [(cell.time_s.point, cell.error or 0.0, cell) for cell in cells if cell.time_s]
    timed = sorted(read, key=lambda each: each[:2])
    factor, unit = numbers.time_unit(time for time, _, _ in timed)
    points, best = [], math.inf
    for time, error, cell in timed:
        sound = cell.sameness != "broken"
        on_edge = sound and error < best
        best = min(best, error) if sound else best
        mark = words.MEASURED_MARK if sound else words.BROKEN_MARK
        points.append(Point(_name(cell, run), time * factor, error, mark, on_edge))
    left_out = f" {DRAWN} of {of} sets of conditions are drawn." if of > DRAWN and number == DRAWN else ""
    return Figure(
        f"edge-{slug(plan.name)}" + (f"-{number}" if number > 1 else ""),
        "Error against time" + (f", {where}" if where else ""),
        "Lower left is better. The staircase joins the cells that no other cell beats in both; a cross is a cell whose "
        f"outputs differ beyond its tolerance, and stands off the edge. The table of cells has both numbers.{left_out}",
        Scatter(
            f"time of one call, {unit} (log axis)",
            "relative error against the float64 oracle (log axis)",
            tuple(points),
        ),
    )


def _name(cell: CellSummary, run: Run) -> str:
    """The levels that set it apart from its baseline, which is all a point has room for."""
    contrast = run.contrasts.get((cell.part, cell.cell))
    changed = [label(after) for _, after in contrast.changes.values()] if contrast else []
    return " + ".join(changed) or label(cell.name)
