"""The documents: facts present, in order, harmless, self-contained."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from report_claims import verdict
from report_helpers import Folder, cayley, withheld
from report_hostile import hostile
from report_reading import Page, Stored, printed, written

from harness.records import Analysis, Interval
from harness.report import html, markdown, numbers, render, words
from harness.report.cells_view import ENDINGS
from harness.report.shown import Table
from harness.report.terminal import summary
from harness.report.text import label, safe
from harness.report.view import DECIDED, view

WITHHELD = "noise floor 4.1 % above the margin of 2 %"


@pytest.fixture(scope="module")
def stored() -> Stored:
    return cayley()


@pytest.fixture(scope="module")
def parsed(stored: Stored) -> Page:
    return Page(html.page(view(*stored)))


@pytest.fixture(scope="module")
def document(stored: Stored) -> str:
    return markdown.document(view(*stored))


def test_writes_the_documents_and_every_figure_they_link(tmp_path: Path, stored: Stored) -> None:
    folder = written(tmp_path, stored)
    linked = set(re.findall(r"\]\(([^)]+\.svg)\)", (folder / "report.md").read_text()))
    assert linked == {file.name for file in folder.glob("*.svg")} != set()
    for file in folder.glob("*.svg"):
        ET.fromstring(file.read_text(encoding="utf-8"))


def test_rendering_again_gives_the_same_bytes_and_drops_stale_figures(tmp_path: Path, stored: Stored) -> None:
    folder = written(tmp_path, stored)
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    (folder / "old.svg").write_text("<svg/>")
    render(Folder(tmp_path / "results" / folder.name, stored), tmp_path / "reports")
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_the_run_named_by_its_folder_stays_inside_reports(tmp_path: Path, stored: Stored) -> None:
    written(tmp_path, hostile(stored))
    outside = [file for file in tmp_path.rglob("*") if file.is_file() and "reports" not in file.parts]
    assert outside == []
    assert [folder.name for folder in (tmp_path / "reports").iterdir()] == ["cayley-20261121-232000-00c0"]


def test_data_files_are_linked_relative_to_the_report(tmp_path: Path, stored: Stored) -> None:
    folder = written(tmp_path, stored)
    links = [a["href"] or "" for tag, a in Page((folder / "report.html").read_text()).tags if tag == "a"]
    data = [link for link in links if not link.startswith("#")]
    assert data == [
        f"../../results/cayley-20261121-232000-00c0/{name}" for name in ("manifest.json", "analysis.json", "trials/")
    ]


def headline_facts(analysis: Analysis) -> list[str]:
    claims = [claim for claim in analysis.claims if claim.headline]
    facts = [claim.statement for claim in claims]
    facts += [numbers.with_interval(claim.measured, unit="%") for claim in claims if claim.measured]
    return [*facts, "about 78 %", "at least 43 %", "n = 6 trials", "refuted", "qualified", "24.4 %", "at least 16.6 %"]


def test_both_documents_begin_with_the_headline(stored: Stored, parsed: Page, document: str) -> None:
    for fact in headline_facts(stored[1]):
        assert fact in parsed.text[: parsed.text.index("judged one by one")]
        assert fact in document[: document.index("## Claims")]


def test_both_documents_keep_the_order_of_sections(parsed: Page, document: str) -> None:
    titles = [
        "Headline",
        "Claims",
        "Where does the time go?",
        "What did each change do?",
        "How far from the limit?",
        "What did every cell measure?",
        "Can I trust",
        "How can I repeat it?",
    ]
    for title in titles:
        assert f"## {title}" in document
    assert [document.index(f"## {title}") for title in titles] == sorted(document.index(f"## {t}") for t in titles)
    sections = [a["id"] for tag, a in parsed.tags if tag == "section" and a.get("id")]
    assert sections == ["headline", "claims", "time", "changes", "limits", "cells", "trust", "repeat"]


def test_every_contrast_stands_in_both_with_interval_and_verdict(stored: Stored, parsed: Page, document: str) -> None:
    contrasts = [each for part in stored[1].parts for each in part.contrasts if each.verdict in ("faster", "slower")]
    assert len(contrasts) > 10
    for each in contrasts:
        assert each.ratio is not None
        shown = numbers.with_interval(each.ratio)
        assert shown in parsed.text
        assert re.search(rf"{re.escape(shown)}.*", document)
        assert numbers.change(each.ratio) in parsed.text


def test_no_ratio_is_printed_of_a_cell_whose_outputs_are_wrong(stored: Stored, parsed: Page, document: str) -> None:
    invalid = next(each for part in stored[1].parts for each in part.contrasts if each.verdict == "invalid")
    assert invalid.ratio is not None
    shown = numbers.with_interval(invalid.ratio)
    assert shown not in parsed.text
    assert shown not in document
    assert "output error 0.4 beyond 2e-6" in parsed.text


def test_a_failed_cell_and_a_stalled_solver_are_said_plainly(parsed: Page, document: str) -> None:
    for source in (parsed.text, document):
        assert "gave no time, timed out: no answer after 120 s" in source
        assert (
            "The solver stalled short of its tolerance, so that the time is that of an unfinished computation" in source
        )
        assert "in 1 cell: adaptive + compiled (residual 3.2e-3 after 50 iterations)" in source


def test_untested_claims_say_why_and_what_would_test_them(parsed: Page, document: str) -> None:
    for source in (parsed.text, document):
        assert "his suite runs no training step" in source
        assert "semh run suites/wide.yaml --preset quick" in source


def test_stages_stand_beside_the_stated_share_with_sum_and_residual(
    stored: Stored, parsed: Page, document: str
) -> None:
    closure = stored[1].parts[1].cells[0].closure
    assert closure is not None
    total = numbers.in_digits_of(1 - closure.point, closure)
    sentence = (
        f"status quo: sum of the stages {float(total) * 100:.2f} % of end to end, "
        f"residual {numbers.percent(closure)} of the whole, n = 6 trials (goal under 3 %: met)."
    )
    assert sentence in parsed.text
    assert sentence in document
    assert "stated about 78 %" in parsed.text


def test_a_stated_share_stands_beside_the_very_cell_it_speaks_of(stored: Stored) -> None:
    manifest, analysis = stored
    before = next(c for c in analysis.claims if (c.cell, c.stage, c.relation) == ("t0", "propagator", "about"))
    after = before.model_copy(update={"id": "after", "cell": "t1", "stated": 61.0})
    claims = (*tuple(c for c in analysis.claims if c.cell != "t1"), after)
    text = markdown.document(view(manifest, analysis.model_copy(update={"claims": claims})))
    rows = [line for line in text.splitlines() if "| propagator | forward |" in line]
    assert [re.search(r"about (\d+) %", row)[1] for row in rows] == ["78", "61"]


def test_conditions_threads_and_device_stand_with_every_part(parsed: Page, document: str) -> None:
    for source in (parsed.text, document):
        assert "sem_propagator, forward, P 2048, rows 512, dt 0.1, training_step 0, 1 thread, cpu" in source
        assert "sem, size document, forward, batch_size 1, seq_len 512, 1 thread, cpu" in source


def test_what_stood_guard_is_reported(parsed: Page, document: str) -> None:
    for source in (parsed.text, document):
        for fact in (
            "Noise floor: larger end of the control's interval",
            "Canary, second reading over first",
            "lost share 0.061 beyond 0.02",
            "57 were undisturbed throughout",
            "process 4, trial 2 of stage, attempt 1: process ended",
            "no performance counters; no CUDA device",
            "Cells steady after warm-up",
            "0123abc, with uncommitted changes",
        ):
            assert fact in source


def test_the_evidence_of_a_claim_shows_readings_guards_cells_and_command(parsed: Page) -> None:
    evidence = parsed.text[parsed.text.index("Why refuted") : parsed.text.index("Why qualified")]
    for fact in (
        "n = 6 trials",
        "give or take 3 %",
        "status quo (total), stage propagator",
        "host stable, noise floor 0.33 %",
        "agrees with the float64 oracle: error 2.3e-7, tolerance 2e-6 (suite size)",
        "the stages sum to the whole but for 1.27 %",
        "semh run suites/cayley.yaml --preset quick",
    ):
        assert fact in evidence


@pytest.mark.parametrize(
    ("trials", "preset", "stable", "title", "remedy"),
    [
        (6, "quick", False, "Ratios are not called: unstable host", "semh run cayley --preset full"),
        (10, "full", False, "Ratios are not called: unstable host", "semh run cayley --preset rigorous"),
        (10, "rigorous", False, "Ratios are not called: unstable host", "semh doctor"),
        (2, "smoke", True, "No verdicts: this is a smoke run", "semh run cayley"),
    ],
)
def test_withheld_verdicts_are_announced_before_any_number(
    trials: int, preset: str, stable: bool, title: str, remedy: str
) -> None:
    stored = withheld(cayley(n=trials, preset=preset), WITHHELD, stable=stable)
    report = view(*stored)
    assert report.alerts[0].remedy == remedy
    text, document = Page(html.page(report)).text, markdown.document(report)
    terminal = printed(summary(*stored, Path("report.html")))
    for source in (text, document, terminal):
        first = source[: source.index("Cayley-Soliton consumes")]
        assert title in first
        assert remedy in first
    assert "▼ faster" not in document + terminal
    assert "□ withheld" in document


def test_an_early_end_and_an_unfinished_run_are_announced(stored: Stored) -> None:
    manifest, analysis = stored
    fewer = analysis.model_copy(update={"trials_done": 4})
    restricted = {"only": ("all*",), "settings": {"dt": 0.5}, "max_minutes": 5.0, "suite_file": "my suites/a.yaml"}
    plan = manifest.plan.model_copy(update=restricted)
    said = "semh run 'my suites/a.yaml' --only 'all*' --set dt=0.5"
    early = view(manifest.model_copy(update={"stopped_early": "time budget", "plan": plan}), fewer)
    assert early.alerts[0].remedy == said
    assert early.alerts[0].reasons == ("4 of 6 planned trials done (time budget): intervals are wider than planned.",)
    running = view(manifest.model_copy(update={"state": "running"}), fewer)
    assert running.alerts[0].remedy == "semh run cayley --resume"
    running = view(manifest.model_copy(update={"state": "running", "plan": plan}), fewer)
    assert running.alerts[0].remedy == f"{said} --max-minutes 5 --resume"
    unstable = withheld((manifest.model_copy(update={"plan": plan}), analysis), WITHHELD, stable=False)
    assert view(*unstable).alerts[0].remedy == said.replace(" --only", " --preset full --only") + " --max-minutes 5"


def test_the_claims_of_the_markdown_name_part_and_cell_the_page_the_whole_scope(
    stored: Stored, parsed: Page, document: str
) -> None:
    table = document[document.index("## Claims") : document.index("To test")]
    for claim in stored[1].claims:
        assert claim.scope in parsed.text
        assert claim.scope not in table
    [share] = [row for row in table.splitlines() if "Cayley-Soliton consumes" in row]
    assert share.split(" | ")[6] == "total, status quo"
    [wide] = [row for row in table.splitlines() if "untested |" in row][:1]
    assert wide.split(" | ")[6] == "–"


def test_every_word_for_an_unsolved_cell_is_one_a_solver_says() -> None:
    said = (Path(__file__).parent.parent / "sem_impl" / "solved.py").read_text()
    assert [word for word in words.UNSOLVED_MARKS if f'"{word}"' not in said] == []
    assert set(ENDINGS) <= set(words.UNSOLVED_MARKS)


def test_memory_at_rest_is_read_after_a_first_call(parsed: Page, document: str) -> None:
    for source in (parsed.text, document):
        assert "At rest, MiB" in source and "a first call done" in source
        assert "efore the first call" not in source


def test_a_dead_switch_is_named_as_dead(stored: Stored) -> None:
    manifest, analysis = stored
    part = analysis.parts[0].model_copy(update={"dead_switches": ("kernels",)})
    report = view(manifest, analysis.model_copy(update={"parts": (part, analysis.parts[1])}))
    assert "Dead switch: kernels." in Page(html.page(report)).text
    assert "Dead switch: kernels." in markdown.document(report)


def test_a_suite_without_headline_leads_with_all_changes_together(stored: Stored) -> None:
    manifest, analysis = stored
    report = view(manifest, analysis.model_copy(update={"claims": ()}))
    assert report.headline == ()
    assert ["4 changes" in line and "faster" in line for line in report.changes] == [True, True]
    assert "This suite names no claims." in Page(html.page(report)).text


def test_where_nothing_is_changed_together_the_largest_effects_lead(stored: Stored) -> None:
    manifest, analysis = stored
    stage = next(part for part in analysis.parts if part.part == "stage")
    apart = tuple(each for each in stage.contrasts if len(each.changes) < 4)
    alone = stage.model_copy(update={"contrasts": apart})
    report = view(manifest, analysis.model_copy(update={"claims": (), "parts": (alone,)}))
    ratios = [float(re.search(r": ([0-9.]+) \[", line)[1]) for line in report.changes]
    assert len(ratios) == 6
    assert ratios[0] == pytest.approx(min(each.ratio.point for each in apart if each.ratio), rel=0.01)


def test_a_suite_whose_claims_name_no_headline_leads_with_those_it_decided(stored: Stored) -> None:
    manifest, analysis = stored
    told = tuple(claim.model_copy(update={"headline": False}) for claim in analysis.claims)
    report = view(manifest, analysis.model_copy(update={"claims": told}))
    assert report.headline == tuple(each for each in report.claims if each.mark.word in DECIDED)[:3] != ()
    assert report.changes
    untold = tuple(claim.model_copy(update={"verdict": "untested"}) for claim in told)
    assert view(manifest, analysis.model_copy(update={"claims": untold})).headline == ()


def test_sentences_set_percent_signs_apart_and_names_keep_theirs() -> None:
    assert safe("noise floor 5.5% is above 5.0%, of 81.7%.") == "noise floor 5.5 % is above 5.0 %, of 81.7 %."
    assert safe("5.5 % stays, and so does 50%_quantile") == "5.5 % stays, and so does 50%_quantile"
    assert label("dropout 10%") == "dropout 10%"


def test_a_table_longer_than_a_screen_is_folded(stored: Stored) -> None:
    report = view(*stored)
    section = next(each for each in report.sections if each.name == "trust")
    checks = next(item for item in section.blocks[0].items if isinstance(item, Table))
    row = checks.rows[0]
    for count, folded in ((24, False), (25, True)):
        block = replace(section.blocks[0], items=(replace(checks, caption="Long", rows=(row,) * count),))
        shown = html.page(replace(report, sections=(replace(section, blocks=(block,)),)))
        assert ("<details><summary>Long</summary>" in shown) == folded


def test_a_counted_number_without_a_unit_has_no_gap(stored: Stored) -> None:
    manifest, analysis = stored
    counted = {"counted": True, "unit": "", "measured": Interval(point=0.577, low=0.577, high=0.577, n=6)}
    told = tuple(claim.model_copy(update=counted) for claim in analysis.claims if claim.verdict == "refuted")
    shown = view(manifest, analysis.model_copy(update={"claims": told})).claims
    assert {claim.measured for claim in shown} == {"0.577 (counted)"}


def test_a_run_in_which_nothing_was_measured_still_renders(tmp_path: Path, stored: Stored) -> None:
    manifest, analysis = stored
    parts = tuple(
        part.model_copy(
            update={
                "control": None,
                "floor": None,
                "canary": None,
                "canary_spread": None,
                "order_effect": None,
                "effects": (),
                "shapley": (),
                "contrasts": (),
                "cells": tuple(
                    cell.model_copy(
                        update={"time_s": None, "outcome": "not run", "peak_bytes": None, "stages": (), "steady": None}
                    )
                    for cell in part.cells
                ),
            }
        )
        for part in analysis.parts
    )
    empty = analysis.model_copy(update={"parts": parts, "trials_done": 0})
    text = (written(tmp_path, (manifest, empty)) / "report.md").read_text()
    assert "no control cell, so no noise floor" in text
    assert "timed no stages and read no peak memory" in text


def test_one_trial_has_no_interval_and_says_so(stored: Stored) -> None:
    manifest, analysis = stored
    once = Interval(point=24.13, low=24.13, high=24.13, n=1)
    claim = verdict(
        id="a.b", statement="s", stated=78, verdict="untested", measured=once, trials=(24.1,), reason="one trial"
    )
    report = view(manifest, analysis.model_copy(update={"claims": (claim,)}))
    text = Page(html.page(report)).text
    assert "24 % [no interval]" in text
    assert "24.13" not in text
