"""Every table of contrasts: effect, interval, n, floor, what it could have seen, its word, and what would settle it."""

from __future__ import annotations

from pathlib import Path

import pytest
from report_helpers import cayley
from report_reading import Page, Stored, printed

from harness.records import Contrast
from harness.report import html, markdown, numbers
from harness.report.shown import Table
from harness.report.terminal import summary
from harness.report.view import view

FOUR = ("encoder", "mixer", "propagator", "head")


def staged(stored: Stored, **changes: dict[str, object]) -> Stored:
    """The total part with its cell's four stages; `changes` by stage."""
    manifest, analysis = stored
    stage, total = analysis.parts
    whole = total.contrasts[0]
    usual = {"verdict": "same", "floor": 0.0123, "p_value": 1.0, "adjusted_p": 1.0, "detectable": 0.0345}
    contrasts = tuple(whole.model_copy(update={**usual, "stage": name, **changes.get(name, {})}) for name in FOUR)
    parts = (stage, total.model_copy(update={"stage_contrasts": contrasts, "family": 19}))
    return manifest, analysis.model_copy(update={"parts": parts})


def changed(stored: Stored, number: int, **update: object) -> Stored:
    """One contrast of the stage part, made over."""
    manifest, analysis = stored
    stage, total = analysis.parts
    contrasts = [each.model_copy(update=update) if at == number else each for at, each in enumerate(stage.contrasts)]
    parts = (stage.model_copy(update={"contrasts": tuple(contrasts)}), total)
    return manifest, analysis.model_copy(update={"parts": parts})


def tables(stored: Stored) -> list[Table]:
    section = next(section for section in view(*stored).sections if section.name == "changes")
    return [item for block in section.blocks for item in block.items if isinstance(item, Table)]


def row_of(table: Table, contrast: Contrast) -> dict[str, str]:
    assert contrast.ratio is not None
    shown = numbers.with_interval(contrast.ratio)
    row = next(row for row in table.rows if shown in [entry.text for entry in row])
    texts = [f"{entry.text}{entry.mark.word if entry.mark else ''}{entry.note}" for entry in row]
    return dict(zip([column.title for column in table.columns], texts, strict=True))


def everywhere(stored: Stored) -> tuple[str, str, str]:
    report = view(*stored)
    terminal = " ".join(printed(summary(*stored, Path("r.html"))).split())
    return Page(html.page(report)).text, markdown.document(report), terminal


@pytest.fixture(scope="module")
def stored() -> Stored:
    return cayley()


def test_an_inconclusive_contrast_says_what_it_is_and_what_would_settle_it(stored: Stored) -> None:
    update = {
        "verdict": "inconclusive",
        "n_to_settle": 17,
        "reason": "alone it would be faster; among 60 contrasts chance would do this (adjusted p 0.3)",
        "floor": 0.0041,
        "detectable": 0.0567,
        "hodges_lehmann": 0.7812,
    }
    made = changed(stored, 0, **update)
    contrast = made[1].parts[0].contrasts[0]
    row = row_of(next(table for table in tables(made) if table.caption == "Effects"), contrast)
    assert row["Change"].endswith("among 60 contrasts chance would do this (adjusted p 0.3)")
    assert row["Verdict"] == "inconclusive"
    assert (row["Floor, %"], row["Detectable, %"], row["n to settle"]) == ("0.41", "5.7", "17")
    assert (row["n, trials"], row["Hodges-Lehmann"], row["Blocks kept"]) == ("6", "0.781", "57 of 60")
    page, document, terminal = everywhere(made)
    for source in (page, document):
        assert "alone it would be faster" in source
    assert "6 of 17 5.7% ○ inconclusive" in terminal
    never = changed(stored, 0, **update | {"n_to_settle": None})
    assert "6 of over 1000" in everywhere(never)[2]


def test_process_time_a_stray_trial_and_disturbed_samples_stand_in_the_row(stored: Stored) -> None:
    for update, words in (
        ({"clock": "cpu"}, "by CPU time"),
        ({"degraded": True, "verdict": "withheld"}, "degraded"),
        ({"stray": True, "hodges_lehmann": 0.7654}, "stray"),
    ):
        page, document, terminal = everywhere(changed(stored, 0, **update))
        for source in (page, document, terminal):
            assert words in source
        assert words not in everywhere(stored)[2]
    assert "0.765" in terminal
    told = {"clock": "cpu", "reason": "8 of 12 pairs were disturbed: compared by process CPU time, over all of them"}
    assert "; by CPU time" not in everywhere(changed(stored, 0, **told))[1]


def test_stages_that_were_decided_or_whose_cell_was_have_a_table_and_the_others_are_folded(stored: Stored) -> None:
    decided = staged(stored)
    (table,) = [table for table in tables(decided) if "Stage" in [column.title for column in table.columns]]
    assert [row[1].text for row in table.rows] == list(FOUR)
    assert not table.folded
    manifest, analysis = staged(stored, propagator={"verdict": "slower", "reason": "", "floor": 0.0077})
    stage, total = analysis.parts
    same = tuple(each.model_copy(update={"verdict": "same"}) for each in total.contrasts)
    apart = manifest, analysis.model_copy(update={"parts": (stage, total.model_copy(update={"contrasts": same}))})
    first, second = [table for table in tables(apart) if "Stage" in [column.title for column in table.columns]]
    assert ([row[1].text for row in first.rows], first.folded) == (["propagator"], False)
    assert ([row[1].text for row in second.rows], second.folded) == (["encoder", "mixer", "head"], True)
    page, document, terminal = everywhere(apart)
    assert f"<summary>{second.caption}" in html.page(view(*apart))
    assert "propagator forward" in terminal and "0.77%" in terminal and "encoder forward" not in terminal
    assert first.caption in page and first.caption in document


def test_a_long_table_beside_the_point_is_left_to_the_page(stored: Stored) -> None:
    manifest, analysis = staged(stored)
    stage, total = analysis.parts
    many = tuple(each.model_copy(update={"cell": "elsewhere"}) for each in total.stage_contrasts * 6)
    total = total.model_copy(update={"stage_contrasts": many})
    made = manifest, analysis.model_copy(update={"parts": (stage, total)})
    caption = "Stages in which nothing was decided"
    assert f"**{caption}**: 24 rows, in report.html." in markdown.document(view(*made))
    assert caption in html.page(view(*made))


def test_a_stage_that_was_withheld_says_why_in_its_row(stored: Stored) -> None:
    why = "too short for its clock: 8.2 us, 20 us would do"
    made = staged(stored, encoder={"verdict": "withheld", "reason": why})
    assert why in everywhere(made)[0]


def test_the_size_of_the_family_stands_beside_what_could_be_seen(stored: Stored) -> None:
    page, document, terminal = everywhere(staged(stored))
    for source in (page, document):
        assert "19 contrasts of this run, stages too, were judged together" in source
        assert "were it the only one among 19 contrasts." in source
    assert "were it the only one among 19 contrasts" in terminal
    assert max(len(line) for line in printed(summary(*staged(stored), Path("r.html"))).splitlines()) <= 80
