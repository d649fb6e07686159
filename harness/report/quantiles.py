"""Half-normal plot: sizes of effects against the quantiles that noise would have."""

from __future__ import annotations

from collections.abc import Iterator

from harness.report import svg
from harness.report.glyphs import glyph
from harness.report.labels import around, fitted
from harness.report.letters import drawn_width
from harness.report.scale import Axis, linear_axis
from harness.report.shown import Quantiles


def draw_quantiles(plot: Quantiles, width: float, *, narrow: bool) -> tuple[list[str], float]:
    left, right, top, bottom = 58.0, width - 12, 26.0, 26.0 + (260 if narrow else 330)
    x_axis = linear_axis([0.0, *(point.x for point in plot.points)], [], left, right - 10)
    y_axis = linear_axis([0.0, plot.limit, *(point.y for point in plot.points)], [], bottom, top + 12)
    places = [(x_axis.place(point.x), y_axis.place(point.y)) for point in plot.points]
    limit = y_axis.place(plot.limit)
    wanted = [(x, y, point.label) for (x, y), point in zip(places, plot.points, strict=True) if point.labelled]
    said = (right - drawn_width(plot.limit_label), right, limit - 20, limit + 2)
    lined = (left, right, limit - 1, limit + 1)
    body = [
        *(svg.line(x, top, x, bottom, "grid") for x, _ in x_axis.ticks(4 if narrow else 7)),
        *(svg.line(left, y, right, y, "grid") for y, _ in y_axis.ticks(6)),
        svg.line(left, bottom, right, bottom, "base"),
        svg.line(left, top, left, bottom, "base"),
        *(svg.text(x, bottom + 17, word, cls="tick", anchor="middle") for x, word in x_axis.ticks(4 if narrow else 7)),
        *(svg.text(left - 6, y + 4, word, cls="tick", anchor="end") for y, word in y_axis.ticks(6)),
        svg.text(0, 14, plot.y_axis, cls="axis"),
        svg.text((left + right) / 2, bottom + 38, plot.x_axis, cls="axis", anchor="middle"),
        *_line(plot, x_axis, y_axis),
        svg.line(left, limit, right, limit, "edge"),
        svg.text(right, limit - 6, plot.limit_label, cls="direct", anchor="end"),
        *(glyph(point.mark, x, y) for (x, y), point in zip(places, plot.points, strict=True)),
        *fitted(wanted[::-1], (left, right, top, bottom), [said, lined, *(around(x, y) for x, y in places)]),
    ]
    return body, bottom + 48


def _line(plot: Quantiles, x_axis: Axis, y_axis: Axis) -> Iterator[str]:
    """From the origin to the edge of the plot it meets first."""
    if plot.slope > 0:
        end = min(x_axis.high, y_axis.high / plot.slope)
        yield svg.line(x_axis.place(0), y_axis.place(0), x_axis.place(end), y_axis.place(end * plot.slope), "reference")
