"""What probes read, on the first screen of every document: in words, drawn, and in a table."""

from __future__ import annotations

import itertools
import re
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from readings_helpers import reader, stored
from report_chromium import ARGUMENTS, CLIPPED, LOW_CONTRAST
from report_helpers import Folder
from report_hostile import HOSTILE, RTL, hostile
from report_reading import Page, Stored, printed

from harness.records import Outcome
from harness.report import html, markdown, render
from harness.report.charts import NARROW, WIDE, draw
from harness.report.panels import LINE, apart
from harness.report.readings_figure import LINES, spanning
from harness.report.shown import Figure, Panels, Table
from harness.report.terminal import plan_table, summary
from harness.report.view import view

NAME = "encoder.row_entropy"
PLANTED = {
    NAME: {
        "fixed-64": 2.1,
        "dimension-64": 0.41,
        "annealed-64": 2.1,
        "fixed-4096": 2.2,
        "dimension-4096": 2.0,
        "annealed-4096": 2.2,
    },
    "encoder.mass_lost": {"fixed-64": 0.0, "dimension-64": 1e-7, "fixed-4096": 0.0, "dimension-4096": 0.5},
    "outcome": {"fixed-64": "converged", "dimension-64": "stalled", "fixed-4096": "converged"},
    "ties": {},
}
UNITS = {NAME: "nats"}
SENTENCES = (
    "encoder.row_entropy: 2.1 nats at epsilon=fixed, 0.41 nats at epsilon=dimension (0.195×), seq_len 64; "
    "there the solver ended stalled.",
    "encoder.mass_lost: 0 at epsilon=fixed, 0.5 at epsilon=dimension, seq_len 4096.",
    "outcome: converged at epsilon=fixed, stalled at epsilon=dimension, seq_len 64; "
    "1 of 1 cells differ from their baseline; there the solver ended stalled.",
    "ties: read in no cell.",
)


@pytest.fixture(scope="module")
def run() -> Stored:
    return stored(reader(PLANTED, units=UNITS))


def without_reads(run: Stored) -> Stored:
    manifest, analysis = run
    parts = tuple(part.model_copy(update={"reads": ()}) for part in manifest.plan.parts)
    return manifest.model_copy(update={"plan": manifest.plan.model_copy(update={"parts": parts})}), analysis


def figure(run: Stored) -> Figure:
    return next(item for item in view(*run).answers[0].blocks[0].items if isinstance(item, Figure))


def table(run: Stored) -> Table:
    return next(item for item in view(*run).answers[0].blocks[0].items if isinstance(item, Table))


def rows(run: Stored) -> list[list[str]]:
    return [
        [" | ".join(filter(None, (e.text, e.mark.word if e.mark else "", e.note))) for e in row]
        for row in table(run).rows
    ]


def test_sentences_say_what_moved_each_reading_most_in_every_document(run: Stored) -> None:
    page, document = Page(html.page(view(*run))).text, markdown.document(view(*run))
    terminal = " ".join(printed(summary(*run, Path("r.html"))).split())
    for sentence in SENTENCES:
        for source in (page, document, terminal):
            assert sentence in source


def test_what_was_read_stands_below_the_headline_and_above_all_else(run: Stored) -> None:
    page, document = html.page(view(*run)), markdown.document(view(*run))
    sections = [a["id"] for tag, a in Page(page).tags if tag == "section" and a.get("id")]
    assert sections[:3] == ["headline", "read", "claims"]
    assert '<a href="#read">Readings</a>' in page
    titles = re.findall(r"^## (.*)$", document, re.MULTILINE)
    assert titles[:3] == ["Headline", "What was read?", "Claims"]
    assert "of one set of weights and inputs (seed 0): they have no interval." in Page(page).text


