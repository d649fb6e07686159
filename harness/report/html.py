"""The one self-contained page: no request, style and script pinned by digest; text is escaped on its way in.

The script only adds to what can be read without it: it filters and sorts the claims and opens the evidence that a link
names."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from harness.report.charts import NARROW, WIDE, draw
from harness.report.shown import Figure, Report
from harness.report.strip import draw_strip
from harness.report.text import FSI, PDI, bare

TEMPLATES = Path(__file__).parent / "templates"
INTERVAL = re.compile(r"\[([^\[\], ]{1,16}), ([^\[\], ]{1,16})\]")
NAVIGATION = {"read": "Readings", "map": "Where true", "limits": "Limit"}


def page(report: Report) -> str:
    style, script = chart_style() + _file("page.css"), _file("page.js")
    pinned = {"style_digest": _digest(style), "script_digest": _digest(script)}
    return _environment().get_template("report.html.j2").render(report=report, style=style, script=script, **pinned)


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def svg_file(figure: Figure) -> str:
    """The wide figure on its own, with its styles and a surface of its own: it can be read on any page."""
    return draw(figure, WIDE, style=f"{chart_style()}.surface{{fill:var(--surface)}}") + "\n"


def chart_style() -> str:
    return _file("style.css")


@cache
def _file(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _say(text: str) -> Markup:
    """Escaped; text isolated for its direction becomes <bdi>; numbers keep unit, and intervals both ends, on a line."""
    unbroken = INTERVAL.sub("[\\1,\u00a0\\2]", text).replace(" %", "\u00a0%").replace("n = ", "n\u00a0=\u00a0")
    return Markup(str(escape(unbroken)).replace(FSI, "<bdi>").replace(PDI, "</bdi>"))


def _chart(figure: Figure) -> Markup:
    return Markup(draw(figure, WIDE) + draw(figure, NARROW))


def _strip(figure: Figure) -> Markup:
    return Markup(draw_strip(figure))


def _sentence(text: str) -> str:
    """A reason as a sentence of its own; a name at its beginning keeps its letters."""
    begun = text[:1].upper() + text[1:] if text.split(" ")[0].rstrip(",:;").isalpha() else text
    return begun if text.endswith((".", "!", "?", PDI)) else f"{begun}."


def _short(section: str) -> str:
    """A section's name as the navigation has it."""
    return NAVIGATION.get(section, section.capitalize())


def _trial_count(text: str) -> str:
    return text.removeprefix("n = ").split(" ")[0]


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        say=_say, bare=bare, chart=_chart, strip=_strip, sentence=_sentence, trialcount=_trial_count, short=_short
    )
    return environment
