"""Where the words of a drawn figure stand: boxes of their text, by the widths the page reckons with."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from itertools import combinations

from harness.report.charts import Layout, draw
from harness.report.letters import NORMAL, SMALL, drawn_width
from harness.report.shown import Figure

TEXT = "{http://www.w3.org/2000/svg}text"
SMALL_CLASSES = {"tick", "axis", "direct"}
ASCENT, DESCENT = 0.76, 0.24
"""Of digits and small letters, em; what little they reach beyond covers nothing."""
SHIFT = {"start": 0.0, "middle": 0.5, "end": 1.0}
Box = tuple[str, float, float, float, float]
"""Words, left, right, top, bottom."""


def boxes(figure: Figure, layout: Layout) -> tuple[float, list[Box]]:
    """The figure's width, and its texts."""
    drawn = ET.fromstring(draw(figure, layout))
    return float(drawn.attrib["width"]), [_box(node) for node in drawn.iter(TEXT)]


def _box(node: ET.Element) -> Box:
    kind, words = node.attrib["class"], node.text or ""
    size = SMALL if kind in SMALL_CLASSES else NORMAL
    width = drawn_width(words, size, bold=kind == "heading")
    left = float(node.attrib["x"]) - SHIFT[node.attrib["text-anchor"]] * width
    y = float(node.attrib["y"])
    return words, left, left + width, y - ASCENT * size, y + DESCENT * size


def overlapping(figure: Figure, layout: Layout) -> list[tuple[str, str]]:
    _, found = boxes(figure, layout)
    return [
        (one[0], other[0])
        for one, other in combinations(found, 2)
        if one[1] < other[2] - 1 and other[1] < one[2] - 1 and one[3] < other[4] - 1 and other[3] < one[4] - 1
    ]


def outside(figure: Figure, layout: Layout) -> list[str]:
    width, found = boxes(figure, layout)
    return [words for words, left, right, *_ in found if left < -1 or right > width + 1]
