"""Readings drawn small: against the condition that varies, else with a dot for every cell."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from harness.records import Cell, Part, PartAnalysis
from harness.report import numbers, words
from harness.report.lookup import Run
from harness.report.shown import Curve, Figure, Mark, Panel, Panels, Row
from harness.report.text import label, slug

Read = Mapping[str, float]
"""Cell -> its reading, where that is a finite number."""
Points = tuple[tuple[float, float], ...]

SPAN = 30.0
"""From here on an axis is logarithmic."""
SHAPES = "●▲□◇▼○✕"
LINES = tuple(Mark("line", shape, f"line{number}", "one of several") for number, shape in enumerate(SHAPES, 1))
ROWS = 24
NAMED = 3
"""More switches than these are told by the cell's name."""
AXIS_OF_DOTS = "reading; the line is the baseline's"


def readings_figure(plan: Part, part: PartAnalysis, run: Run) -> Figure | None:
    """None where every reading is a word, or there is none."""
    cells = [cell for cell in plan.cells if not cell.control]
    drawn = {probe: read for probe in plan.reads if (read := _finite(part, probe))}
    if not drawn:
        return None
    along = _along(plan)
    titles = {probe: words.probe_title(probe, run.unit(plan, probe)) for probe in drawn}
    if along is None:
        panels = [_dots(titles[probe], read, cells[:ROWS], plan) for probe, read in drawn.items()]
        return _figure(plan, "What was read, cell by cell?", _caption_of_dots(cells), AXIS_OF_DOTS, panels)
    every = set().union(*drawn.values())
    lines = [line for line in _lines(cells, along, plan) if any(cell.id in every for cell in line)]
    x_log = spanning([float(cell.conditions[along]) for cell in cells])
    found = (_curves(titles[probe], read, lines, along, plan) for probe, read in drawn.items())
    panels = [panel for panel in found if panel.curves]
    axis, title = _axis(label(along), log=x_log), f"How do the readings change with {label(along)}?"
    caption = _caption_of_curves(lines, zeros=any(panel.log for panel in panels) and any(map(_zero, drawn.values())))
    return _figure(plan, title, caption, axis, panels, x_log=x_log) if panels else None


def _figure(plan: Part, title: str, caption: str, axis: str, panels: Sequence[Panel], *, x_log: bool = False) -> Figure:
    return Figure(f"readings-{slug(plan.name)}", title, caption, Panels(axis, x_log, tuple(panels)))


def spanning(values: Sequence[float]) -> bool:
    """Whether the values want a logarithmic axis; zeros among them do not prevent it."""
    above = [value for value in values if value > 0]
    return bool(above) and min(values) >= 0 and max(above) > SPAN * min(above)


def _zero(read: Read) -> bool:
    return 0.0 in read.values()


def _finite(part: PartAnalysis, probe: str) -> dict[str, float]:
    told = ((one.cell, one.value) for one in part.readings if one.probe == probe)
    return {cell: value for cell, value in told if isinstance(value, float) and math.isfinite(value)}


def _along(plan: Part) -> str | None:
    """The numeric condition with most values."""
    numeric = {
        name: len(set(values))
        for name, values in plan.varied_conditions.items()
        if len(set(values)) > 1 and all(type(value) in (int, float) for value in values)
    }
    return max(numeric, key=lambda name: numeric[name]) if numeric else None


def _lines(cells: Sequence[Cell], along: str, plan: Part) -> list[list[Cell]]:
    """Cells that differ in this condition alone, in its order; single changes before several."""
    others = [name for name in plan.varied_conditions if name != along]
    lines: dict[str, list[Cell]] = {}
    for cell in cells:
        key = repr((sorted(cell.variant.items()), [cell.conditions[name] for name in others]))
        lines.setdefault(key, []).append(cell)
    by_id = {cell.id: cell for cell in plan.cells}
    ordered = [sorted(line, key=lambda cell: float(cell.conditions[along])) for line in lines.values()]
    return sorted(ordered, key=lambda line: len(words.differing(line[0], by_id[line[0].baseline])))


def _curves(title: str, read: Read, lines: Sequence[Sequence[Cell]], along: str, plan: Part) -> Panel:
    """The first lines, each by the same mark in every panel; those that coincide are one, by the first one's."""
    drawn = list(zip(LINES, lines, strict=False))
    log = spanning([read[cell.id] for _, line in drawn for cell in line if cell.id in read])
    others = [name for name in plan.varied_conditions if name != along]
    curves: dict[tuple[Points, ...], Curve] = {}
    for mark, line in drawn:
        runs, name = tuple(_runs(line, read, along, log=log)), _name(line[0], plan, others)
        if runs in curves:
            curves[runs] = replace(curves[runs], label=f"{curves[runs].label}, {name}")
        elif runs:
            curves[runs] = Curve(name, runs, mark)
    return Panel(_axis(title, log=log), log, curves=tuple(curves.values()))


def _runs(line: Sequence[Cell], read: Read, along: str, *, log: bool) -> Iterator[Points]:
    """Broken where nothing was read, and where a logarithmic axis has no place."""
    run: list[tuple[float, float]] = []
    for cell in line:
        value = read.get(cell.id)
        if value is not None and (value > 0 or not log):
            run.append((float(cell.conditions[along]), value))
        elif run:
            yield tuple(run)
            run = []
    if run:
        yield tuple(run)


def _dots(title: str, read: Read, cells: Sequence[Cell], plan: Part) -> Panel:
    log = spanning([read[cell.id] for cell in cells if cell.id in read])
    rows = tuple(_dot(_name(cell, plan, list(plan.varied_conditions)), read.get(cell.id), log=log) for cell in cells)
    starts = {read[cell.baseline] for cell in cells if cell.baseline in read}
    start = starts.pop() if len(starts) == 1 else None
    return Panel(_axis(title, log=log), log, rows=rows, reference=start if start or not log else None)


def _dot(name: str, value: float | None, *, log: bool) -> Row:
    if value is None:
        return Row(name, "–")
    return Row(name, numbers.reading(value), point=value if value > 0 or not log else None, mark=LINES[0])


def _axis(title: str, *, log: bool) -> str:
    return f"{title} (log axis)" if log else title


def _name(cell: Cell, plan: Part, conditions: Sequence[str]) -> str:
    """Its level where one switch varies, else its changes; then its place among the other conditions."""
    switches = words.varied_switches(plan)
    start = next((one for one in plan.cells if one.id == cell.baseline), cell)
    changed = words.differing(cell, start)
    if len(changed) > NAMED:
        levels = label(", ".join(cell.name.split(", ")[: -len(plan.varied_conditions) or None]))
    elif len(switches) == 1:
        levels = label(cell.variant[switches[0]])
    else:
        levels = " + ".join(label(cell.variant[name]) for name in changed) or ("baseline" if switches else "")
    return ", ".join(filter(None, (levels, words.conditions({name: cell.conditions[name] for name in conditions}))))


def _caption_of_dots(cells: Sequence[Cell]) -> str:
    left_out = f" {ROWS} of {len(cells)} cells are drawn." if len(cells) > ROWS else ""
    return f"A dot for every cell; the table has the numbers, and what each is beside the baseline's.{left_out}"


def _caption_of_curves(lines: Sequence[Sequence[Cell]], *, zeros: bool) -> str:
    drawn = len(LINES)
    left_out = f" {drawn} of {len(lines)} lines are drawn, single changes first." if len(lines) > drawn else ""
    none = " A zero has no place on a logarithmic axis." if zeros else ""
    return f"Lines that coincide are one, with all their names; the table has the numbers.{none}{left_out}"
