"""The few shapes our charts need, as escaped SVG text. Colours are classes; the style sheet knows both themes."""

from __future__ import annotations

from html import escape


def element(tag: str, body: str = "", **attributes: str | float) -> str:
    """`body` is SVG already; attribute names take `_` for `-`, and `cls` for `class`."""
    named = {"cls": "class"}
    pairs = " ".join(f'{named.get(name, name.replace("_", "-"))}="{_text(v)}"' for name, v in attributes.items())
    opening = f"{tag} {pairs}".strip()
    return f"<{opening}>{body}</{tag}>" if body else f"<{opening}/>"


def text(x: float, y: float, words: str, *, cls: str = "", anchor: str = "start") -> str:
    return element("text", escape(words), x=x, y=y, cls=cls, text_anchor=anchor) if words else ""


def line(x1: float, y1: float, x2: float, y2: float, cls: str) -> str:
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, cls=cls)


def rectangle(x: float, y: float, width: float, height: float, cls: str) -> str:
    return element("rect", x=x, y=y, width=max(width, 0.0), height=height, cls=cls)


def path(points: list[tuple[float, float]], cls: str, *, closed: bool = False) -> str:
    drawn = "M" + "L".join(f"{_text(x)},{_text(y)}" for x, y in points)
    return element("path", d=drawn + "Z" if closed else drawn, cls=cls)


def circle(x: float, y: float, radius: float, cls: str) -> str:
    return element("circle", cx=x, cy=y, r=radius, cls=cls)


def canvas(
    width: float, height: float, body: list[str], *, name: str, title: str, description: str, cls: str, style: str
) -> str:
    """`name` is unique on the page: title and description are found by it. With a style it stands alone."""
    margin = 16.0 if style else 0.0
    head = element("title", escape(title), id=f"{name}-title") + element("desc", escape(description), id=f"{name}-text")
    ground = rectangle(-margin, -margin, width + 2 * margin, height + 2 * margin, "surface") if style else ""
    return element(
        "svg",
        head + (f"<style>{style}</style>" if style else "") + ground + "".join(body),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=" ".join(_text(v) for v in (-margin, -margin, width + 2 * margin, height + 2 * margin)),
        width=width + 2 * margin,
        height=height + 2 * margin,
        role="img",
        aria_labelledby=f"{name}-title {name}-text",
        cls=cls,
    )


def _text(value: str | float) -> str:
    return escape(value) if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")
