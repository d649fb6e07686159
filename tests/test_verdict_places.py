"""One claim judged in many places: one word stands for all of them, and the places in which it holds are named."""

import dataclasses

import pytest
from analysis_helpers import World, cell
from claims_helpers import claim, judged, world

from harness.claims.read import widened
from harness.records import Interval, Outcome


def methods(**changes) -> World:
    """Two methods at two steps; the preconditioner helps cg at dt 0.1 only, and direct has none."""
    cells = []
    for dt in (0.1, 0.5):
        for method in ("cg", "cocg", "direct"):
            for pre in ("none", "jacobi"):
                if (method, pre) == ("direct", "jacobi"):
                    continue
                name = f"{method}-{pre}, dt={dt}"
                away = {"method": "direct", "pre": "jacobi"}
                cells.append(
                    cell(
                        name,
                        {"method": method, "pre": pre},
                        baseline=f"cg-none, dt={dt}",
                        conditions={"threads": 1, "dt": dt},
                        merged=(f"lu, dt={dt}",) if method == "direct" else (),
                        merged_variants=(away,) if method == "direct" else (),
                    )
                )
        base = cells[-5]
        cells.append(base.model_copy(update={"id": f"control {dt}", "name": f"control, dt={dt}", "control": True}))
    reading = {one.id: {"iterations": 2.0 if one.id == "cg-jacobi, dt=0.1" else 7.0} for one in cells}
    made = World(
        cells=cells,
        factors={"method": ("cg", "cocg", "direct"), "pre": ("none", "jacobi")},
        design="grid",
        varied={"dt": (0.1, 0.5)},
        probes=reading,
    )
    return dataclasses.replace(made, **changes)


ITERATIONS = {"relation": "at_most", "unit": "iterations", "metric": "probe", "probe": "iterations"}
BOTH = {"changes": {"pre": "jacobi"}, "each": {"method": ["cg", "cocg"]}}


def test_a_claim_that_holds_in_part_of_its_scope_is_qualified_and_says_where():
    found = judged(methods(), claim(stated=2.5, **ITERATIONS, **BOTH))
    assert (found.verdict, found.holds_where) == ("qualified", ("dt=0.1, method=cg",))
    assert found.measured.point == 2
    assert found.reason == "holds in 1 of 4 places; measured from 2 to 7 iterations"


def test_a_claim_that_holds_nowhere_is_refuted_by_its_best_place():
    found = judged(methods(), claim(stated=1, **ITERATIONS, **BOTH))
    assert (found.verdict, found.measured.point, found.holds_where) == ("refuted", 2, ())


def test_a_claim_that_holds_everywhere_shows_its_worst_place():
    found = judged(methods(), claim(stated=8, **ITERATIONS, **BOTH))
    assert (found.verdict, found.measured.point) == ("supported", 7)


def test_a_place_that_fails_leaves_the_word_to_the_others_and_is_named():
    failed = Outcome(cell="cocg-jacobi, dt=0.5", outcome="crashed", detail="")
    found = judged(methods(outcomes=[failed]), claim(stated=8, **ITERATIONS, **BOTH))
    assert (found.verdict, found.holds_where) == ("supported", ())
    assert found.reason == (
        "holds in 3 of 3 tested places; measured from 2 to 7 iterations; "
        "not tested: dt=0.5, method=cocg (cocg-jacobi, dt=0.5: crashed)"
    )


def test_places_a_run_was_restricted_away_from_are_named():
    made = methods(only=("cg-jacobi",))
    made.cells = [one for one in made.cells if "cocg" not in one.name]
    found = judged(made, claim(stated=8, **ITERATIONS, **BOTH))
    assert found.verdict == "supported"
    assert "not tested: dt=0.1, method=cocg (this run was restricted to cg-jacobi); dt=0.5" in found.reason


