"""Labels beside the points of a plot, where they fit: one that would cover another stays out, the table has it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from harness.report import svg
from harness.report.letters import drawn_width
from harness.report.letters import fitted as shortened

Box = tuple[float, float, float, float]
"""Left, right, top, bottom."""
Wanted = tuple[float, float, str]
"""A point's place, and its label."""
ROOM = 230.0
"""Width of the longest label, px."""


def around(x: float, y: float, radius: float = 6.0) -> Box:
    return x - radius, x + radius, y - radius, y + radius


def fitted(wanted: Iterable[Wanted], frame: Box, taken: Iterable[Box]) -> Iterator[str]:
    """The first come have the choice. `taken` is what no label may cover."""
    covered = list(taken)
    for x, y, label in wanted:
        words = shortened(label, ROOM)
        for place, anchor in _places(x, y, drawn_width(words)):
            inside = frame[0] <= place[0] and place[1] <= frame[1] and frame[2] <= place[2] and place[3] <= frame[3]
            if inside and not any(_overlap(place, other) for other in covered):
                covered.append(place)
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
