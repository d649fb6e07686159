"""Plots as inline SVG, each in two widths: a wide one with labels beside the rows, a narrow one with labels above."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.report import svg
from harness.report.glyphs import glyph
from harness.report.heat import draw_heat
from harness.report.letters import NORMAL, drawn_width, fitted, wrapped
from harness.report.panels import draw_panels, panels_width
from harness.report.quantiles import draw_quantiles
from harness.report.scale import Axis, linear_axis, log_axis
from harness.report.scatter import draw_scatter
from harness.report.shown import Figure, HeatMap, Panels, Quantiles, Row, Rows, Scatter


@dataclass(frozen=True)
class Layout:
    name: str
    width: float
    start: float
    end: float
    label_room: float
    value_room: float
    ticks: int
    narrow: bool


WIDE = Layout("wide", 1040, 316, 736, 306, 284, 8, False)
NARROW = Layout("narrow", 336, 8, 328, 320, 320, 5, True)
SCATTER_WIDTH = 760.0
TOP, LINE = 30.0, 17.0


@dataclass(frozen=True)
class Placed:
    """A row with its place: `y` the middle of what is drawn, `lines` of its label from `label_y` down."""

    row: Row
    y: float
    lines: tuple[str, ...]
    label_y: float


def draw(figure: Figure, layout: Layout, *, style: str = "") -> str:
    """With a style sheet: a file of its own. Without: part of a page that has the styles."""
    if isinstance(figure.plot, Scatter):
        width = layout.width if layout.narrow else SCATTER_WIDTH
        body, height = draw_scatter(figure.plot, width, narrow=layout.narrow)
    elif isinstance(figure.plot, Quantiles):
        width = layout.width if layout.narrow else SCATTER_WIDTH
        body, height = draw_quantiles(figure.plot, width, narrow=layout.narrow)
    elif isinstance(figure.plot, Panels):
        width = panels_width(figure.plot, layout.width, narrow=layout.narrow)
        body, height = draw_panels(figure.plot, width, narrow=layout.narrow)
    elif isinstance(figure.plot, HeatMap):
        width = layout.width
        body, height = draw_heat(figure.plot, width)
    else:
        width = layout.width
        body, height = draw_rows(figure.plot, layout)
    return svg.canvas(
        width,
        height,
        body,
        name=f"{figure.name}-{layout.name}",
        title=figure.title,
        description=figure.caption,
        cls=f"chart {layout.name}",
        style=style,
    )


def draw_rows(plot: Rows, layout: Layout) -> tuple[list[str], float]:
    axis = _axis(plot, layout)
    placed = list(_place(plot.rows, layout))
    bottom = (placed[-1].y if placed else TOP) + 20
    body = [*_background(plot, axis, layout, bottom)]
    for row in placed:
        body += _labels(row, layout)
        body += _marks(row, axis)
    body.append(svg.text((layout.start + layout.end) / 2, bottom + 36, plot.axis, cls="axis", anchor="middle"))
    return body, bottom + 46


def _axis(plot: Rows, layout: Layout) -> Axis:
    points = [row.point for row in plot.rows if row.point is not None]
    ends = [end for row in plot.rows for bar in row.bars for end in (bar.start, bar.end)]
    dots = [dot for row in plot.rows for dot in row.dots]
    fixed = [end for end in (plot.reference, *(plot.band or ())) if end is not None]
    tails = [end for row in plot.rows for end in (row.low, row.high) if end is not None]
    make = log_axis if plot.log else linear_axis
    return make([*points, *ends, *dots, *fixed], tails, layout.start, layout.end)


def _place(rows: tuple[Row, ...], layout: Layout) -> Iterator[Placed]:
    y = TOP
    for row in rows:
        y += 10 if row.gap else 0
        room = layout.width - 8 if row.heading else layout.label_room
        lines = wrapped(row.label, room, 1 if row.heading else 2, bold=row.heading)
        if row.heading:
            y += 26
            yield Placed(row, y - 10, lines, y - 6)
        elif layout.narrow:
            above = LINE * (len(lines) + bool(row.value))
            yield Placed(row, y + above + 12, lines, y + 13)
            y += above + 26
        else:
            height = max(26.0, LINE * len(lines) + 10)
            yield Placed(row, y + height / 2, lines, y + height / 2 + 4.5 - LINE * (len(lines) - 1) / 2)
            y += height


def _background(plot: Rows, axis: Axis, layout: Layout, bottom: float) -> Iterator[str]:
    if plot.band:
        left, right = axis.place(plot.band[0]), axis.place(plot.band[1])
        yield svg.rectangle(left, TOP, right - left, bottom - TOP, "band")
    for x, words in axis.ticks(layout.ticks):
        yield svg.line(x, TOP, x, bottom, "grid")
        yield svg.text(x, bottom + 16, words, cls="tick", anchor="middle")
    yield svg.line(layout.start, bottom, layout.end, bottom, "base")
    if plot.reference is not None:
        x = axis.place(plot.reference)
        yield svg.line(x, TOP - 6, x, bottom, plot.reference_tone)
        words = fitted(plot.reference_label, layout.width)
        half = drawn_width(words) / 2
        middle = min(max(x, half), layout.width - half)
        yield svg.text(middle, TOP - 12, words, cls="direct", anchor="middle")


def _labels(placed: Placed, layout: Layout) -> Iterator[str]:
    row = placed.row
    left = layout.start if layout.narrow else 0.0
    for number, words in enumerate(placed.lines):
        yield svg.text(left, placed.label_y + number * LINE, words, cls="heading" if row.heading else "label")
    x, y = (left, placed.y - 13) if layout.narrow else (layout.end + 20, placed.y + 4.5)
    if row.mark and row.value:
        yield glyph(row.mark, x + 5, y - 4.5)
    room = layout.value_room - (16 if row.mark else 0)
    yield svg.text(x + (16 if row.mark else 0), y, fitted(row.value, room, NORMAL), cls="value")


def _marks(placed: Placed, axis: Axis) -> Iterator[str]:
    row, y = placed.row, placed.y
    tone = f"tone-{row.mark.tone}" if row.mark else "tone-ink" if row.bars else "tone-same"
    for bar in row.bars:
        left, right = sorted((axis.place(bar.start), axis.place(bar.end)))
        yield svg.rectangle(left, y - 8, max(right - left, 1.5), 16, f"bar {bar.tone}")
    for dot in row.dots:
        yield svg.circle(axis.place(dot), y, 4, f"dot {tone}")
    if row.low is not None and row.high is not None:
        left, right = axis.place(row.low), axis.place(row.high)
        yield svg.line(left, y, right, y, f"interval {tone}")
        if row.low < axis.low:
            yield svg.path([(left + 7, y - 5), (left, y), (left + 7, y + 5)], f"stroke {tone}")
        if row.high > axis.high:
            yield svg.path([(right - 7, y - 5), (right, y), (right - 7, y + 5)], f"stroke {tone}")
    if row.point is not None and row.mark:
        yield glyph(row.mark, axis.place(row.point), y)
    elif row.point is not None:
        yield svg.circle(axis.place(row.point), y, 3, f"solid {tone}")