def test_a_place_that_decides_nothing_beside_one_that_supports_is_inconclusive():
    unchecked = methods(unchecked=["cocg-jacobi, dt=0.5"])
    found = judged(unchecked, claim(stated=8, **ITERATIONS, **BOTH))
    assert (found.verdict, found.holds_where) == ("inconclusive", ())
    assert "outputs of cocg-jacobi, dt=0.5 were not compared" in found.reason


def test_a_place_with_wrong_numbers_supports_nothing_and_qualifies_what_the_others_support():
    found = judged(methods(broken=["cg-jacobi, dt=0.1"]), claim(stated=2.5, **ITERATIONS, **BOTH))
    assert found.verdict == "refuted"
    found = judged(methods(broken=["cocg-jacobi, dt=0.5"]), claim(stated=8, **ITERATIONS, **BOTH))
    assert (found.verdict, len(found.holds_where)) == ("qualified", 3)
    everywhere = [f"{m}-jacobi, dt={dt}" for m in ("cg", "cocg") for dt in (0.1, 0.5)]
    assert judged(methods(broken=everywhere), claim(stated=8, **ITERATIONS, **BOTH)).verdict == "invalid"


def test_conditions_can_be_picked_and_cells_named():
    picked = claim(stated=2.5, **ITERATIONS, changes={"pre": "jacobi"}, where={"dt": [0.1]})
    assert judged(methods(), picked).verdict == "supported"
    named = claim(stated=2.5, **ITERATIONS, cell="cg-jacobi")
    assert judged(methods(), named).holds_where == ("dt=0.1",)
    nowhere = judged(methods(), claim(**ITERATIONS, where={"dt": [7]}))
    assert (nowhere.verdict, "none of the conditions" in nowhere.reason) == ("untested", True)


def test_a_variant_that_was_merged_away_is_found_in_the_cell_that_stands_for_it():
    found = judged(methods(), claim(stated=8, **ITERATIONS, changes={"method": "direct", "pre": "jacobi"}))
    assert (found.verdict, found.cell) == ("supported", "direct-none, dt=0.1")
    named = judged(methods(), claim(stated=8, **ITERATIONS, cell="lu"))
    assert (named.verdict, named.cell) == (found.verdict, found.cell)


def test_a_switch_or_cell_the_plan_does_not_know_is_untested_not_an_error():
    for unknown in ({"changes": {"colour": "red"}}, {"changes": {"pre": "ilu"}}, {"cell": "all_on"}):
        found = judged(methods(), claim(**ITERATIONS, **unknown))
        assert (found.verdict, found.reason) == ("untested", "the suite plans no such cell")


@pytest.mark.parametrize(
    ("start", "changes", "times"),
    [
        ({}, {"matrix": "cached"}, 0.5),
        ({"matrix": "cached"}, {"matrix": "rebuild"}, 2),
        ({"kernels": "fused"}, {"kernels": "eager", "matrix": "cached"}, 0.625),
    ],
)
def test_a_ratio_is_of_any_two_cells_the_baseline_among_them(start, changes, times):
    """Times are 1, 0.5 where the matrix is cached, 0.8 where the kernels are fused."""
    about = {"relation": "about", "stated": times, "tolerance": times / 5, "unit": "times", "metric": "ratio"}
    found = judged(world(), claim(start=start, changes=changes, **about))
    assert found.verdict == "supported"
    assert found.measured.point == pytest.approx(times, rel=0.005)
    assert found.trials == pytest.approx([times] * 6, rel=0.02)


def test_a_ratio_is_widened_by_the_noise_floor_and_is_no_counter():
    assert widened("ratio", Interval(point=4, low=3.8, high=4.2, n=6), 0.05) == Interval(
        point=4, low=3.8 / 1.05, high=4.2 * 1.05, n=6
    )
    found = judged(
        world(),
        claim("at_least", 1.5, unit="times", metric="ratio", start={"matrix": "cached"}, changes={"matrix": "rebuild"}),
    )
    assert not found.counted
