"""Where a stage takes which share: planted shares, judged point by point, joined over parts, and drawn."""

import re
from dataclasses import replace
from itertools import pairwise

import pytest
from analysis_helpers import World
from plan_helpers import plan_of, suite_of
from report_reading import Page, printed
from share_map_helpers import LEDGER, PLACES, SHARES, STAGES, entry, made, run

from harness.errors import SuiteError
from harness.plan import make_plan
from harness.records import Outcome, ShareMap
from harness.report import figures, html, markdown
from harness.report.heat import draw_heat
from harness.report.shown import Field, HeatMap, HeatPanel
from harness.report.terminal import summary
from harness.report.view import view


def mapped(*worlds: World) -> ShareMap:
    (found,) = run(*worlds)[1].maps
    return found


def test_points_stand_by_their_share_both_directions_together_the_largest_first():
    found = mapped(made(SHARES))
    shares = [point.share.point for point in found.points]
    assert shares == pytest.approx([0.61, 0.52, 0.33, 0.12], abs=0.002)
    assert [point.share.n for point in found.points] == [6] * 4
    assert [point.cell for point in found.points] == ["512-256", "1024-256", "512-4096", "1024-4096"]
    assert found.points[0].where == {"propagator_width": 512, "vocabulary": 256, "width": 128}


def test_a_share_that_holds_nowhere_has_a_nearest_point():
    found = mapped(made(SHARES))
    assert (found.stated, found.tolerance, found.claim) == (0.78, 0.03, "d.share")
    assert {point.word for point in found.points} == {"does not hold"}
    assert found.nearest == 0
    above = mapped(made({**SHARES, (512, 4096): 0.90}))
    assert above.points[above.nearest].cell == "512-4096"
    far_above = mapped(made({**SHARES, (512, 4096): 0.98}))
    assert (far_above.nearest, far_above.points[1].cell) == (1, "512-256")


def test_it_holds_where_the_interval_lies_within_the_tolerance():
    found = mapped(made({**SHARES, (1024, 4096): 0.77}))
    assert [(point.cell, point.word) for point in found.points if point.word != "does not hold"] == [
        ("1024-4096", "holds")
    ]
    assert found.points[found.nearest].cell == "1024-4096"
    beside = mapped(made({**SHARES, (1024, 4096): 0.812}))
    assert beside.points[0].word == "does not hold"
    usual = made({**SHARES, (1024, 4096): 0.8})
    apart = {key: 1.2 * factor for key, factor in usual.stage_factors.items() if key[0] == "control"}
    edge = mapped(replace(usual, stage_factors={**usual.stage_factors, **apart}))
    assert edge.points[0].word == "not settled"
    assert edge.points[0].reason.startswith("within the noise floor of shares of 20")


def with_solver() -> World:
    """The fast solver, with a share of 78 %, where everything on trial has another."""
    usual = made(SHARES)
    cells = [
        one.model_copy(update={"id": f"b-{one.id}", "variant": {"eps": "two"}, "beyond": True})
        for one in usual.cells[:-1]
    ]
    share = {(f"b-{p}-{v}", stage): 0.78 / 0.22 for p, v in PLACES for stage in ("propagator", "propagator.backward")}
    return replace(
        usual,
        cells=[*usual.cells[:-1], *cells, usual.cells[-1]],
        stage_factors={**usual.stage_factors, **share},
    )


def test_on_a_map_its_share_is_told_and_nothing_is_judged():
    manifest, analysis = run(with_solver())
    (found,) = analysis.maps
    beyond = [point for point in found.points if point.word == "beyond"]
    assert [point.share.point for point in beyond if point.share] == pytest.approx([0.78] * 4, abs=0.002)
    assert {point.word for point in found.points} == {"beyond", "does not hold"}
    assert found.nearest is not None and found.points[found.nearest].cell == "512-256"
    told = markdown.document(view(manifest, analysis))
    assert "holds nowhere of 4 points; nearest is 61" in told
    assert "◆ Beyond the documents it is 78" in told
    assert "◆ beyond the documents." in told


def test_parts_that_name_one_stage_are_one_map():
    trained = made({place: share + 0.1 for place, share in SHARES.items()}, mode="train_step")
    found = mapped(made(SHARES), trained)
    assert len(found.points) == 8
    assert found.points[0].where == {
        "mode": "train_step",
        "propagator_width": 512,
        "vocabulary": 256,
        "width": 128,
    }
    assert {point.part for point in found.points} == {"p0", "p1"}
    assert run(made(SHARES), stage=None)[1].maps == ()


