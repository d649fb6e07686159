"""A claim at a glance: what is stated and what was measured on one line, from zero, so that a difference looks as large
as it is."""

from __future__ import annotations

from harness.report import svg
from harness.report.glyphs import glyph
from harness.report.scale import Axis, linear_axis
from harness.report.shown import Figure, Row, Rows
from harness.report.text import shorten

WIDTH, HEIGHT = 328.0, 78.0
START, END = 10.0, 318.0
TOP, MIDDLE, BOTTOM = 18.0, 30.0, 44.0
SAID = 62.0
"""Width of the word beside the measured point."""


def draw_strip(figure: Figure) -> str:
    """Of a claim's figure the interval and the stated value; the trials stay in its evidence."""
    assert isinstance(figure.plot, Rows)
    plot, row = figure.plot, figure.plot.rows[-1]
    ends = [end for end in (row.low, row.point, row.high, plot.reference, *(plot.band or ())) if end is not None]
    axis = linear_axis([0.0, *ends], [], START, END)
    body = []
    if plot.band:
        left, right = axis.place(plot.band[0]), axis.place(plot.band[1])
        body.append(svg.rectangle(left, TOP, right - left, BOTTOM - TOP, "band"))
    for x, word in axis.ticks(5):
        body += [svg.line(x, TOP, x, BOTTOM, "grid"), svg.text(x, BOTTOM + 15, word, cls="tick", anchor="middle")]
    body.append(svg.line(START, BOTTOM, END, BOTTOM, "base"))
    body += [*_stated(plot, axis), *_measured(plot, row, axis)]
    body.append(svg.text((START + END) / 2, HEIGHT - 4, shorten(plot.axis, 40), cls="axis", anchor="middle"))
    return svg.canvas(
        WIDTH,
        HEIGHT,
        body,
        name=f"{figure.name}-strip",
        title=figure.title,
        description=figure.caption,
        cls="chart strip",
        style="",
    )


def _stated(plot: Rows, axis: Axis) -> list[str]:
    if plot.reference is None:
        return []
    x = axis.place(plot.reference)
    anchor = "start" if x < START + 40 else "end" if x > END - 40 else "middle"
    return [svg.line(x, TOP, x, BOTTOM, plot.reference_tone), svg.text(x, 13, "stated", cls="direct", anchor=anchor)]


def _measured(plot: Rows, row: Row, axis: Axis) -> list[str]:
    """Named on the side where the name covers nothing, if there is one."""
    if row.point is None or row.low is None or row.high is None or row.mark is None:
        return []
    left, x, right = (axis.place(end) for end in (row.low, row.point, row.high))
    taken = [] if plot.reference is None else [axis.place(plot.reference)]
    body = [svg.line(left, MIDDLE, right, MIDDLE, f"interval tone-{row.mark.tone}"), glyph(row.mark, x, MIDDLE)]
    after, before = max(right, x + 5) + 6, min(left, x - 5) - 6
    if after + SAID <= END and not any(after - 4 <= at <= after + SAID for at in taken):
        body.append(svg.text(after, MIDDLE + 4, "measured", cls="direct"))
    elif before - SAID >= START and not any(before - SAID <= at <= before + 4 for at in taken):
        body.append(svg.text(before, MIDDLE + 4, "measured", cls="direct", anchor="end"))
    return body
