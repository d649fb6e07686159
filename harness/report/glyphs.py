"""The verdicts' shapes, drawn rather than written, so that no font decides how they look."""

from __future__ import annotations

from collections.abc import Callable

from harness.report.shown import Mark
from harness.report.svg import circle, line, path

R = 5.0


def _triangle_down(x: float, y: float, tone: str) -> str:
    return path([(x - R, y - R * 0.8), (x + R, y - R * 0.8), (x, y + R)], f"solid {tone}", closed=True)


def _triangle_up(x: float, y: float, tone: str) -> str:
    return path([(x - R, y + R * 0.8), (x + R, y + R * 0.8), (x, y - R)], f"solid {tone}", closed=True)


def _cross(x: float, y: float, tone: str) -> str:
    falling, rising = (
        line(x - R, y - R, x + R, y + R, f"stroke {tone}"),
        line(x - R, y + R, x + R, y - R, f"stroke {tone}"),
    )
    return falling + rising


def _equals(x: float, y: float, tone: str) -> str:
    return line(x - R, y - 2.5, x + R, y - 2.5, f"stroke {tone}") + line(
        x - R, y + 2.5, x + R, y + 2.5, f"stroke {tone}"
    )


def _dash(x: float, y: float, tone: str) -> str:
    return line(x - R, y, x + R, y, f"stroke {tone}")


def _exclamation(x: float, y: float, tone: str) -> str:
    return line(x, y - R, x, y + R * 0.4, f"stroke {tone}") + circle(x, y + R, 1.4, f"solid {tone}")


def _square(x: float, y: float, tone: str) -> str:
    side = R - 0.8
    corners = [(x - side, y - side), (x + side, y - side), (x + side, y + side), (x - side, y + side)]
    return path(corners, f"hollow {tone}", closed=True)


def _diamond(x: float, y: float, tone: str) -> str:
    return path([(x - R, y), (x, y - R), (x + R, y), (x, y + R)], f"hollow {tone}", closed=True)


def _full_diamond(x: float, y: float, tone: str) -> str:
    return path([(x - R, y), (x, y - R), (x + R, y), (x, y + R)], f"solid {tone}", closed=True)


def _tick(x: float, y: float, tone: str) -> str:
    return path([(x - R, y), (x - 1, y + R - 1), (x + R, y - R)], f"stroke {tone}")


def _ring(x: float, y: float, tone: str) -> str:
    return circle(x, y, R - 0.5, f"hollow {tone}")


def _half(x: float, y: float, tone: str) -> str:
    return _ring(x, y, tone) + path(
        [(x, y - R), (x - R, y - R * 0.4), (x - R, y + R * 0.4), (x, y + R)], f"solid {tone}", closed=True
    )


def _disc(x: float, y: float, tone: str) -> str:
    return circle(x, y, R - 0.5, f"solid {tone}")


SHAPES: dict[str, Callable[[float, float, str], str]] = {
    "●": _disc,
    "✕": _cross,
    "◐": _half,
    "○": _ring,
    "!": _exclamation,
    "–": _dash,
    "▼": _triangle_down,
    "▲": _triangle_up,
    "=": _equals,
    "□": _square,
    "◇": _diamond,
    "◆": _full_diamond,
    "✓": _tick,
}


def glyph(mark: Mark, x: float, y: float) -> str:
    return SHAPES[mark.shape](x, y, f"tone-{mark.tone}")
