"""How wide text is drawn, by the widest font the page may fall to (DejaVu Sans): in any other it is narrower.

Widths are in em, by what a letter looks like rather than letter by letter; bold ones are wider throughout.
"""

from __future__ import annotations

import unicodedata

from harness.report.text import bare, isolate

SMALL, NORMAL = 12.0, 13.0
"""Font sizes of a chart, px: axes, ticks and names beside points; labels, values and headings."""
BOLD = 1.14
USUAL = 0.63
WIDTHS = {
    0.34: "ijlI'|.,:;!/ ·",
    0.41: "ftr()[]{}-",
    0.85: "w+=×÷−±<>~→←≥≤≈#CDGHNOQMRUVA",
    1.0: "mW%@…—“”∞",
}
KNOWN = {letter: width for width, letters in WIDTHS.items() for letter in letters}


def drawn_width(words: str, size: float = SMALL, *, bold: bool = False) -> float:
    return sum(map(_em, bare(words))) * size * (BOLD if bold else 1.0)


def fitted(words: str, room: float, size: float = SMALL, *, bold: bool = False) -> str:
    """As much of it as there is room for, the isolates kept in pairs."""
    if drawn_width(words, size, bold=bold) <= room:
        return words
    kept = bare(words)
    while kept and drawn_width(f"{kept.rstrip()}…", size, bold=bold) > room:
        kept = kept[:-1]
    return isolate(f"{kept.rstrip()}…") if kept else ""


def wrapped(words: str, room: float, most: int, size: float = NORMAL, *, bold: bool = False) -> tuple[str, ...]:
    """On at most `most` lines, broken between words where it can be; the last one takes what fits of the rest."""
    lines: list[str] = []
    left = bare(words)
    while left and len(lines) < most - 1 and drawn_width(left, size, bold=bold) > room:
        line = _beginning(left, room, size, bold=bold)
        lines.append(isolate(line.rstrip()))
        left = left[len(line) :].lstrip()
    return (*lines, fitted(isolate(left), room, size, bold=bold)) if left or not lines else tuple(lines)


def _beginning(words: str, room: float, size: float, *, bold: bool) -> str:
    """What stands on a line of its own: up to the last space that fits, or as many letters as fit."""
    end = len(words)
    while end > 1 and drawn_width(words[:end].rstrip(), size, bold=bold) > room:
        end -= 1
    space = words.rfind(" ", 0, end + 1)
    return words[: space + 1] if space > 0 else words[:end]


def _em(letter: str) -> float:
    if letter in KNOWN:
        return KNOWN[letter]
    return 1.0 if unicodedata.east_asian_width(letter) in "WF" else 0.77 if letter.isupper() else USUAL
