"""What the page's script adds to the claims: filters, sorting, links that open evidence; and the page without it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from report_chromium import CLIPPED, MARKS, OVERFLOW, launched, rendered
from report_helpers import cayley
from report_hostile import HOSTILE, RTL, hostile
from report_reading import Stored

from harness.report.words import CLAIM_MARKS

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = MARKS

SHOWN = "() => [...document.querySelectorAll('tbody.claim')].filter(e => !e.hidden).map(e => e.dataset.verdict)"
COLUMN = """
name => {
  const table = document.querySelector('table.claims');
  const place = [...table.tHead.rows[0].cells].findIndex(cell => cell.textContent.startsWith(name));
  return [...table.tBodies].map(body => body.rows[0].cells[place].textContent.trim());
}
"""
SORTED = "() => [...document.querySelectorAll('.claims th[aria-sort]')].map(e => [e.textContent, e.ariaSort])"
OPEN = "() => [...document.querySelectorAll('tbody.claim details[open] .panel')].map(e => e.id)"
STATUS = "#claims [role=status]"


def two_documents(stored: Stored) -> Stored:
    """The claims of one document are measured, those of the other numeric."""
    manifest, analysis = stored
    told = tuple(
        claim.model_copy(
            update={
                "document": "issues.md" if claim.id.startswith("sem_p0") else claim.document,
                "kind": "numeric" if claim.unit == "iterations" else "measured",
            }
        )
        for claim in analysis.claims
    )
    return manifest, analysis.model_copy(update={"claims": told})


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("pages")
    known = two_documents(cayley())
    return {name: rendered(root, name, stored) for name, stored in (("known", known), ("hostile", hostile(known)))}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.fixture
def tab(chromium: Browser, pages: dict[str, Path]) -> Iterator[Page]:
    shown = chromium.new_page(viewport={"width": 1280, "height": 800})
    shown.goto(pages["known"].as_uri())
    yield shown
    shown.close()


def anchor(tab: Page, words: str) -> str:
    """The anchor of the claim whose row holds these words."""
    return str(tab.locator("tbody.claim", has_text=words).locator(".panel").get_attribute("id"))


def test_the_answer_fits_one_screen(tab: Page) -> None:
    assert tab.evaluate("() => document.getElementById('headline').getBoundingClientRect().bottom") <= 800


def test_claims_are_filtered_by_verdict_kind_document_and_words_together(tab: Page) -> None:
    everything = tab.evaluate(SHOWN)
    assert tab.inner_text(STATUS) == f"{len(everything)} of {len(everything)} claims shown"
    tab.select_option("select[name=verdict]", "refuted")
    refuted = everything.count("refuted")
    assert tab.evaluate(SHOWN) == ["refuted"] * refuted
    assert tab.inner_text(STATUS) == f"{refuted} of {len(everything)} claims shown"
    tab.select_option("select[name=kind]", "numeric")
    assert tab.inner_text(STATUS).startswith("1 of")
    tab.select_option("select[name=document]", "sem_topology_report.md")
    assert tab.evaluate(SHOWN) == []
    tab.click("button[name=reset]")
    assert tab.evaluate(SHOWN) == everything
    tab.fill(".filters input", "  CACHING the csr ")
    assert tab.evaluate(SHOWN) == ["supported"]
    tab.fill(".filters input", "")
    assert tab.evaluate(SHOWN) == everything


def test_a_count_beside_the_answer_leads_to_its_claims(tab: Page) -> None:
    tab.fill(".filters input", "nothing has this")
    tab.click(".counts a[data-show=untested]")
    assert set(tab.evaluate(SHOWN)) == {"untested"}
    assert tab.input_value("select[name=verdict]") == "untested"


def test_a_click_on_a_head_sorts_by_its_numbers_and_a_second_one_the_other_way(tab: Page) -> None:
    tab.click("button:has-text('Stated')")
    assert tab.evaluate(SORTED) == [["Stated", "ascending"]]
    stated = [float(re.findall(r"\d+", text)[0]) for text in tab.evaluate(COLUMN, "Stated")]
    assert stated == sorted(stated)
    assert len(set(stated)) > 5
    tab.click("button:has-text('Measured')")
    assert [direction for _, direction in tab.evaluate(SORTED)] == ["ascending"]
    tab.click("button:has-text('Measured')")
    assert [direction for _, direction in tab.evaluate(SORTED)] == ["descending"]
    known = [text.replace("−", "-").split()[0] for text in tab.evaluate(COLUMN, "Measured")]
    numbers = [float(text) for text in known if text != "–"]
    assert numbers == sorted(numbers, reverse=True)
    assert numbers[-1] < 0
    assert known[len(numbers) :] == ["–"] * (len(known) - len(numbers)) != []


def test_words_and_verdicts_are_sorted_from_the_keyboard_and_an_open_row_stays_open(tab: Page) -> None:
    tab.locator("tbody.claim summary").first.click()
    [opened] = tab.evaluate(OPEN)
    tab.focus("button:has-text('Claim')")
    tab.keyboard.press("Enter")
    words = [text.lower() for text in tab.evaluate(COLUMN, "Claim")]
    assert words == sorted(words)
    assert tab.evaluate(OPEN) == [opened]
    tab.focus("button:has-text('Verdict')")
    tab.keyboard.press("Space")
    verdicts = tab.evaluate(SHOWN)
    assert verdicts == sorted(verdicts, key=list(CLAIM_MARKS).index)


def test_a_link_to_a_claim_opens_its_evidence_alone_and_brings_it_into_view(
    chromium: Browser, tab: Page, pages: dict[str, Path]
) -> None:
    name = anchor(tab, "Fused kernels save")
    assert name == "claim-sem-topology-fusion"
    linked = chromium.new_page(viewport={"width": 1280, "height": 800})
    linked.goto(f"{pages['known'].as_uri()}#{name}")
    assert linked.evaluate(OPEN) == [name]
    head = linked.locator("tbody.claim", has_text="Fused kernels save").locator("th").bounding_box()
    assert head is not None
    bar = linked.locator("nav").bounding_box()
    assert bar is not None
    assert bar["y"] == 0 <= bar["height"] <= head["y"] + 1
    assert head["y"] < 400
    assert "fusion" in linked.evaluate("() => document.activeElement.textContent")
    linked.close()


def test_a_link_to_a_claim_that_a_filter_hides_shows_it_again(tab: Page) -> None:
    name = anchor(tab, "The four changes save")
    tab.select_option("select[name=verdict]", "untested")
    tab.locator(f"#headline a[href='#{name}']").click()
    assert name in tab.evaluate(OPEN)
    assert tab.input_value("select[name=verdict]") == ""
    tab.select_option("select[name=verdict]", "untested")
    tab.locator(f"#headline a[href='#{name}']").click()
    assert tab.locator(f"#{name}").is_visible()


def test_every_row_has_a_link_of_its_own_that_can_be_copied(tab: Page) -> None:
    links = tab.locator("tbody.claim .source a")
    targets = [links.nth(n).get_attribute("href") for n in range(links.count())]
    assert len(set(targets)) == tab.locator("tbody.claim").count()
    assert all(target and tab.locator(target).count() == 1 for target in targets)


def test_evidence_opens_and_closes_from_the_keyboard_and_holds_dots_interval_stated_value_and_guards(
    tab: Page,
) -> None:
    row = tab.locator("tbody.claim", has_text="Cayley-Soliton consumes")
    row.locator("summary").focus()
    tab.keyboard.press("Enter")
    panel = row.locator(".panel")
    assert panel.is_visible()
    chart = panel.locator("svg.wide")
    assert chart.locator(".dot").count() == 6
    assert chart.locator("line.interval").count() == 1
    assert chart.locator("line.stated-line").count() == 1
    for words in ("Judged as", "Guard", "host stable", "Cell", "To repeat it", "semh run suites/cayley.yaml"):
        assert words in panel.inner_text()
    tab.keyboard.press("Space")
    assert not panel.is_visible()


def test_all_evidence_opens_and_closes_at_once(tab: Page) -> None:
    tab.click("button[name=unfold]")
    assert len(tab.evaluate(OPEN)) == tab.locator("tbody.claim").count()
    assert tab.get_attribute("button[name=unfold]", "aria-expanded") == "true"
    tab.click("button:has-text('Close all evidence')")
    assert tab.evaluate(OPEN) == []


def test_the_questions_stay_on_top(tab: Page) -> None:
    tab.click("nav a[href='#trust']")
    heading = tab.locator("#trust h2").bounding_box()
    bar = tab.locator("nav").bounding_box()
    assert heading and bar
    assert bar["y"] == 0
    assert bar["height"] <= heading["y"] < 120


def test_without_the_script_everything_is_read_and_a_link_still_opens_its_evidence(
    chromium: Browser, pages: dict[str, Path]
) -> None:
    context = chromium.new_context(java_script_enabled=False, viewport={"width": 1280, "height": 800})
    tab = context.new_page()
    tab.goto(f"{pages['known'].as_uri()}#claim-sem-topology-jacobi")
    assert tab.locator("tbody.claim").count() == 9
    assert all(tab.locator("tbody.claim").nth(n).is_visible() for n in range(9))
    assert not tab.locator(".filters").is_visible()
    assert tab.locator("main button:visible").count() == 0
    assert tab.locator("#claim-sem-topology-jacobi svg.wide").is_visible()
    assert tab.locator("details[open]").count() == 1
    context.close()


def test_a_run_that_went_wrong_reads_correctly(tab: Page) -> None:
    verdicts = {"refuted": 3, "qualified": 1, "supported": 1, "inconclusive": 1, "invalid": 1, "untested": 2}
    assert {word: tab.evaluate(SHOWN).count(word) for word in verdicts} == verdicts
    invalid = tab.locator("tbody.claim[data-verdict=invalid]")
    assert "Output error 0.4 beyond its tolerance." in invalid.inner_text()
    assert invalid.locator(".fact td").nth(2).inner_text() == "–"
    assert invalid.locator("svg").count() == 0
    inconclusive = tab.locator("tbody.claim[data-verdict=inconclusive]")
    assert "about 14 trials would settle it" in inconclusive.inner_text()
    untested = tab.locator("tbody.claim[data-verdict=untested]").first
    assert "tested by semh run suites/wide.yaml --preset quick" in untested.inner_text()
    assert "timed out: no answer after 120 s" in tab.inner_text("main")
    assert [text.split()[0] for text in tab.locator(".counts a").all_inner_texts()] == ["3", "1", "1", "1", "1", "2"]


def test_hostile_names_do_nothing_while_the_script_runs(chromium: Browser, pages: dict[str, Path]) -> None:
    tab = chromium.new_page(viewport={"width": 360, "height": 800})
    heard: list[str] = []
    tab.on("console", lambda message: heard.append(message.text))
    tab.on("pageerror", lambda error: heard.append(str(error)))
    tab.on("dialog", lambda dialog: heard.append(dialog.message))
    tab.on("request", lambda request: heard.append(request.url))
    tab.goto(pages["hostile"].as_uri())
    number = tab.locator("tbody.claim").count()
    tab.fill(".filters input", '<script>alert("x")</script>')
    assert tab.inner_text(STATUS) == f"{number} of {number} claims shown"
    tab.fill(".filters input", RTL)
    assert 0 < len(tab.evaluate(SHOWN)) <= number
    tab.click("button[name=reset]")
    tab.select_option("select[name=verdict]", "refuted")
    assert set(tab.evaluate(SHOWN)) == {"refuted"}
    tab.click("button:has-text('Claim')")
    tab.click("button[name=unfold]")
    tab.evaluate("() => { location.hash = '#<img src=x onerror=alert(1)>' }")
    tab.evaluate("() => { location.hash = '#../../etc' }")
    tab.evaluate("() => { location.hash = '#%zz' }")
    assert tab.locator("script").count() == 1
    assert tab.locator("img").count() == 0
    assert HOSTILE[:25] in tab.inner_text("h1")
    wide, seen = tab.evaluate(OVERFLOW)
    assert wide <= seen == 360
    tab.wait_for_load_state("networkidle")
    assert heard == [pages["hostile"].as_uri()]
    tab.close()


@pytest.mark.parametrize("width", [360, 1280])
def test_a_claim_at_a_glance_is_not_cut_off(chromium: Browser, pages: dict[str, Path], width: int) -> None:
    tab = chromium.new_page(viewport={"width": width, "height": 800})
    tab.goto(pages["known"].as_uri())
    assert tab.locator("#headline svg.strip").count() == 2
    assert tab.evaluate(CLIPPED) == []
    tab.close()
