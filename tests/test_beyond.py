"""What goes beyond the design: measured beside it, judged apart, told apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from analysis_helpers import World, analysed, cell, contrast, factorial_cells, with_beyond, world
from claims_helpers import claim
from plan_helpers import STATUS_QUO, plan_of
from report_reading import Page, printed

from harness.analysis import analyse_lines
from harness.claims.verdict import judge
from harness.export.tables import tables
from harness.lookup import changed
from harness.records import Analysis, Block, Cell, Line, Manifest, Outcome, Part
from harness.report import figures, html, markdown
from harness.report.beyond_view import speed
from harness.report.terminal import plan_table, summary
from harness.report.view import view

FACTORIAL = "design: full_factorial\nfactors: {matrix: [rebuild, cached], head: [born, loglinear]}\n"
BEYOND = FACTORIAL + "beyond: {method: cg, matrix: cached}\n"


def both() -> World:
    """Two factors, and the cell `native` beyond them."""
    made_of = world()
    return replace(made_of, cells=with_beyond(made_of.cells))


def without(of: World) -> tuple[Manifest, dict[int, list[Line]]]:
    """The very same samples, less those of `native`."""
    lines: dict[int, list[Line]] = {}
    for number, read in of.lines.items():
        kept = [line for line in read if getattr(line, "cell", "") != "native"]
        lines[number] = [
            line.model_copy(update={"samples": tuple(one for one in line.samples if one.cell != "native")})
            if isinstance(line, Block)
            else line
            for line in kept
        ]
    return replace(of, cells=[one for one in of.cells if one.id != "native"]).manifest, lines


def stored(of: World) -> tuple[Manifest, Analysis]:
    return of.manifest, analysed(of)


# planned


def part_of(folder: Path, body: str) -> Part:
    (part,) = plan_of(folder, body).parts
    return part


def test_it_shares_baseline_and_process_and_leaves_the_design_as_it_is(tmp_path: Path) -> None:
    alone, beside = part_of(tmp_path, FACTORIAL), part_of(tmp_path, BEYOND)
    told = [one for one in beside.cells if one.beyond]
    assert [one.name for one in told] == ["method=cg, matrix=cached"]
    assert told[0].variant == STATUS_QUO | {"method": "cg", "matrix": "cached"}
    assert [one for one in beside.cells if not one.beyond] == list(alone.cells)
    assert beside.factors == alone.factors
    assert told[0].baseline == alone.cells[0].id
    assert len(beside.groups) == 1 and told[0].id in beside.groups[0].cells


def test_a_pair_varies_what_is_against_it_and_not_what_is_beyond(tmp_path: Path) -> None:
    part = part_of(tmp_path, "design: pair\nagainst: {matrix: cached}\nbeyond: [all_on, {method: cg}]\n")
    assert part.factors == {"matrix": ("rebuild", "cached")}
    assert [one.name for one in part.cells if one.beyond] == ["all_on", "method=cg"]


def test_under_varied_conditions_there_is_one_for_each(tmp_path: Path) -> None:
    part = part_of(tmp_path, BEYOND + "conditions: {dt: [0.1, 0.2]}\n")
    found = [(one.conditions["dt"], one.baseline) for one in part.cells if one.beyond]
    baselines = [(one.conditions["dt"], one.id) for one in part.cells if one.id == one.baseline and not one.control]
    assert found == baselines and len(found) == 2


def test_the_plan_names_it(tmp_path: Path) -> None:
    told = printed(plan_table(plan_of(tmp_path, BEYOND)), 100).splitlines()
    assert [line.split()[-1] for line in told if "method=cg" in line] == ["beyond"]
    assert sum(line.endswith("beyond") for line in map(str.rstrip, told)) == 1


def test_a_change_finds_no_cell_beyond_the_design(tmp_path: Path) -> None:
    part = part_of(tmp_path, BEYOND)
    assert changed(part, part.cells[0], {"method": "cg", "matrix": "cached"}) is None
    assert changed(part, part.cells[0], {"matrix": "cached"}) is not None


# judged


def test_nothing_of_the_design_moves_by_a_hair() -> None:
    """Word, interval and adjusted p of every contrast, effects, shares, and which switch is dead."""
    beside = analysed(both()).parts[0]
    alone = analyse_lines(*without(both())).parts[0]
    assert tuple(one for one in beside.contrasts if not one.beyond) == alone.contrasts
    assert [one.cell for one in beside.contrasts if one.beyond] == ["native"]
    for name in ("effects", "shapley", "half_normals", "dead_switches", "family", "detectable", "control", "floor"):
        assert getattr(beside, name) == getattr(alone, name), name


def test_it_has_its_own_contrast_with_every_guard() -> None:
    found = contrast(analysed(both()).parts[0], "native")
    assert (found.verdict, found.baseline, found.beyond) == ("faster", "base", True)
    assert found.ratio is not None and found.ratio.point == pytest.approx(0.05, rel=0.01)
    broken = contrast(analysed(replace(both(), broken=("native",))).parts[0], "native")
    assert broken.verdict == "invalid"


def test_a_switch_is_not_acquitted_by_what_lies_beyond() -> None:
    """`matrix` does nothing on trial; under the native kernels it would."""
    cells = factorial_cells({"matrix": ("rebuild", "cached"), "kernels": ("eager", "fused")})
    more = [
        cell(f"native {level}", {"matrix": level, "kernels": "native"}, beyond=True) for level in ("rebuild", "cached")
    ]
    digests = {"base": "0", "matrix=cached": "0", "kernels=fused": "1", "matrix=cached, kernels=fused": "1"}

    def times(one: Cell) -> float:
        kernels = one.variant["kernels"]
        return 0.001 if one.id == "native cached" else {"eager": 0.01, "fused": 0.005, "native": 0.002}[kernels]

    made_of = world(cells=[*cells[:-1], *more, cells[-1]], times=times, digests=digests)
    assert analysed(made_of).parts[0].dead_switches == ("matrix",)


def test_a_claim_reads_it_only_where_it_names_it() -> None:
    analysis, plan = analysed(both()), both().plan
    changes = claim(stated=90.0, changes={"matrix": "cached", "kernels": "native"})
    assert judge(changes, analysis.parts, plan).verdict == "untested"
    named = judge(claim(stated=90.0, cell="native"), analysis.parts, plan)
    assert (named.verdict, named.cell) == ("supported", "native")


# told


def test_a_speed_is_the_inverse_of_a_time_ratio() -> None:
    ratio = contrast(analysed(both()).parts[0], "native").ratio
    assert ratio is not None
    found = speed(ratio)
    assert (found.point, found.low, found.high, found.n) == (1 / ratio.point, 1 / ratio.high, 1 / ratio.low, ratio.n)


def test_the_first_screen_tells_both_stories() -> None:
    report = view(*stored(both()))
    assert report.beyond is not None
    (line,) = report.beyond.sentences
    possible, tried = line.split(". The documents' changes: ")
    assert possible.startswith("What was possible: 20.0") or possible.startswith("What was possible: 19.9")
    assert "as fast as the baseline with cached + native, n = 6 trials: faster" in possible
    assert tried.startswith(("2.49", "2.50")) and "with cached + fused, n = 6 trials: faster." in tried
    told = markdown.document(report)
    assert told.index(line[:30]) < told.index("**no claims**")
    (figure,) = [one for one in figures(report) if one.name == "beyond"]
    kinds = [(row.bars[0].tone, row.mark.word if row.mark else "") for row in figure.plot.rows]  # type: ignore[union-attr]
    assert kinds == [("tried", "faster"), ("beyond", "beyond")]
    assert figure.plot.rows[1].mark.shape == "◆"  # type: ignore[union-attr]


def test_the_page_and_the_terminal_tell_them_too(tmp_path: Path) -> None:
    manifest, analysis = stored(both())
    page = html.page(view(manifest, analysis))
    text = Page(page).text
    assert "What was possible" in text and "◆ Beyond the documents" in page
    told = printed(summary(manifest, analysis, tmp_path / "report.html"))
    assert "◆ beyond  What was possible: " in told
    rows = [line for line in told.splitlines() if line.startswith("cached + native")]
    assert rows == [], "the table of contrasts is about what is on trial"


def test_in_every_table_it_stands_apart() -> None:
    told = markdown.document(view(*stored(both())))
    effects = told.split("**Effects**")[1].split("**◆ Beyond the documents, against the same baseline**")
    assert "native" not in effects[0]
    assert effects[1].count("| cached + native | ▼ faster |") == 1
    assert "| native (◆ beyond) |" in told
    assert "All 2 changes together: 0.400" in told


def test_a_wrong_answer_is_no_speed() -> None:
    report = view(*stored(replace(both(), broken=("native",))))
    assert report.beyond is not None
    assert report.beyond.sentences[0].startswith("What was possible: invalid with cached + native.")
    (figure,) = [one for one in figures(report) if one.name == "beyond"]
    assert [row.point is None for row in figure.plot.rows] == [False, True]  # type: ignore[union-attr]


def test_what_failed_says_so() -> None:
    gone = Outcome(cell="native", outcome="out_of_memory", detail="")
    report = view(*stored(replace(both(), outcomes=(gone,))))
    assert report.beyond is not None
    assert report.beyond.sentences[0].startswith("What was possible: not measured with cached + native.")


def test_a_suite_without_it_says_nothing_of_it() -> None:
    manifest, analysis = stored(world())
    report = view(manifest, analysis)
    assert report.beyond is None
    assert "beyond the documents" not in markdown.document(report)


def test_of_many_conditions_the_two_ends_are_told_and_all_are_drawn() -> None:
    rows = (64, 128, 256, 512)
    cells = []
    for number in rows:
        under = {"threads": 1, "rows": number}
        names = {"base": ("rebuild", "eager"), "fused": ("rebuild", "fused"), "native": ("cached", "native")}
        for name, (matrix, kernels) in names.items():
            made_of = cell(
                f"{name}, rows={number}",
                {"matrix": matrix, "kernels": kernels},
                baseline=f"base, rows={number}",
                conditions=under,
                beyond=name == "native",
            )
            cells.append(made_of)
    control = cells[0].model_copy(update={"id": "control", "name": "control", "control": True})
    cost = {"eager": 0.01, "fused": 0.008}

    def times(one: Cell) -> float:
        return cost.get(one.variant["kernels"], 0.1 / one.conditions["rows"])

    grown = world(cells=[*cells, control], times=times, varied={"rows": rows}, design="one_at_a_time", factors={})
    report = view(*stored(grown))
    assert report.beyond is not None
    first, last, rest = report.beyond.sentences
    assert "(rows 512): 51" in first and "(rows 64): 6.4" in last
    assert rest == "The speeds beyond the documents under 2 other sets of conditions lie between."
    (figure,) = [one for one in figures(report) if one.name == "beyond"]
    assert sum(row.heading for row in figure.plot.rows) == 4  # type: ignore[union-attr]


def test_the_tables_beside_the_report_have_a_column_for_it() -> None:
    made_of = both()
    found = {one.name: one for one in tables(made_of.manifest, analysed(made_of), made_of.lines)}
    for name in ("cells", "contrasts"):
        columns = [column.name for column in found[name].columns]
        place, at = columns.index("beyond"), columns.index("cell")
        assert {row[at]: row[place] for row in found[name].rows}["native"] is True
        assert sum(bool(row[place]) for row in found[name].rows) == 1
