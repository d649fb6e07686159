"""Error against time, both logarithmic, with the Pareto edge as a staircase. Labels go where they fit."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from harness.report import svg
from harness.report.glyphs import glyph
from harness.report.labels import Box, around, fitted
from harness.report.letters import SMALL, wrapped
from harness.report.scale import Axis, log_axis
from harness.report.shown import Scatter

LINE = 14.0


def draw_scatter(plot: Scatter, width: float, *, narrow: bool) -> tuple[list[str], float]:
    names = wrapped(plot.y_axis, width, 2, SMALL)
    top = 12.0 + LINE * len(names)
    left, right, bottom = 58.0, width - 12, top + (260 if narrow else 330)
    fixed = [] if plot.reference is None else [plot.reference]
    x_axis = log_axis([*fixed, *(point.x for point in plot.points)], [], left + 10, right - 10)
    y_axis = log_axis([point.y for point in plot.points], [], bottom - 12, top + 12)
    body = [
        *(svg.line(x, top, x, bottom, "grid") for x, _ in x_axis.ticks(4 if narrow else 7)),
        *(svg.line(left, y, right, y, "grid") for y, _ in y_axis.ticks(6)),
        svg.line(left, bottom, right, bottom, "base"),
        svg.line(left, top, left, bottom, "base"),
        *(
            svg.text(x, bottom + 17, words, cls="tick", anchor="middle")
            for x, words in x_axis.ticks(4 if narrow else 7)
        ),
        *(svg.text(left - 6, y + 4, words, cls="tick", anchor="end") for y, words in y_axis.ticks(6)),
        *(svg.text(0, 14 + LINE * line, words, cls="axis") for line, words in enumerate(names)),
        *(svg.line(x, top, x, bottom, "reference") for x in map(x_axis.place, fixed)),
        svg.text((left + right) / 2, bottom + 38, plot.x_axis, cls="axis", anchor="middle"),
        *_edge(plot, x_axis, y_axis, right),
        *(glyph(point.mark, x_axis.place(point.x), y_axis.place(point.y)) for point in plot.points),
        *_labels(plot, x_axis, y_axis, (left, right, top, bottom)),
    ]
    return body, bottom + 48


def _edge(plot: Scatter, x_axis: Axis, y_axis: Axis, right: float) -> Iterator[str]:
    stairs = _stairs(plot, x_axis, y_axis, right)
    if stairs:
        yield svg.path(stairs, "edge")


def _stairs(plot: Scatter, x_axis: Axis, y_axis: Axis, right: float) -> list[tuple[float, float]]:
    stairs: list[tuple[float, float]] = []
    for point in (each for each in plot.points if each.on_edge):
        x, y = x_axis.place(point.x), y_axis.place(point.y)
        stairs += [(x, stairs[-1][1]), (x, y)] if stairs else [(x, y)]
    return [*stairs, (right, stairs[-1][1])] if stairs else []


def _labels(plot: Scatter, x_axis: Axis, y_axis: Axis, frame: Box) -> Iterator[str]:
    """Points of the edge first."""
    taken = [around(x_axis.place(point.x), y_axis.place(point.y)) for point in plot.points]
    stairs = _stairs(plot, x_axis, y_axis, frame[1])
    for (x1, y1), (x2, y2) in itertools.pairwise(stairs):
        taken.append((min(x1, x2) - 1, max(x1, x2) + 1, min(y1, y2) - 1, max(y1, y2) + 1))
    if plot.reference is not None:
        taken.append((x_axis.place(plot.reference) - 1, x_axis.place(plot.reference) + 1, frame[2], frame[3]))
    ordered = sorted(plot.points, key=lambda each: not each.on_edge)
    yield from fitted([(x_axis.place(p.x), y_axis.place(p.y), p.label) for p in ordered], frame, taken)
