"""Who cannot see the page, or prints it: names, labels, landmarks, order of headings, focus, and what paper shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from report_chromium import LOW_CONTRAST, MARKS, OPEN_ALL, launched, rendered
from report_helpers import cayley
from report_hostile import hostile

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = MARKS

FAULTS = r"""
() => {
  const all = selector => [...document.querySelectorAll(selector)];
  const seen = selector => all(selector).filter(node => node.checkVisibility());
  const found = [];
  const wrong = (rule, nodes) => nodes.forEach(node => found.push(`${rule}: ${node.outerHTML.slice(0, 160)}`));
  const referred = (node, name) => (node.getAttribute(name) || "").split(" ").filter(Boolean)
    .map(id => document.getElementById(id));
  const named = node => (node.getAttribute("aria-label") || "").trim()
    || referred(node, "aria-labelledby").map(each => each && each.textContent.trim()).join("")
    || (node.labels && [...node.labels].map(each => each.textContent.trim()).join(""))
    || node.textContent.trim();
  const ids = all("[id]").map(node => node.id);
  wrong("duplicate id", all("[id]").filter(node => ids.indexOf(node.id) !== ids.lastIndexOf(node.id)));
  wrong("no name", seen("a[href], button, summary, [role=group], [role=search], [role=img], nav")
    .filter(node => !named(node)));
  wrong("no label", seen("select, input").filter(node => !(node.labels && node.labels.length)));
  wrong("refers to nothing", ["aria-labelledby", "aria-describedby", "aria-controls"].flatMap(
    name => all(`[${name}]`).filter(node => referred(node, name).some(each => !each))));
  wrong("link to nowhere", all("a[href^='#']").filter(node => !document.getElementById(node.hash.slice(1))));
  wrong("scrolls without focus", seen(".scroll, pre").filter(n => n.scrollWidth > n.clientWidth && n.tabIndex < 0));
  wrong("tab order", all("[tabindex]").filter(node => node.tabIndex > 0));
  wrong("head without scope", all("table th").filter(node => !node.getAttribute("scope")));
  wrong("table without heads", all("table").filter(node => !node.querySelector("thead th")));
  wrong("image without role", all("svg").filter(node => node.getAttribute("role") !== "img"));
  wrong("small target", seen("button, select, input, nav a").filter(n => n.getBoundingClientRect().height < 24
    && !n.closest("th")));
  const levels = seen("h1, h2, h3, h4, h5, h6").map(node => Number(node.tagName[1]));
  levels.forEach((level, n) => {
    if (n && level > levels[n - 1] + 1) found.push(`heading: h${level} after h${levels[n - 1]}`);
  });
  for (const [what, number] of [["main", 1], ["h1", 1], ["body > header", 1], ["body > footer", 1], ["nav", 1]])
    if (seen(what).length !== number) found.push(`${seen(what).length} of ${what}`);
  const loose = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (loose.nextNode()) {
    const node = loose.currentNode.parentElement;
    if (loose.currentNode.data.trim() && !node.closest("main, header, footer, nav, script, .skip"))
      found.push(`outside of all landmarks: ${loose.currentNode.data.trim().slice(0, 60)}`);
  }
  if (!document.documentElement.lang) found.push("no language");
  return found;
}
"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("pages")
    stored = {"cayley": cayley(), "hostile": hostile(cayley())}
    return {name: rendered(root, name, each) for name, each in stored.items()}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.mark.parametrize("name", ["cayley", "hostile"])
@pytest.mark.parametrize("width", [360, 1280])
def test_everything_has_a_name_a_place_and_an_order(
    chromium: Browser, pages: dict[str, Path], name: str, width: int
) -> None:
    page = chromium.new_page(viewport={"width": width, "height": 800})
    page.goto(pages[name].as_uri())
    assert page.evaluate(FAULTS) == []
    page.evaluate(OPEN_ALL)
    assert page.evaluate(FAULTS) == []
    page.close()


def test_the_check_itself_finds_what_is_wrong(chromium: Browser, pages: dict[str, Path]) -> None:
    page = chromium.new_page()
    page.goto(pages["cayley"].as_uri())
    page.evaluate(
        """() => {
          const add = (parent, tag, given) => parent.appendChild(Object.assign(document.createElement(tag), given));
          const main = document.querySelector("main");
          add(main, "a", {href: "#nowhere"});
          add(main, "h5", {textContent: "deep"});
          add(main, "input", {id: "claims"});
          add(document.body, "p", {textContent: "loose"});
        }"""
    )
    said = " ".join(page.evaluate(FAULTS))
    for rule in ("no name", "link to nowhere", "heading: h5", "no label", "duplicate id", "outside of all landmarks"):
        assert rule in said
    page.close()


def test_questions_head_the_sections(chromium: Browser, pages: dict[str, Path]) -> None:
    page = chromium.new_page()
    page.goto(pages["cayley"].as_uri())
    headings = page.locator("main > section > h2").all_text_contents()
    assert len(headings) == page.locator("main > section").count() > 6
    assert [heading for heading in headings if not heading.endswith("?")] == []
    page.close()


def test_the_first_key_leads_past_the_navigation_and_focus_is_seen(chromium: Browser, pages: dict[str, Path]) -> None:
    page = chromium.new_page()
    page.goto(pages["cayley"].as_uri())
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.textContent") == "Skip to the answer"
    box = page.locator(".skip").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    outline = "() => ['outlineStyle', 'outlineWidth'].map(name => getComputedStyle(document.activeElement)[name])"
    for _ in range(12):
        page.keyboard.press("Tab")
        assert page.evaluate(outline) == ["solid", "2px"]
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_fields_and_heads_meet_aa_contrast_too(chromium: Browser, pages: dict[str, Path], scheme: str) -> None:
    page = chromium.new_page(color_scheme=scheme)
    page.goto(f"{pages['cayley'].as_uri()}#claim-sem-topology-fusion")
    page.click("button:has-text('Stated')")
    assert page.evaluate(LOW_CONTRAST)["failures"] == []
    page.close()


def test_paper_shows_every_claim_in_black_on_white_with_its_evidence_closed(
    chromium: Browser, pages: dict[str, Path]
) -> None:
    page = chromium.new_page(color_scheme="dark")
    page.goto(pages["cayley"].as_uri())
    page.evaluate(OPEN_ALL)
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("() => getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate(LOW_CONTRAST)["failures"] == []
    for hidden in ("nav", ".filters", "#claims details"):
        assert not any(page.locator(hidden).nth(n).is_visible() for n in range(page.locator(hidden).count()))
    assert page.locator("tbody.claim tr.fact:visible").count() == page.locator("tbody.claim").count() == 9
    page.close()


def test_what_comes_after_the_claims_begins_a_new_page(chromium: Browser, pages: dict[str, Path]) -> None:
    page = chromium.new_page()
    page.goto(pages["cayley"].as_uri())

    def printed() -> int:
        return len(re.findall(rb"/Type\s*/Page\b", page.pdf(format="A4")))

    whole = printed()
    page.evaluate("() => document.querySelectorAll('#claims ~ section, footer').forEach(each => each.remove())")
    assert printed() <= 2 < whole
    page.close()