def test_the_table_has_the_design_s_order_units_differences_and_ratios(run: Stored) -> None:
    columns = [(column.title, column.numeric) for column in table(run).columns]
    assert columns == [
        ("epsilon", False),
        ("seq_len", True),
        ("encoder.row entropy, nats", True),
        ("encoder.mass lost", True),
        ("outcome", False),
        ("ties", True),
    ]
    assert rows(run) == [
        ["fixed | baseline", "64", "2.1", "0", "converged", "not read"],
        ["dimension | the solver ended stalled", "64", "0.41 | −1.69, 0.195×", "1e-7 | +1e-7", "stalled", "not read"],
        ["annealed", "64", "2.1 | same", "not read", "not read", "not read"],
        ["fixed | baseline", "4096", "2.2", "0", "converged", "not read"],
        ["dimension", "4096", "2 | −0.2, 0.909×", "0.5 | +0.5", "not read", "not read"],
        ["annealed", "4096", "2.2 | same", "not read", "not read", "not read"],
    ]
    document = markdown.document(view(*run))
    assert "| annealed | 64 | 2.1 (same) | not read | not read | not read |" in document


def test_cells_that_failed_or_compute_something_else_say_so() -> None:
    lost = Outcome(cell="annealed-64", outcome="out_of_memory", detail="planted")
    found = stored(reader(PLANTED, units=UNITS, outcomes=[lost], broken=["dimension-64"]))
    assert rows(found)[1][0] == "dimension | outputs differ beyond the tolerance; the solver ended stalled"
    assert rows(found)[2][0] == "annealed | out of memory"
    assert rows(found)[2][3] == "out of memory"
    sentence = "(0.195×), seq_len 64; there outputs differ beyond the tolerance, the solver ended stalled."
    assert sentence in markdown.document(view(*found))


def test_a_baseline_that_failed_is_a_doubt_of_what_is_read_against_it() -> None:
    found = stored(reader(PLANTED, units=UNITS, broken=["fixed-64"]))
    doubts = "at epsilon=fixed outputs differ beyond the tolerance; there the solver ended stalled."
    assert f"(0.195×), seq_len 64; {doubts}" in markdown.document(view(*found))


def test_several_different_readings_stand_with_their_ends() -> None:
    again = ({"fixed-64": {NAME: 1.9}}, {"fixed-64": {NAME: 2.0}})
    found = stored(reader({NAME: PLANTED[NAME]}, again=again))
    assert rows(found)[0][2] == "2 [1.9, 2.1] of 3"
    assert "the last stands before the lowest and the highest" in markdown.document(view(*found))
    assert "the lowest and the highest" not in markdown.document(view(*stored(reader({NAME: PLANTED[NAME]}))))


def test_a_part_about_readings_folds_its_times_and_no_other_part_does(run: Stored) -> None:
    for told, folds in ((run, True), (without_reads(run), False)):
        report = view(*told)
        blocks = [block for section in report.sections for block in section.blocks]
        changes = next(section for section in report.sections if section.name == "changes")
        assert [bool(block.folded) for block in changes.blocks] == [folds]
        tables = {item.caption: item.folded for block in blocks for item in block.items if isinstance(item, Table)}
        assert tables["Time and memory of every cell"] is folds
        assert tables["What the outputs of every cell are worth"] is False
        assert ("<summary>Time ratios</summary>" in html.page(report)) is folds
        terminal = printed(summary(*told, Path("r.html")))
        assert ("time over the baseline's time" in terminal) is not folds
        assert ("Times are in the report: 4 same." in terminal) is folds
        assert bool(report.changes) is not folds
    assert view(*without_reads(run)).answers == ()


def test_each_probe_is_told_in_the_system_s_words() -> None:
    docs = {NAME: "of a token's row of the transport, mean over tokens", "outcome": ""}
    told = stored(reader(PLANTED, units=UNITS, docs=docs))
    *_, meanings = view(*told).answers[0].blocks[0].items
    assert isinstance(meanings, Table)
    assert [[entry.text for entry in row] for row in meanings.rows] == [[NAME, "nats", docs[NAME]]]
    assert f"| {NAME} | nats | {docs[NAME]} |" in markdown.document(view(*told))