def test_the_axes_are_the_two_numbers_with_the_most_values_and_what_goes_with_one_needs_none():
    found = mapped(made(SHARES))
    assert (found.up, found.across, found.tied) == ("propagator_width", "vocabulary", {"width": "propagator_width"})
    deep = made(SHARES)
    deep.cells = [
        one.model_copy(update={"conditions": {**one.conditions, "layers": layers}})
        for one, layers in zip(deep.cells, (1, 2, 3, 4, 1), strict=True)
    ]
    deep.varied = {**deep.varied, "layers": (1, 2, 3, 4)}
    found = mapped(deep)
    assert (found.up, found.across) == ("propagator_width", "layers")
    alone = made(SHARES)
    alone.cells = [one for one in alone.cells if one.conditions["propagator_width"] == 512]
    found = mapped(alone)
    assert (found.up, found.across, found.tied) == (None, "vocabulary", {})


@pytest.mark.parametrize(
    ("claims", "chosen"),
    [
        (entry("d.one", stated=70) + entry("d.two", headline=True), "d.two"),
        (entry("d.one", stated=70) + entry("d.two"), "d.one"),
        (entry("d.after", stated=40, relation="at_most") + entry("d.two"), "d.two"),
        (entry("d.changed", stated=40, more=", cell: all_on") + entry("d.two"), "d.two"),
        (entry("d.changed", stated=40, more=", changes: {eps: one}") + entry("d.two"), "d.two"),
        (entry("d.other", stated=40).replace("stage: propagator", "stage: encoder") + entry("d.two"), "d.two"),
        (entry("d.other").replace("stage: propagator", "stage: encoder"), None),
    ],
)
def test_the_claim_is_about_this_share_of_the_baseline(claims, chosen):
    found = mapped(made(SHARES, claims_text={"d.yaml": "document: d.md\nclaims:\n" + claims}))
    assert found.claim == chosen
    if chosen is None:
        assert (found.stated, found.nearest) == (None, None)
        assert {point.word for point in found.points} == {"not settled"}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"preset": "smoke"}, "smoke gives no verdicts"),
        ({"unchecked": ("512-256",)}, "not compared with the oracle"),
        ({"canary_drift": 1.2}, "unstable host"),
        (
            {"staged_lost": lambda *at: 0.3 if at[2] == "512-256" else 0.0},
            "over half the stage timings of p 512 256 were disturbed",
        ),
    ],
)
def test_a_point_is_judged_as_its_claim_would_be(changes, reason):
    point = mapped(made({**SHARES, (512, 256): 0.78}, **changes)).points[0]
    assert (point.cell, point.word) == ("512-256", "not settled")
    assert reason in point.reason


def test_a_cell_without_a_share_stands_at_the_end():
    gone = Outcome(cell="512-256", outcome="out_of_memory", detail="", during="trial")
    point = mapped(made(SHARES, outcomes=(gone,))).points[-1]
    assert (point.cell, point.share, point.word) == ("512-256", None, "not measured")
    assert "out_of_memory" in point.reason


@pytest.mark.parametrize("claims", [LEDGER, "document: d.md\nclaims: []\n"])
def test_a_cell_with_wrong_outputs_has_no_rank_with_a_claim_or_without(claims):
    """It would be the largest, and the nearest to 78 %."""
    wrong = made({**SHARES, (512, 256): 0.79}, broken=("512-256",), claims_text={"d.yaml": claims})
    found = mapped(wrong)
    assert [point.cell for point in found.points] == ["1024-256", "512-4096", "1024-4096", "512-256"]
    last = found.points[-1]
    assert (last.share, last.word, "other numbers than the oracle" in last.reason) == (None, "not measured", True)
    assert found.nearest in (0, None)
    assert "The largest share is 52" in Page(html.page(view(*run(wrong)))).text


def test_the_sum_with_an_update_is_named():
    stages = {**STAGES, "encoder": 0.25, "optimiser": 0.25}
    trained = made({}, mode="train_update", stages=stages)
    said = "In mode train_update the sum holds the update too, the stage optimiser."
    assert said in Page(html.page(view(*run(trained)))).text
    assert "the update too" not in Page(html.page(view(*run(made(SHARES))))).text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"preset": "smoke"},
            "78 % ± 3 points could be judged at none of 4 points: smoke gives no verdicts; nearest is 61",
        ),
        (
            {"unchecked": ("512-256",)},
            "78 % ± 3 points holds at none of the 3 of 4 points that could be judged; nearest is",
        ),
        ({"unchecked": ("512-256",), "canary_drift": 1.2}, "could be judged at none of 4 points: unstable host"),
    ],
)
def test_nowhere_is_said_only_of_points_that_could_be_judged(changes, said):
    stored = run(made(SHARES, **changes))
    page = Page(html.page(view(*stored))).text
    assert said in page
    assert "holds nowhere" not in page


