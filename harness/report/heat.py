"""Panels of fields, one a combination of what stands on neither axis; the larger the share, the stronger its colour.

Its number stands in every field, and a mark where the stated share holds or may hold, so that nothing is told by colour
alone. The contour of the stated share runs between the fields above it and those below.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.report import svg
from harness.report.glyphs import glyph
from harness.report.letters import NORMAL, drawn_width, fitted
from harness.report.shown import Field, HeatMap, HeatPanel

FIELD_WIDTH, FIELD_HEIGHT, GAP = 84.0, 34.0, 26.0
HEAD, FOOT, LINE = 26.0, 48.0, 16.0
"""Heights of a title of one line, of the axis below the fields, and of a title's second line."""
STEPS = 10


def draw_heat(plot: HeatMap, width: float) -> tuple[list[str], float]:
    """As many panels in a row as there is room for."""
    margin = max(map(drawn_width, plot.up)) + 14
    columns = len(plot.across)
    each = min(FIELD_WIDTH, (width - margin) / columns)
    panel_width = margin + columns * each
    abreast = max(1, int((width + GAP) // (panel_width + GAP)))
    titles = [_title(panel.title, panel_width) for panel in plot.panels]
    head = HEAD + LINE * (max(map(len, titles)) - 1)
    height = head + FIELD_HEIGHT * len(plot.up) + FOOT
    body = [svg.text(0, 14, plot.up_axis, cls="axis")]
    for number, (panel, title) in enumerate(zip(plot.panels, titles, strict=True)):
        left = (number % abreast) * (panel_width + GAP)
        top = 18 + (number // abreast) * height
        body += [svg.text(left, top + 16 + LINE * line, words, cls="heading") for line, words in enumerate(title)]
        body += _panel(plot, panel, left + margin, top + head, each)
    return body, 18 + height * -(-len(plot.panels) // abreast)


def _panel(plot: HeatMap, panel: HeatPanel, start: float, above: float, each: float) -> Iterator[str]:
    """Its fields, the first row at the bottom, with the values of both axes; `start` and `above` are their corner."""
    for row, (label, fields) in enumerate(zip(reversed(plot.up), reversed(panel.rows), strict=True)):
        y = above + row * FIELD_HEIGHT
        yield svg.text(start - 8, y + FIELD_HEIGHT / 2 + 4, label, cls="tick", anchor="end")
        for column, field in enumerate(fields):
            yield from _field(field, start + column * each, y, each)
    yield from _contour(plot, panel, start, above, each)
    bottom = above + FIELD_HEIGHT * len(plot.up)
    for column, label in enumerate(plot.across):
        shown = fitted(label, each - 4)
        yield svg.text(start + (column + 0.5) * each, bottom + 16, shown, cls="tick", anchor="middle")
    yield svg.text(start + each * len(plot.across) / 2, bottom + 34, plot.across_axis, cls="axis", anchor="middle")


def _contour(plot: HeatMap, panel: HeatPanel, start: float, above: float, each: float) -> Iterator[str]:
    top = above + FIELD_HEIGHT * len(plot.up)
    for row, column, side in passed(plot, panel):
        x, y = start + column * each, top - row * FIELD_HEIGHT
        if side == "right":
            yield svg.line(x + each, y, x + each, y - FIELD_HEIGHT, "stated-line")
        else:
            yield svg.line(x, y - FIELD_HEIGHT, x + each, y - FIELD_HEIGHT, "stated-line")


def passed(plot: HeatMap, panel: HeatPanel) -> list[tuple[int, int, str]]:
    """Fields, by row and column, whose right or upper neighbour lies on the other side of the contour."""
    if plot.contour is None:
        return []
    found = []
    for row, fields in enumerate(panel.rows):
        for column, field in enumerate(fields):
            right = fields[column + 1] if column + 1 < len(fields) else None
            over = panel.rows[row + 1][column] if row + 1 < len(panel.rows) else None
            found += [(row, column, "right")] if _between(field, right, plot.contour) else []
            found += [(row, column, "above")] if _between(field, over, plot.contour) else []
    return found


def _between(one: Field | None, other: Field | None, level: float) -> bool:
    levels = [field.level for field in (one, other) if field is not None and field.level is not None]
    return len(levels) == 2 and (levels[0] < level) != (levels[1] < level)


def _field(field: Field | None, x: float, y: float, width: float) -> Iterator[str]:
    """Nothing where no cell was planned."""
    if field is None:
        return
    step = "heat-none" if field.level is None else f"heat-{min(int(field.level * STEPS), STEPS - 1)}"
    yield svg.rectangle(x + 1, y + 1, width - 2, FIELD_HEIGHT - 2, f"heat {step}")
    if field.framed and field.mark:
        yield svg.rectangle(x + 3, y + 3, width - 6, FIELD_HEIGHT - 6, f"frame tone-{field.mark.tone}")
    if field.mark:
        yield glyph(field.mark, x + 14, y + FIELD_HEIGHT / 2)
    middle = x + width / 2 + (8 if field.mark else 0)
    yield svg.text(middle, y + FIELD_HEIGHT / 2 + 4.5, field.text, cls="value", anchor="middle")


def _title(title: str, room: float) -> list[str]:
    """On as many lines as it needs, broken at its commas."""
    lines: list[str] = []
    for part in title.split(", "):
        joined = f"{lines[-1]}, {part}" if lines else part
        if lines and drawn_width(f"{joined},", NORMAL, bold=True) <= room:
            lines[-1] = joined
        else:
            lines.append(part)
    ended = [*(f"{line}," for line in lines[:-1]), lines[-1]]
    return [fitted(line, room, NORMAL, bold=True) for line in ended]
