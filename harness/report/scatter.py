"""Error against time, both logarithmic, with the Pareto edge as a staircase. Labels go where they fit."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from harness.report import svg
from harness.report.glyphs import glyph
from harness.report.scale import Axis, log_axis
from harness.report.shown import Scatter
from harness.report.text import bare, shorten

Box = tuple[float, float, float, float]


def draw_scatter(plot: Scatter, width: float, *, narrow: bool) -> tuple[list[str], float]:
    left, right, top, bottom = 58.0, width - 12, 26.0, 26.0 + (260 if narrow else 330)
    x_axis = log_axis([point.x for point in plot.points], [], left + 10, right - 10)
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
        svg.text(0, 14, plot.y_axis, cls="axis"),
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
    """Points of the edge first; a label that would cover another stays out, the table has it."""
    taken: list[Box] = [
        (x_axis.place(p.x) - 6, x_axis.place(p.x) + 6, y_axis.place(p.y) - 6, y_axis.place(p.y) + 6)
        for p in plot.points
    ]
    stairs = _stairs(plot, x_axis, y_axis, frame[1])
    for (x1, y1), (x2, y2) in itertools.pairwise(stairs):
        taken.append((min(x1, x2) - 1, max(x1, x2) + 1, min(y1, y2) - 1, max(y1, y2) + 1))
    for point in sorted(plot.points, key=lambda each: not each.on_edge):
        x, y = x_axis.place(point.x), y_axis.place(point.y)
        words = shorten(point.label, 34)
        length = 6.6 * len(bare(words))
        for place, anchor in _places(x, y, length):
            inside = frame[0] <= place[0] and place[1] <= frame[1] and frame[2] <= place[2] and place[3] <= frame[3]
            if inside and not any(_overlap(place, other) for other in taken):
                taken.append(place)
                yield svg.text(x if anchor == "middle" else place[0], place[3] - 3, words, cls="direct", anchor=anchor)
                break


def _places(x: float, y: float, length: float) -> Iterator[tuple[Box, str]]:
    yield (x + 9, x + 9 + length, y - 8, y + 7), "start"
    yield (x - 9 - length, x - 9, y - 8, y + 7), "start"
    yield (x - length / 2, x + length / 2, y - 23, y - 8), "middle"
    yield (x - length / 2, x + length / 2, y + 8, y + 23), "middle"
    yield (x - 4, x - 4 + length, y - 23, y - 8), "start"
    yield (x - 4, x - 4 + length, y + 8, y + 23), "start"


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[1] and b[0] < a[1] and a[2] < b[3] and b[2] < a[3]