def test_the_report_begins_with_the_answer_and_draws_every_share():
    stored = run(made(SHARES), made({**SHARES, (512, 256): 0.774}, mode="train_step"))
    report = view(*stored)
    page, document, shown = Page(html.page(report)).text, markdown.document(report), printed(summary(*stored, "r"), 400)
    said = "78 % ± 3 points holds at 1 of 8 points"
    for text in (page, document.replace("\\", ""), shown):
        assert said in text
        assert "train_step, propagator_width 512, vocabulary 256" in text
    assert page.index(said) < page.index("judged one by one" if "judged one by one" in page else "names no claims")
    assert "width goes with propagator_width: 128 at 512 and 256 at 1024" in page
    (figure,) = [one for one in figures(report) if one.name == "map-propagator"]
    assert [panel.title for panel in figure.plot.panels] == ["forward", "train_step"]
    texts = [[field.text for field in row] for row in figure.plot.panels[0].rows]
    assert texts == [["61 %", "33 %"], ["52 %", "12 %"]]
    drawn = html.svg_file(figure)
    written = re.findall(r"<text[^>]*>([^<]*)</text>", drawn)
    assert [word for word in written if word.endswith(" %")] == [
        *("52 %", "12 %", "61 %", "33 %"),
        *("52 %", "12 %", "77 %", "33 %"),
    ]
    assert drawn.count('class="frame tone-good"') == 1
    levels = [int(step) for step in re.findall(r"heat-(\d)\"", drawn)][:4]
    assert levels == [5, 1, 6, 3]


def test_nowhere_names_the_nearest_and_the_ends():
    report = Page(html.page(view(*run(made(SHARES))))).text
    assert "78 % ± 3 points holds nowhere of 4 points; nearest is 61" in report
    assert "The largest share is 61" in report
    assert "the smallest 12" in report


def test_a_map_of_cells_that_all_failed_says_so():
    gone = tuple(Outcome(cell=f"{p}-{v}", outcome="crashed", detail="", during="trial") for p, v in PLACES)
    page = Page(html.page(view(*run(made(SHARES, outcomes=gone))))).text
    assert "share of a call: none of 4 points gave one" in page


def test_a_map_without_a_claim_has_shares_and_no_words():
    stored = run(made(SHARES, claims_text={"d.yaml": "document: d.md\nclaims: []\n"}))
    report = view(*stored)
    page = Page(html.page(report)).text
    assert "no claim of this run states one" in page
    (figure,) = [one for one in figures(report) if one.name == "map-propagator"]
    assert all(field.mark is None for row in figure.plot.panels[0].rows for field in row)


MAP = "design: pair\nagainst: all_on\nmap: {}\n"


def test_the_plan_keeps_the_stage_of_the_map(tmp_path):
    assert plan_of(tmp_path, MAP.format("head")).parts[0].map == "head"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (MAP.format("haed"), "seop.yaml:6: map: no stage 'haed'; sem offers encoder, head"),
        (MAP.format("head") + "stages: false\n", "seop.yaml:7: stages: found false; map needs the stages timed"),
        (MAP.format("[head]"), "found a list; map takes the name of a stage"),
    ],
)
def test_a_map_of_what_is_not_timed_is_refused(tmp_path, body, message):
    with pytest.raises(SuiteError, match=re.escape(message)):
        make_plan(suite_of(tmp_path, body), available_bytes=1e12)


def test_a_panels_title_stays_above_its_panel():
    """Bold letters at 13 px are up to 7.8 px wide in the fonts of the page."""
    title = "forward, propagator_layers 1, method cocg, matrix rebuild"
    rows = ((Field("12 %", 0.1), Field("34 %", 0.3), Field("56 %", 0.5)),)
    drawn, _ = draw_heat(HeatMap("width", "vocabulary", ("2048",), ("1", "2", "3"), (HeatPanel(title, rows),) * 3), 980)
    lines = re.findall(r'<text x="([\d.]+)"[^>]*class="heading"[^>]*>([^<]*)</text>', "".join(drawn))
    lefts = sorted({float(left) for left, _ in lines})
    assert " ".join(words for left, words in lines if float(left) == lefts[0]) == title
    apart = min(after - before for before, after in pairwise(lefts))
    assert max(7.8 * len(words) for _, words in lines) < apart
