"""The designs beyond pair and factorial: their cells, what they refuse, and what the plan says of them."""

import io
import re

import pytest
from plan_helpers import HEAD, STATUS_QUO, names, plan_of
from rich.console import Console

from harness.errors import SuiteError
from harness.report.terminal import plan_table
from tests.fakes import GAINS

FAKE = "suite: gains\ntitle: What does each switch do?\nsystem: tests.fakes:GAINING\n"
FOUR = "factors: {method: [cg], matrix: [cached], preconditioner: [jacobi], head: [loglinear]}\n"


def gains(count: int) -> str:
    return "factors: {" + ", ".join(f"{name}: [new]" for name in list(GAINS)[:count]) + "}\n"


def part_of(tmp_path, body, head=HEAD, **options):
    (part,) = plan_of(tmp_path, body, head, **options).parts
    return part


def high(part) -> list[str]:
    """Cells by the switches that are new in them."""
    cells = [cell for cell in part.cells if not cell.control]
    return ["".join(name for name, level in cell.variant.items() if level == "new") for cell in cells]


def test_leaving_one_out_is_the_baseline_everything_and_everything_but_each(tmp_path):
    part = part_of(tmp_path, "design: leave_one_out\n" + gains(3), FAKE)
    assert names(part) == ["status_quo", "everything on", "everything but a", "everything but b", "everything but c"]
    assert high(part) == ["", "abc", "bc", "ac", "ab"]
    assert len({cell.baseline for cell in part.cells}) == 1


def test_everything_on_is_the_last_level_of_each_factor_and_left_out_is_the_baselines(tmp_path):
    body = (
        "design: leave_one_out\nbaseline: {matrix: cached}\nfactors: {matrix: [cached, rebuild], method: [cocg, cg]}\n"
    )
    part = part_of(tmp_path, body)
    everything, without = part.cells[1], part.cells[2]
    assert (everything.variant["matrix"], everything.variant["method"]) == ("rebuild", "cg")
    assert (without.variant["matrix"], without.variant["method"]) == ("cached", "cg")


def test_what_goes_with_a_switch_that_is_left_out_is_said(tmp_path):
    part = part_of(
        tmp_path, "design: leave_one_out\nbaseline: {head: loglinear}\nfactors: {trim: [on], edge: [hard]}\n"
    )
    assert part.notes[0] == "leaving out trim takes edge with it, which does not apply without it"
    assert part.cells[0].merged == ("everything but trim",)


def test_a_ladder_climbs_in_the_order_of_the_suite_level_by_level(tmp_path):
    body = "design: ladder\nfactors: {matrix: [cached], method: [cg, direct], head: [loglinear]}\n"
    part = part_of(tmp_path, body)
    changes = [{name: v for name, v in cell.variant.items() if v != STATUS_QUO[name]} for cell in part.cells]
    assert changes[:5] == [
        {},
        {"matrix": "cached"},
        {"matrix": "cached", "method": "cg"},
        {"method": "direct"},  # under which the matrix is never built, so its switch is dead
        {"method": "direct", "head": "loglinear"},
    ]


@pytest.mark.parametrize("count, cells", [(4, 8), (5, 16), (6, 16)])
def test_a_fraction_runs_its_rows_and_names_its_aliases(tmp_path, count, cells):
    part = part_of(tmp_path, "design: fractional_factorial\n" + gains(count), FAKE)
    assert len(set(high(part))) == len(names(part)) == cells
    assert high(part)[0] == ""
    assert part.notes[0].startswith(f"{cells} of {2**count} combinations, resolution ")
    assert count == 5 or "a × b = c × " in part.notes[2]


def test_a_screening_design_runs_each_cell_and_its_mirror_image(tmp_path):
    part = part_of(tmp_path, "design: screening\n" + gains(6), FAKE)
    found = {frozenset(one) for one in high(part)}
    assert len(found) == 16
    assert {frozenset("abcdef") - one for one in found} == found
    assert part.notes == (
        "16 of 64 combinations (Plackett-Burman with foldover): main effects are clear of two-way interactions, "
        "which alias each other and are not estimated; those of three are taken to be small",
    )


