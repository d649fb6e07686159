"""What each switch did, from the lines of a run."""

import math

import pytest
from analysis_helpers import FACTORS, World, cell, contrast, cost, factorial_cells, part, world

from harness.analysis import analyse_lines


def test_effects_over_two_clocks_or_disturbed_pairs_say_so():
    lost = {"lost": lambda _, number, name: 0.5 if name == "matrix=cached" and number else 0.0}
    mixed = part(world(**lost))
    assert mixed.notes == (
        "effects and shares mix two clocks: matrix=cached by process CPU time, the other cells by the wall clock",
    )
    (note,) = part(world(**lost, threads=2)).notes
    assert (
        note == "effects and shares are degraded: over half the pairs of matrix=cached were disturbed, and all are used"
    )
    everywhere = part(world(lost=lambda _, number, name: 0.5 if name == "base" and number else 0.0))
    assert (len(everywhere.effects), everywhere.notes) == (3, ())
    extra = [*factorial_cells(FACTORS), cell("extra", {"matrix": "other", "kernels": "eager"})]
    assert part(world(cells=extra, lost=lambda _, number, name: 0.5 if name == "extra" and number else 0.0)).notes == ()


def test_effects_and_shares_of_a_planted_factorial():
    found = part(world())
    ratios = {effect.factors: effect.ratio for effect in found.effects}
    for factors, ratio in ((("matrix",), 0.5), (("kernels",), 0.8), (("matrix", "kernels"), 1.0)):
        assert ratios[factors].low - 1e-3 <= ratio <= ratios[factors].high + 1e-3
    assert sum(share.fraction.point for share in found.shapley) == pytest.approx(1)
    total = contrast(found, "matrix=cached, kernels=fused").ratio.point
    assert math.prod(share.ratio.point for share in found.shapley) == pytest.approx(total)
    assert found.effects[0].levels == (("rebuild", "cached"),)


def test_a_total_of_nothing_has_no_shares():
    found = part(world(times=lambda _: 0.01))
    assert found.shapley == ()
    assert any("cannot be told from zero" in note for note in found.notes)
    assert len(found.effects) == 3


def test_a_total_whose_interval_holds_nothing_has_no_shares_even_if_every_trial_gained():
    made = world(trials=2, noise=0.0, times=lambda _: 0.01)
    lines = made.lines
    for number, ratio in ((3, 0.99), (4, 0.7)):
        lines[number] = [faster_when_cached(line, ratio) if line.kind == "block" else line for line in lines[number]]
    assert analyse_lines(made.manifest, lines).parts[0].shapley == ()


def faster_when_cached(one, ratio):
    times = [s.time_s * (ratio if "cached" in s.cell else 1.0) for s in one.samples]
    samples = [s.model_copy(update={"time_s": t}) for s, t in zip(one.samples, times, strict=True)]
    return one.model_copy(update={"samples": tuple(samples)})


def test_a_factorial_with_a_hole_has_no_effects_and_says_which():
    found = part(world(cells=[c for c in factorial_cells(FACTORS) if c.name != "matrix=cached, kernels=fused"]))
    assert (found.effects, found.shapley) == ((), ())
    assert any("matrix=cached, kernels=fused was not planned" in note for note in found.notes)


def test_a_merged_cell_stands_for_both_of_its_variants():
    cells = [
        c.model_copy(update={"merged": ("all_on",), "merged_variants": ({"matrix": "cached", "kernels": "fused"},)})
        if c.name == "matrix=cached"
        else c
        for c in factorial_cells(FACTORS)
        if c.name != "matrix=cached, kernels=fused"
    ]
    found = part(world(cells=cells, noise=0.0))
    ratios = {effect.factors: effect.ratio.point for effect in found.effects}
    assert ratios["matrix",] == pytest.approx(0.5 / math.sqrt(0.8))
    assert ratios["kernels",] == pytest.approx(math.sqrt(0.8))


def test_a_switch_that_changes_nothing_anyone_can_see_is_named_dead():
    same = {"base": "a", "kernels=fused": "a", "matrix=cached": "b", "matrix=cached, kernels=fused": "b"}
    dead = {"digests": same, "times": lambda one: 0.005 if one.variant["matrix"] == "cached" else 0.01}
    assert part(world(**dead)).dead_switches == ("kernels",)
    # One visible difference each: an output, a time, a probe.
    assert part(world(**dead | {"digests": same | {"base": "c"}})).dead_switches == ()
    assert part(world(**dead | {"times": cost})).dead_switches == ()
    assert part(world(**dead, probes={"base": {"iterations": 3.0}})).dead_switches == ()
    assert part(world(**dead, noise=0.3)).dead_switches == ()


def test_conditions_have_baselines_and_effects_of_their_own():
    cells = []
    for dt in (0.1, 0.5):
        for one in factorial_cells(FACTORS):
            names = {key: f"{getattr(one, key)} dt={dt}" for key in ("id", "name", "baseline")}
            cells.append(one.model_copy(update=names | {"conditions": {"threads": 1, "dt": dt}}))

    def times(one):
        return cost(one) * (one.conditions["dt"] if one.variant["matrix"] == "cached" else 1.0)

    found = part(world(cells=cells, varied={"dt": (0.1, 0.5)}, times=times))
    mains = {effect.conditions["dt"]: effect.ratio.point for effect in found.effects if effect.factors == ("matrix",)}
    assert mains == pytest.approx({0.1: 0.05, 0.5: 0.25}, rel=0.01)
    assert len(found.contrasts) == 6


def test_a_factor_of_three_levels_has_contrasts_and_no_effects():
    factors = {"method": ("cg", "cocg", "cgnr")}
    found = part(World(cells=factorial_cells(factors), factors=factors, times=lambda _: 0.01))
    assert len(found.contrasts) == 2
    assert found.effects == ()
    assert any("method" in note for note in found.notes)
