"""What the widths reckoned with promise, a browser keeps: no words of a chart cover others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from golden_run import stored as small
from report_chromium import MARKS, launched, opened, rendered
from report_helpers import cayley

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = MARKS

COVERING = """
() => [...document.querySelectorAll('svg.chart')].filter(each => each.checkVisibility()).flatMap(svg => {
  const boxes = [...svg.querySelectorAll('text')].map(text => [text.textContent, text.getBBox()]);
  return boxes.flatMap(([words, a], at) => boxes.slice(at + 1).filter(([, b]) =>
    a.x < b.x + b.width - 1 && b.x < a.x + a.width - 1 && a.y < b.y + b.height - 3 && b.y < a.y + a.height - 3
  ).map(([others]) => `${svg.querySelector('title').textContent} ${words} / ${others}`));
})
"""
CHARTS = "() => [...document.querySelectorAll('svg.chart')].filter(each => each.checkVisibility()).length"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.mark.parametrize("width", [360, 1200])
def test_no_words_of_a_chart_cover_others(chromium: Browser, tmp_path: Path, width: int) -> None:
    for name, stored in (("cayley", cayley()), ("small", small()[:2])):
        page = opened(chromium, rendered(tmp_path, name, stored), width=width)
        assert page.evaluate(COVERING) == []
        assert page.evaluate(CHARTS) > 5
        page.close()
