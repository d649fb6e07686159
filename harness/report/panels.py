"""Small panels, one a reading: curves over a condition with their names at their ends, or a dot for every cell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from harness.report import svg
from harness.report.glyphs import glyph
from harness.report.letters import NORMAL, drawn_width, fitted
from harness.report.scale import Axis, linear_axis, log_axis
from harness.report.shown import Curve, Panel, Panels

GAP, ALONE = 32.0, 620.0
CURVES, HEAD, ROW, FOOT = 150.0, 30.0, 20.0, 44.0
"""Height of the curves' plot; heights of a panel's title, of a row of dots, and of an axis with its name."""
LINE, NEAREST = 15.0, 34.0
"""Distance of two names, and of two ticks."""


def panels_width(plot: Panels, width: float, *, narrow: bool) -> float:
    return width if narrow or len(plot.panels) > 1 else ALONE


def draw_panels(plot: Panels, width: float, *, narrow: bool) -> tuple[list[str], float]:
    """Two in a row where there is room."""
    across = 1 if narrow or len(plot.panels) == 1 else 2
    each = (width - GAP * (across - 1)) / across
    body: list[str] = []
    top = 0.0
    for first in range(0, len(plot.panels), across):
        bottoms = []
        for place, panel in enumerate(plot.panels[first : first + across]):
            left = place * (each + GAP)
            body.append(svg.text(left, top + 14, fitted(panel.title, each, NORMAL, bold=True), cls="heading"))
            draw = _curves if panel.curves else _dots
            drawn, bottom = draw(plot, panel, left, top + HEAD, each)
            body += drawn
            bottoms.append(bottom)
        top = max(bottoms)
    return body, top


def _curves(plot: Panels, panel: Panel, left: float, top: float, width: float) -> tuple[list[str], float]:
    longest = max(drawn_width(curve.label) for curve in panel.curves)
    room = min(longest + 34, 0.48 * width) if longest else 12.0
    start, end, bottom = left + 54, left + width - room, top + CURVES
    points = [point for curve in panel.curves for run in curve.runs for point in run]
    x_axis = (log_axis if plot.x_log else linear_axis)([x for x, _ in points], [], start, end)
    y_axis = (log_axis if panel.log else linear_axis)([y for _, y in points], [], bottom, top)
    body = [
        *(svg.line(start, y, end, y, "grid") for y, _ in y_axis.ticks(5)),
        *(svg.text(start - 6, y + 4, word, cls="tick", anchor="end") for y, word in y_axis.ticks(5)),
        *_x_ticks({x for x, _ in points}, x_axis, bottom),
        svg.line(start, bottom, end, bottom, "base"),
        svg.text((start + end) / 2, bottom + 34, plot.x_axis, cls="axis", anchor="middle"),
    ]
    if panel.guide:
        body.append(_guide(points, panel.curves[0].runs[-1][-1], panel.guide, x_axis, y_axis))
    for curve in panel.curves:
        places = [[(x_axis.place(x), y_axis.place(y)) for x, y in run] for run in curve.runs]
        body += [svg.path(run, f"stroke tone-{curve.mark.tone}") for run in places if len(run) > 1]
        body += [glyph(curve.mark, x, y) for run in places for x, y in run]
    ends = [(x_axis.place(curve.runs[-1][-1][0]), y_axis.place(curve.runs[-1][-1][1])) for curve in panel.curves]
    body += _names(panel.curves, ends, end + 12, (top, bottom), room - 34)
    return body, bottom + FOOT


def _guide(
    points: Sequence[tuple[float, float]], last: tuple[float, float], power: float, x_axis: Axis, y_axis: Axis
) -> str:
    """y = last y (x / last x)^power, from the least x, or from where it enters the plot."""
    enters = last[0] * (min(y for _, y in points) / last[1]) ** (1 / power)
    x = max(min(x for x, _ in points), enters)
    y = last[1] * (x / last[0]) ** power
    return svg.line(x_axis.place(x), y_axis.place(y), x_axis.place(last[0]), y_axis.place(last[1]), "guide")


def _x_ticks(values: Iterable[float], axis: Axis, bottom: float) -> Iterator[str]:
    """At the values themselves, where they are not too near each other."""
    last = -NEAREST
    for x, word in ((axis.place(value), axis.word(value)) for value in sorted(values)):
        yield svg.line(x, bottom, x, bottom + 4, "base")
        if x - last >= max(NEAREST, drawn_width(word) + 8):
            yield svg.text(x, bottom + 17, word, cls="tick", anchor="middle")
            last = x


def _names(
    curves: Sequence[Curve], ends: Sequence[tuple[float, float]], left: float, frame: tuple[float, float], room: float
) -> Iterator[str]:
    """Beside the last point of each curve; those that would meet are moved apart and joined to their point."""
    for curve, (x, y), at in zip(curves, ends, apart([y for _, y in ends], *frame), strict=True):
        if curve.label:
            if abs(at - y) > 3 or left - x > 24:
                yield svg.line(x + 6, y, left - 1, at, "base")
            yield glyph(curve.mark, left + 6, at)
            yield svg.text(left + 16, at + 4, fitted(curve.label, room), cls="direct")


def apart(wanted: Sequence[float], low: float, high: float) -> list[float]:
    """As near to what is wanted as a distance of `LINE` allows, inside the frame, in the same order."""
    order = sorted(range(len(wanted)), key=lambda place: wanted[place])
    found = [0.0] * len(wanted)
    above = low - LINE
    for place in order:
        above = found[place] = max(wanted[place], above + LINE)
    below = max(high, low + LINE * (len(wanted) - 1)) + LINE
    for place in reversed(order):
        below = found[place] = min(found[place], below - LINE)
    return found


def _dots(plot: Panels, panel: Panel, left: float, top: float, width: float) -> tuple[list[str], float]:
    names = min(max(drawn_width(row.label, NORMAL) for row in panel.rows) + 10, 0.42 * width)
    said = max(drawn_width(row.value, NORMAL) for row in panel.rows) + 14
    start, end, bottom = left + names, left + width - said, top + ROW * len(panel.rows)
    points = [row.point for row in panel.rows if row.point is not None]
    axis = (log_axis if panel.log else linear_axis)(points, [], start, end)
    ticks = axis.ticks(max(2, int((end - start) / 60)))
    body = [
        *(svg.line(x, top, x, bottom, "grid") for x, _ in ticks),
        *(svg.text(x, bottom + 17, word, cls="tick", anchor="middle") for x, word in ticks),
        svg.line(start, bottom, end, bottom, "base"),
        svg.text((start + end) / 2, bottom + 34, plot.x_axis, cls="axis", anchor="middle"),
    ]
    if panel.reference is not None:
        body.append(svg.line(axis.place(panel.reference), top, axis.place(panel.reference), bottom, "reference"))
    for number, row in enumerate(panel.rows):
        y = top + ROW * (number + 0.5)
        body.append(svg.text(left, y + 4, fitted(row.label, names - 10, NORMAL), cls="label"))
        body.append(svg.text(end + 12, y + 4, row.value, cls="value"))
        if row.point is not None and row.mark:
            body.append(glyph(row.mark, axis.place(row.point), y))
    return body, bottom + FOOT