def test_a_design_is_repeated_under_every_condition(tmp_path):
    part = part_of(tmp_path, "design: ladder\nconditions: {dt: [0.1, 0.5]}\n" + gains(2), FAKE)
    assert [name for name in names(part) if name.startswith("status_quo")] == [
        "status_quo, dt=0.1",
        "status_quo, dt=0.5",
    ]
    assert len(names(part)) == 6


def test_the_plan_shows_the_cells_and_the_aliases(tmp_path):
    plan = plan_of(tmp_path, "design: fractional_factorial\n" + gains(4), FAKE)
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(plan_table(plan))
    text = console.export_text()
    assert "fractional_factorial" in text
    assert "note: aliased two-way interactions, of which only the sum is estimated: a × b = c × d; " in text
    assert re.search(r"a=new, b=new, c=new, d=new", text)


REFUSED = {
    "three factors in a fraction": (
        "design: fractional_factorial\nfactors: {method: [cg], matrix: [cached], head: [loglinear]}\n",
        "5: factors: 3 factors; fractional_factorial takes 4 or more, full_factorial any number",
    ),
    "three levels in a fraction": (
        "design: fractional_factorial\nfactors:\n  matrix: [cached]\n  method: [cg, direct]\n",
        "7: factors.method: 3 levels; fractional_factorial takes two, grid any number",
    ),
    "three factors to screen": (
        "design: screening\nfactors: {method: [cg], matrix: [cached], head: [loglinear]}\n",
        "5: factors: 3 factors; screening takes 4 to 23, full_factorial fewer and fractional_factorial more",
    ),
    "one factor to leave out": (
        "design: leave_one_out\nfactors: {head: [loglinear]}\n",
        "5: factors: 1 factor; leave_one_out takes 2 or more",
    ),
    "three levels, one left out": (
        "design: leave_one_out\nfactors:\n  matrix: [cached]\n  method: [cg, direct]\n",
        "7: factors.method: 3 levels; leave_one_out takes two, grid any number",
    ),
    "a ladder of one rung": (
        "design: ladder\nfactors: {head: [loglinear]}\n",
        "5: factors: 1 factor; ladder takes 2 or more",
    ),
    "no factors": ("design: ladder\n", "4: design: an empty design: nothing is varied; ladder takes factors"),
    "a switch that dies in a fraction": (
        "design: fractional_factorial\nfactors:\n  method: [direct]\n  preconditioner: [jacobi]\n  head: [loglinear]\n"
        "  matrix: [cached]\n",
        "7: factors.preconditioner: preconditioner does not apply in 2 of the 8 cells, and fractional_factorial needs "
        "every switch in every cell; leave it out, or take full_factorial, which runs every combination",
    ),
    "a switch that dies in screening": (
        "design: screening\nfactors:\n  method: [cg]\n  matrix: [cached]\n  head: [loglinear]\n  trim: [on]\n",
        "9: factors.trim: trim does not apply in 4 of the 16 cells, and screening needs every switch in every cell; "
        "leave it out, or take full_factorial, which runs every combination",
    ),
    "a rung that does nothing": (
        "design: ladder\nfactors:\n  trim: [on]\n  head: [loglinear]\n",
        "6: factors.trim: trim does not apply on its rung of the ladder; name it after the switch it hangs on",
    ),
    "left out of where it is not": (
        "design: leave_one_out\nfactors:\n  method: [direct]\n  head: [loglinear]\n  matrix: [cached]\n",
        "8: factors.matrix: matrix does not apply where everything is on; leave it out",
    ),
    "against in a ladder": (
        "design: ladder\nagainst: all_on\n" + FOUR,
        "5: against: found against; ladder takes factors, also adds variants to any design",
    ),
    "too many cells": (
        "design: screening\nconditions: {batch_size: [" + ", ".join(map(str, range(1, 40))) + "]}\n" + FOUR,
        "4: design: 624 cells; up to 512 would do, with fewer levels or conditions",
    ),
}


@pytest.mark.parametrize("body, message", REFUSED.values(), ids=REFUSED)
def test_what_a_design_cannot_be_is_refused_with_its_line(tmp_path, body, message):
    with pytest.raises(SuiteError) as error:
        plan_of(tmp_path, body)
    assert str(error.value).endswith(f"seop.yaml:{message}")
