"""The page as a browser shows it: both colour schemes, a phone, paper."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from golden_run import stored as golden
from report_chromium import CLIPPED, LOW_CONTRAST, MARKS, OPEN_ALL, OVERFLOW, launched, opened, rendered
from report_helpers import cayley
from report_hostile import hostile

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CLAIMS_ON_PAPER = 43

pytestmark = MARKS


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("pages")
    stored = {"cayley": cayley(), "hostile": hostile(cayley()), "beyond": golden()[:2]}
    return {name: rendered(root, name, each) for name, each in stored.items()}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.mark.parametrize("name", ["cayley", "hostile", "beyond"])
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


@pytest.mark.parametrize("name", ["cayley", "beyond"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_meets_aa_contrast(chromium: Browser, pages: dict[str, Path], scheme: str, name: str) -> None:
    page = opened(chromium, pages[name], scheme=scheme)
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


@pytest.mark.parametrize("name", ["cayley", "hostile", "beyond"])
@pytest.mark.parametrize("width", [360, 700, 1200])
def test_the_page_never_scrolls_sideways(chromium: Browser, pages: dict[str, Path], name: str, width: int) -> None:
    page = opened(chromium, pages[name], width=width)
    wide, seen = page.evaluate(OVERFLOW)
    assert wide <= seen == width
    page.close()


@pytest.mark.parametrize("name", ["cayley", "beyond"])
@pytest.mark.parametrize("width", [360, 1200])
def test_no_text_of_a_chart_is_cut_off(chromium: Browser, pages: dict[str, Path], width: int, name: str) -> None:
    page = opened(chromium, pages[name], width=width)
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
    file = rendered(tmp_path, "many", (manifest, analysis.model_copy(update={"claims": many})))
    page = chromium.new_page()
    page.goto(file.as_uri())
    page.evaluate("() => document.querySelectorAll('#claims ~ section, footer').forEach(each => each.remove())")
    printed = page.pdf(format="A4", margin=dict.fromkeys(("top", "bottom", "left", "right"), "12mm"))
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) <= 2
    page.close()