def test_the_plan_names_what_will_be_read(run: Stored) -> None:
    told = " ".join(printed(plan_table(run[0].plan)).split())
    assert "reads encoder.row_entropy, encoder.mass_lost, outcome and ties" in told
    assert "reads" not in printed(plan_table(without_reads(run)[0].plan))


def test_no_line_of_the_terminal_is_longer_than_it_is_wide() -> None:
    many = {f"encoder.{'long_' * 6}{n}": PLANTED[NAME] for n in range(7)}
    text = printed(summary(*stored(reader(many)), Path("r.html")))
    assert max(map(len, text.splitlines())) <= 80
    assert text.count("0.195×") == 2 * 7


def test_curves_run_along_the_condition_and_equal_ones_are_one(run: Stored) -> None:
    plot = figure(run).plot
    assert isinstance(plot, Panels)
    assert (plot.x_axis, plot.x_log) == ("seq_len (log axis)", True)
    entropy, lost = plot.panels
    assert (entropy.title, entropy.log) == ("encoder.row entropy, nats", False)
    assert [(curve.label, curve.runs) for curve in entropy.curves] == [
        ("fixed, annealed", (((64.0, 2.1), (4096.0, 2.2)),)),
        ("dimension", (((64.0, 0.41), (4096.0, 2.0)),)),
    ]
    assert [curve.mark for curve in entropy.curves] == [LINES[0], LINES[1]]
    assert (lost.title, lost.log) == ("encoder.mass lost (log axis)", True)
    assert [(curve.label, curve.mark) for curve in lost.curves] == [("dimension", LINES[1])]
    assert "A zero has no place on a logarithmic axis." in figure(run).caption


def test_a_curve_is_broken_where_nothing_was_read() -> None:
    values = {f"fixed-{n}": float(n) for n in (1, 2, 4, 5)}
    plot = figure(stored(reader({NAME: values}, (1, 2, 3, 4, 5)))).plot
    assert isinstance(plot, Panels)
    assert plot.panels[0].curves[0].runs == (((1.0, 1.0), (2.0, 2.0)), ((4.0, 4.0), (5.0, 5.0)))


def test_without_a_varied_number_every_cell_has_a_dot_beside_the_baseline_s_line() -> None:
    values = {"fixed-64": 2.0, "dimension-64": 0.0, "annealed-64": 90.0}
    plot = figure(stored(reader({NAME: values, "outcome": {"fixed-64": "stalled"}}, (64,)))).plot
    assert isinstance(plot, Panels)
    (panel,) = plot.panels
    assert (panel.log, panel.reference, panel.curves) == (True, 2.0, ())
    assert [(row.label, row.value, row.point) for row in panel.rows] == [
        ("fixed", "2", 2.0),
        ("dimension", "0", None),
        ("annealed", "90", 90.0),
    ]
    report = view(*stored(reader({"outcome": {"fixed-64": "stalled"}}, (64,))))
    assert not [item for item in report.answers[0].blocks[0].items if isinstance(item, Figure)]


@pytest.mark.parametrize(
    ("values", "log"),
    [([1, 30], False), ([1, 30.1], True), ([0, 1, 31], True), ([-1, 1, 31], False), ([0, 0], False), ([], False)],
)
def test_an_axis_is_logarithmic_where_values_span_more_than_thirtyfold(values: list[float], log: bool) -> None:
    assert spanning(values) is log


