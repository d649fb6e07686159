"""Every figure asks a question, names its axes, has its numbers behind it, and no words of it cover others."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

import growth_helpers
import pytest
import share_map_helpers
from analysis_helpers import World, factorial_cells
from golden_run import stored as small
from readings_helpers import reader
from readings_helpers import stored as read
from report_boxes import outside, overlapping
from report_helpers import cayley
from report_hostile import hostile
from report_reading import Stored

from harness.analysis import analyse_lines
from harness.records import Cell, CellSummary
from harness.report import figures, html
from harness.report.charts import NARROW, WIDE, Layout
from harness.report.letters import NORMAL, drawn_width, fitted, wrapped
from harness.report.shown import Figure, HeatMap, Panels, Rows, Scatter, Table
from harness.report.view import view

LONG = "method: conjugate_gradient_with_complex_symmetric_inner_product → chebyshev"


def mapped(shares: dict[tuple[int, int], float] = share_map_helpers.SHARES) -> Stored:
    return share_map_helpers.run(share_map_helpers.made(shares), share_map_helpers.made(shares, mode="train_step"))


def grown() -> Stored:
    made = growth_helpers.world(stages=growth_helpers.STAGES)
    return made.manifest, analyse_lines(made.manifest, made.lines)


def readings() -> Stored:
    planted = {f"{level}{n}": {"dot": 0.1 * n, "word": "sound"} for level in ("base", "new") for n in (64, 4096)}
    return read(reader(planted))


RUNS = {
    "cayley": cayley,
    "hostile": lambda: hostile(cayley()),
    "small": lambda: small()[:2],
    "map": mapped,
    "grown": grown,
    "readings": readings,
}


@pytest.fixture(scope="module")
def runs() -> dict[str, Stored]:
    return {name: made() for name, made in RUNS.items()}


def drawn(stored: Stored) -> list[Figure]:
    report = view(*stored)
    return [*figures(report), *(claim.figure for claim in report.claims if claim.figure)]


def named(stored: Stored, name: str) -> Figure:
    return next(figure for figure in figures(view(*stored)) if figure.name == name)


@pytest.mark.parametrize("layout", [WIDE, NARROW], ids=lambda each: each.name)
@pytest.mark.parametrize("run", RUNS)
def test_no_words_of_a_figure_cover_others_or_leave_it(run: str, layout: Layout, runs: dict[str, Stored]) -> None:
    found = drawn(runs[run])
    assert found
    for figure in found:
        assert overlapping(figure, layout) == [], figure.name
        assert outside(figure, layout) == [], figure.name


def axes(figure: Figure) -> Iterator[str]:
    plot = figure.plot
    if isinstance(plot, Rows):
        yield plot.axis
    elif isinstance(plot, Panels):
        yield plot.x_axis
        yield from (panel.title for panel in plot.panels)
    elif isinstance(plot, HeatMap):
        yield from (plot.up_axis, plot.across_axis)
    else:
        yield from (plot.x_axis, plot.y_axis)


@pytest.mark.parametrize("run", RUNS)
def test_a_figure_asks_a_question_names_its_axes_and_has_a_table(run: str, runs: dict[str, Stored]) -> None:
    report = view(*runs[run])
    seen = 0
    for section in (*report.answers, *report.sections):
        for block in section.blocks:
            tables = [item for item in block.items if isinstance(item, Table)]
            for figure in (item for item in block.items if isinstance(item, Figure)):
                seen += 1
                assert re.search(r"\?($| \()", figure.title), figure.title
                assert all(axes(figure)), figure.name
                assert figure.table or tables, figure.name
    assert seen


def test_the_stated_share_is_held_against_both_directions_together() -> None:
    figure = named(small()[:2], "stages-p-base")
    assert isinstance(figure.plot, Rows)
    stated, both, forward, backward = [row for row in figure.plot.rows if row.bars][1:5]
    assert (stated.label, stated.value, stated.bars[0].end) == ("mixer", "stated about 90 %", 90)
    assert [bar.tone for bar in both.bars] == ["forward", "backward"]
    assert both.bars[1].end == pytest.approx(forward.bars[0].end + backward.bars[0].end, abs=0.1)
    assert both.low is not None and both.low < both.bars[1].end


def test_a_stated_range_is_drawn_where_it_lies() -> None:
    manifest, analysis, _ = small()
    within = {"relation": "within", "stated": 55.0, "stated_high": 70.0}
    claims = tuple(each.model_copy(update=within) if each.stage else each for each in analysis.claims)
    figure = named((manifest, analysis.model_copy(update={"claims": claims})), "stages-p-base")
    assert isinstance(figure.plot, Rows)
    (bar,) = next(row.bars for row in figure.plot.rows if "stated" in row.value)
    assert (bar.start, bar.end) == (55, 70)


def changed(stored: Stored, name: str, **update: object) -> Stored:
    """One cell of the first part, made over."""
    manifest, analysis = stored
    first, *others = analysis.parts

    def made(cell: CellSummary) -> CellSummary:
        return cell.model_copy(update=update) if cell.name == name else cell

    part = first.model_copy(update={"cells": tuple(map(made, first.cells))})
    return manifest, analysis.model_copy(update={"parts": (part, *others)})


def edge(stored: Stored, name: str = "edge-p") -> dict[str, bool]:
    plot = named(stored, name).plot
    assert isinstance(plot, Scatter)
    return {point.label: point.on_edge for point in plot.points}


def test_the_edge_joins_what_nothing_beats_in_time_and_error_by_the_ratio_to_the_baseline() -> None:
    stored = small()[:2]
    assert edge(stored) == {
        "cached + fused": True,
        "cached": True,
        "fused": False,
        "baseline": True,
        "cached + native": False,  # beyond the documents: faster than all of them, and on no edge of theirs
    }
    plot = named(stored, "edge-p").plot
    assert isinstance(plot, Scatter)
    assert [round(point.x, 1) for point in plot.points] == [0.1, 0.4, 0.5, 0.8, 1.0]
    assert plot.reference == 1.0


def test_what_reads_the_same_in_the_digits_that_are_printed_beats_nothing() -> None:
    """The residual of the baseline and of `fused` is the same, and `fused` is faster."""
    assert edge(small()[:2], "edge-residual-p") == {
        "cached + fused": True,
        "cached": True,
        "fused": True,
        "baseline": False,
        "cached + native": False,
    }


@pytest.mark.parametrize(
    ("update", "word"),
    [
        ({"sameness": "broken"}, "outputs differ"),
        ({"probes": {"residual": 3e-5, "outcome": "stalled"}}, "stalled"),
    ],
)
def test_a_wrong_or_unfinished_cell_stands_off_the_edge(update: dict[str, object], word: str) -> None:
    stored = changed(small()[:2], "matrix=cached", **update)
    assert edge(stored)["cached"] is False
    table = named(stored, "edge-p").table
    assert table is not None
    (row,) = [row for row in table.rows if row[0].text == "cached"]
    assert row[-1].mark is not None
    assert row[-1].mark.word == word


def test_interactions_are_half_a_matrix_marked_where_they_are_beyond_noise() -> None:
    """Caching gains another tenth with fused kernels, and what is packed loses a fifth with them."""
    factors = {"matrix": ("rebuild", "cached"), "kernels": ("eager", "fused"), "layout": ("plain", "packed")}
    together = {("cached", "fused"): 0.9, ("fused", "packed"): 1.2}

    def times(one: Cell) -> float:
        levels = set(one.variant.values())
        return 0.01 * math.prod(gain for pair, gain in together.items() if levels.issuperset(pair))

    made = World(cells=factorial_cells(factors), factors=dict(factors), times=times)
    figure = named((made.manifest, analyse_lines(made.manifest, made.lines)), "interactions-p")
    plot = figure.plot
    assert isinstance(plot, HeatMap)
    assert (plot.up, plot.across) == (("kernels", "matrix"), ("kernels", "layout"))
    (below, above) = plot.panels[0].rows
    assert below[0] is None
    told = [(field.text, field.mark.word if field.mark else "") for field in (*above, *below) if field]
    assert told == [("0.95", "help"), ("1.00", ""), ("1.10", "hinder")]
    assert figure.table is not None and len(figure.table.rows) == 2


def test_the_fraction_of_the_roofline_is_the_floor_over_the_time() -> None:
    manifest, analysis, _ = small()
    limit = analysis.parts[0].cells[0].limits[0]
    assert limit.over_floor is not None
    section = next(each for each in view(manifest, analysis).sections if each.name == "limits")
    table = next(item for item in section.blocks[0].items if isinstance(item, Table))
    told = dict(zip([column.title for column in table.columns], table.rows[0], strict=True))
    shown = float(told["Of the roofline, % [95 % interval]"].text.split(" ")[0])
    assert shown == pytest.approx(100 / limit.over_floor.point, rel=0.05)


def lines(figure: Figure) -> int:
    return html.svg_file(figure).count('class="stated-line"')


def test_the_contour_runs_between_fields_on_either_side_of_the_stated_share() -> None:
    shares = {(512, 256): 0.85, (512, 4096): 0.33, (1024, 256): 0.9, (1024, 4096): 0.82}
    figure = named(mapped(shares), "map-propagator")
    assert lines(figure) == 2 * 2
    assert "The dashed line is where the shares pass the stated 78 %." in figure.caption


@pytest.mark.parametrize(("share", "side"), [(0.33, "below"), (0.9, "above")])
def test_a_contour_that_no_field_is_beyond_is_absent_and_said_to_be(share: float, side: str) -> None:
    figure = named(mapped(dict.fromkeys(share_map_helpers.PLACES, share)), "map-propagator")
    assert lines(figure) == 0
    assert f"No line is drawn: every share lies {side} the stated 78 %." in figure.caption


def test_a_map_of_which_nothing_is_stated_speaks_of_no_line() -> None:
    manifest, analysis = mapped()
    bare = tuple(each.model_copy(update={"stated": None, "claim": None}) for each in analysis.maps)
    figure = named((manifest, analysis.model_copy(update={"maps": bare})), "map-propagator")
    assert lines(figure) == 0
    assert "line" not in figure.caption


def test_text_is_cut_to_the_room_there_is() -> None:
    for room in (20.0, 100.0, 250.0):
        assert drawn_width(fitted(LONG, room, NORMAL), NORMAL) <= room
        broken = wrapped(LONG, room, 3, NORMAL)
        assert len(broken) <= 3
        assert max(drawn_width(line, NORMAL) for line in broken) <= room
    assert fitted(LONG, 2000, NORMAL) == LONG
    assert wrapped(LONG, 2000, 2) == (LONG,)
    assert " ".join(wrapped(LONG, 500, 2)) == LONG
