"""The page as a browser shows it: both colour schemes, a phone, paper."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from report_helpers import Folder, cayley
from report_hostile import hostile

from harness.report import render

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
CLAIMS_ON_PAPER = 43

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the PATH"),
]

LOW_CONTRAST = """
() => {
  const channels = color => color.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(c => c / 255)
    .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = node => {
    for (let at = node; at; at = at.parentElement) {
      const color = channels(getComputedStyle(at).backgroundColor);
      if (color.length < 4 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  const failures = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let checked = 0;
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !node.checkVisibility() || node.closest('title, desc, style')) continue;
    const style = getComputedStyle(node);
    const ink = light(channels(node.closest('svg') ? style.fill : style.color)), ground = light(behind(node));
    const ratio = (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
    checked += 1;
    if (ratio < 4.5) failures.push(`${ratio.toFixed(2)} ${node.outerHTML}`);
  }
  return {checked, failures};
}
"""
OPEN_ALL = "() => document.querySelectorAll('details').forEach(each => each.open = true)"
OVERFLOW = "() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
CLIPPED = """
() => [...document.querySelectorAll('svg.chart')].filter(each => each.checkVisibility()).flatMap(svg => {
  const frame = svg.getBoundingClientRect();
  return [...svg.querySelectorAll('text')].filter(text => {
    const box = text.getBoundingClientRect();
    return box.left < frame.left - 2 || box.right > frame.right + 2 || box.bottom > frame.bottom + 2;
  }).map(text => text.textContent);
})
"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("pages")
    found = {}
    for name, stored in {"cayley": cayley(), "hostile": hostile(cayley())}.items():
        folder = root / "results" / name
        folder.mkdir(parents=True)
        found[name] = render(Folder(folder, stored), root / "reports")
    return found


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield launched
        launched.close()


def opened(chromium: Browser, file: Path, width: int = 1200, scheme: str = "light") -> Page:
    """The page with everything unfolded."""
    page = chromium.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.goto(file.as_uri())
    page.evaluate(OPEN_ALL)
    return page


@pytest.mark.parametrize("name", ["cayley", "hostile"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_asked_for_and_nothing_complains(
    chromium: Browser, pages: dict[str, Path], name: str, scheme: str
) -> None:
    page = chromium.new_page(color_scheme=scheme)
    heard: list[str] = []
    page.on("console", lambda message: heard.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: heard.append(f"error: {error}"))
    page.on("dialog", lambda dialog: heard.append(f"dialog: {dialog.message}"))
    page.on("request", lambda request: heard.append(request.url))
    page.goto(pages[name].as_uri())
    page.evaluate(OPEN_ALL)
    page.wait_for_load_state("networkidle")
    assert heard == [pages[name].as_uri()]
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_meets_aa_contrast(chromium: Browser, pages: dict[str, Path], scheme: str) -> None:
    page = opened(chromium, pages["cayley"], scheme=scheme)
    found = page.evaluate(LOW_CONTRAST)
    assert found["failures"] == []
    assert found["checked"] > 300
    page.close()


def test_the_two_schemes_differ(chromium: Browser, pages: dict[str, Path]) -> None:
    grounds = []
    for scheme in ("light", "dark"):
        page = opened(chromium, pages["cayley"], scheme=scheme)
        grounds.append(page.evaluate("() => getComputedStyle(document.body).backgroundColor"))
        page.close()
    assert grounds[0] == "rgb(255, 255, 255)" != grounds[1]


@pytest.mark.parametrize("name", ["cayley", "hostile"])
@pytest.mark.parametrize("width", [360, 700, 1200])
def test_the_page_never_scrolls_sideways(chromium: Browser, pages: dict[str, Path], name: str, width: int) -> None:
    page = opened(chromium, pages[name], width=width)
    wide, seen = page.evaluate(OVERFLOW)
    assert wide <= seen == width
    page.close()


@pytest.mark.parametrize("width", [360, 1200])
def test_no_text_of_a_chart_is_cut_off(chromium: Browser, pages: dict[str, Path], width: int) -> None:
    page = opened(chromium, pages["cayley"], width=width)
    assert page.evaluate(CLIPPED) == []
    page.close()


def test_a_table_scrolls_inside_itself_on_a_phone(chromium: Browser, pages: dict[str, Path]) -> None:
    page = opened(chromium, pages["cayley"], width=360)
    scrolling = page.evaluate("() => [...document.querySelectorAll('.scroll')].map(e => e.scrollWidth > e.clientWidth)")
    assert any(scrolling)
    page.close()


def test_headline_and_as_many_claims_as_the_ledger_holds_print_on_two_pages(chromium: Browser, tmp_path: Path) -> None:
    manifest, analysis = cayley()
    others = [claim.model_copy(update={"headline": False}) for claim in analysis.claims]
    many = analysis.claims + tuple(others[n % len(others)] for n in range(CLAIMS_ON_PAPER - len(others)))
    folder = tmp_path / "results" / "many"
    folder.mkdir(parents=True)
    file = render(Folder(folder, (manifest, analysis.model_copy(update={"claims": many}))), tmp_path / "reports")
    page = chromium.new_page()
    page.goto(file.as_uri())
    page.evaluate("() => document.querySelectorAll('#claims ~ section, footer').forEach(each => each.remove())")
    printed = page.pdf(format="A4", margin=dict.fromkeys(("top", "bottom", "left", "right"), "12mm"))
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) <= 2
    page.close()