@pytest.mark.parametrize("wanted", [[50.0], [50, 50, 50], [0, 2, 4, 100], [99, 100, 98], [3, 90, 2, 91], [1.0] * 12])
def test_names_are_apart_in_order_and_inside_where_there_is_room(wanted: list[float]) -> None:
    found = apart(wanted, 0.0, 100.0)
    ordered = sorted(zip(wanted, found, strict=True))
    assert all(after - before >= LINE - 1e-9 for (_, before), (_, after) in itertools.pairwise(ordered))
    assert min(found) >= -1e-9
    assert max(found) <= max(100.0, LINE * (len(wanted) - 1)) + 1e-9
    assert apart([0.0, 40.0, 80.0], 0.0, 100.0) == [0.0, 40.0, 80.0]


@pytest.mark.parametrize("layout", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("lengths", [(64, 4096), (64,)], ids=["curves", "dots"])
def test_what_is_drawn_is_one_readable_picture_with_title_and_axes(lengths: tuple[int, ...], layout) -> None:
    values = {f"{level}-{n}": 1.0 + n / 64 for n in lengths for level in ("fixed", "dimension", "annealed")}
    values |= {f"annealed-{n}": 1.01 for n in lengths}
    drawn = ET.fromstring(draw(figure(stored(reader({NAME: values, "ties": values}, lengths))), layout))
    space = "{http://www.w3.org/2000/svg}"
    asked = "How do the readings change with seq_len?" if len(lengths) > 1 else "What was read, cell by cell?"
    assert drawn.find(f"{space}title").text == asked
    axes = [node.text for node in drawn.iter(f"{space}text") if node.attrib["class"] == "axis"]
    assert len(axes) == 2 and all(axes)
    labels = [node for node in drawn.iter(f"{space}text") if node.attrib["class"] in ("direct", "label")]
    assert len(labels) == (4 if len(lengths) > 1 else 6)
    width, height = float(drawn.attrib["width"]), float(drawn.attrib["height"])
    for node in drawn.iter(f"{space}text"):
        assert 0 <= float(node.attrib["x"]) <= width
        assert 0 < float(node.attrib["y"]) < height


def test_hostile_names_are_inert() -> None:
    planted = {HOSTILE: PLANTED[NAME], RTL: {"fixed-64": HOSTILE, "dimension-64": RTL}}
    clean = Page(html.page(view(*stored(reader(PLANTED)))))
    hurt = Page(html.page(view(*hostile(stored(reader(planted, units={HOSTILE: HOSTILE}, docs={HOSTILE: HOSTILE}))))))
    assert {tag for tag, _ in hurt.tags} <= {tag for tag, _ in clean.tags} | {"bdi"}
    assert not [a for _, a in hurt.tags if any(name.startswith("on") for name in a)]
    assert "\x1b" not in printed(summary(*hostile(stored(reader(planted))), Path("r.html")))


def test_a_solver_s_end_is_told_by_the_probes_of_its_own_stage() -> None:
    probes = {
        "mixer.residual_norm": {"fixed-64": 77.0},
        "propagator.residual": {"fixed-64": 3e-3},
        "propagator.iterations_mean": {"fixed-64": 41.0},
        "propagator.iterations_max": {"fixed-64": 50.0},
        "propagator.outcome": {"fixed-64": "stalled"},
        "zoom.iterations": {"fixed-64": 9.0},
    }
    document = markdown.document(view(*stored(reader(probes, reads=()))))
    assert "baseline, seq\\_len=64 (residual 3e-3 after 50 iterations)" in document.replace("seq_len", "seq\\_len")


@pytest.mark.browser
@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium on the PATH")
def test_in_a_browser_nothing_is_cut_off_faint_or_wider_than_the_page(tmp_path: Path, run: Stored) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    (tmp_path / "results" / "run").mkdir(parents=True)
    file = render(Folder(tmp_path / "results" / "run", run), tmp_path / "reports")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        for width, scheme in ((1200, "light"), (360, "dark")):
            page = chromium.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
            page.goto(file.as_uri())
            assert page.evaluate(CLIPPED) == []
            assert page.evaluate(LOW_CONTRAST)["failures"] == []
            assert page.evaluate("() => document.documentElement.scrollWidth") <= width
        chromium.close()
