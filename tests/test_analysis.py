"""From the lines of a run to its analysis: planted times come back, and every doubt takes a verdict away."""

import dataclasses
import math

import pytest
from analysis_helpers import World, block, cell, factorial_cells, sample

from harness.analysis import analyse, analyse_lines
from harness.records import Analysis, Contrast, Outcome, PartAnalysis
from harness.store import RunFolder, append_line

FACTORS = {"matrix": ("rebuild", "cached"), "kernels": ("eager", "fused")}
COST = {"cached": 0.5, "fused": 0.8}


def cost(one) -> float:
    return 0.01 * math.prod(COST.get(level, 1.0) for level in one.variant.values())


def world(**changes) -> World:
    made = World(cells=factorial_cells(FACTORS), factors=dict(FACTORS), times=cost)
    return dataclasses.replace(made, **changes)


def analysed(made: World) -> Analysis:
    analysis = analyse_lines(made.manifest, made.lines)
    assert Analysis.model_validate_json(analysis.model_dump_json()) == analysis
    assert "NaN" not in analysis.model_dump_json()
    return analysis


def part(made: World) -> PartAnalysis:
    return analysed(made).parts[0]


def contrast(analysis: PartAnalysis, name: str) -> Contrast:
    return next(one for one in analysis.contrasts if one.cell == name)


def summary(analysis: PartAnalysis, name: str):
    return next(one for one in analysis.cells if one.cell == name)


def test_planted_ratios_are_held_by_their_intervals_and_called():
    found = part(world())
    for name, ratio in (("matrix=cached", 0.5), ("kernels=fused", 0.8), ("matrix=cached, kernels=fused", 0.4)):
        one = contrast(found, name)
        assert one.ratio.low <= ratio <= one.ratio.high
        assert one.ratio.high - one.ratio.low < 0.01
        assert (one.verdict, one.ratio.n, len(one.trials)) == ("faster", 6, 6)
    assert contrast(found, "matrix=cached").changes == {"matrix": ("rebuild", "cached")}
    assert {one.cell for one in found.contrasts} == {"matrix=cached", "kernels=fused", "matrix=cached, kernels=fused"}


def test_without_noise_the_planted_ratio_is_exact():
    one = contrast(part(world(noise=0.0)), "matrix=cached")
    assert one.ratio.low == pytest.approx(0.5, rel=1e-12)
    assert one.ratio.high == pytest.approx(0.5, rel=1e-12)


def test_a_quiet_run_is_stable_and_knows_its_floor():
    found = part(world())
    assert found.stable
    assert found.reasons == ()
    assert 0 < found.floor < 0.005
    assert found.control.low <= 1 <= found.control.high
    assert 0.02 < found.detectable < 0.03
    assert (found.trials, found.blocks, found.kept) == (6, 24, 24)
    assert found.canary_spread > 0.3


def test_the_speed_of_a_trial_changes_no_ratio():
    even, uneven = part(world(speed=lambda _: 1.0)), part(world(speed=lambda t: 2.0**t))
    assert [c.ratio.point for c in uneven.contrasts] == pytest.approx([c.ratio.point for c in even.contrasts])


def test_smoke_shows_ratios_and_gives_no_verdict():
    found = part(world(preset="smoke", trials=2))
    assert {(one.verdict, one.reason) for one in found.contrasts} == {("withheld", "smoke gives no verdicts")}
    assert all(one.ratio for one in found.contrasts)


def test_one_trial_gives_a_bare_ratio_and_no_verdict():
    found = part(world(trials=1))
    one = contrast(found, "matrix=cached")
    assert (one.verdict, one.ratio.n, one.detectable) == ("withheld", 1, None)
    assert one.ratio.low == one.ratio.high
    assert found.floor is None
    assert not found.stable


def test_a_host_noisier_than_the_margin_withholds_every_verdict():
    found = part(world(noise=0.2))
    assert not found.stable
    assert {one.verdict for one in found.contrasts} == {"withheld"}
    assert all("noise floor" in one.reason and one.ratio for one in found.contrasts)


def test_a_control_with_one_usable_trial_withholds_every_verdict_even_beside_a_sound_one():
    second = cell("control 2", {"matrix": "rebuild", "kernels": "eager"}, control=True)
    made = world(cells=[*factorial_cells(FACTORS), second])
    lines = made.lines
    for number in range(4, 9):
        lines[number] = [
            line.model_copy(update={"samples": tuple(s for s in line.samples if s.cell != second.id)})
            if line.kind == "block"
            else line
            for line in lines[number]
        ]
    found = analyse_lines(made.manifest, lines).parts[0]
    assert (found.stable, found.reasons) == (False, ("the control has one usable trial only",))
    assert {one.verdict for one in found.contrasts} == {"withheld"}


def test_a_canary_that_drifts_inside_blocks_withholds_every_verdict():
    found = part(world(canary_drift=1.2))
    assert {one.verdict for one in found.contrasts} == {"withheld"}
    assert found.canary.point == pytest.approx(1.2)


def test_without_a_control_nothing_is_called():
    found = part(world(cells=[c for c in factorial_cells(FACTORS) if not c.control]))
    assert (found.control, found.floor, found.stable) == (None, None, False)
    assert {one.verdict for one in found.contrasts} == {"withheld"}


def test_a_wrong_output_is_invalid_however_fast():
    found = part(world(broken=["matrix=cached"]))
    one = contrast(found, "matrix=cached")
    assert one.verdict == "invalid"
    assert "error 1" in one.reason
    assert summary(found, "matrix=cached").sameness == "broken"
    assert contrast(found, "kernels=fused").verdict == "faster"
    assert found.effects == ()
    assert any("invalid" in note for note in found.notes)


def test_a_wrong_baseline_makes_every_contrast_invalid():
    assert {one.verdict for one in part(world(broken=["base"])).contrasts} == {"invalid"}


def test_an_output_nobody_compared_earns_no_verdict():
    one = contrast(part(world(unchecked=["matrix=cached"])), "matrix=cached")
    assert one.verdict == "withheld"
    assert "not compared" in one.reason


def test_a_gradient_beyond_its_tolerance_or_a_nan_is_broken():
    made = world()
    lines = made.lines
    wrong = {"gradient_error": 0.5, "gradient_tolerance": 1e-3}
    lines[1] = [
        s.model_copy(update=wrong if s.cell == "matrix=cached" else {"error": float("nan")})
        for s in lines[1]
        if s.cell in ("matrix=cached", "kernels=fused")
    ] + [s for s in lines[1] if s.cell == "base"]
    found = analyse_lines(made.manifest, lines).parts[0]
    assert "gradient error 0.5" in contrast(found, "matrix=cached").reason
    assert contrast(found, "kernels=fused").verdict == "invalid"


@pytest.mark.parametrize(
    ("outcome", "verdict"),
    [
        ("crashed", "not measured"),
        ("timed_out", "not measured"),
        ("out_of_memory", "not measured"),
        ("not_finite", "invalid"),
    ],
)
def test_a_failed_cell_keeps_its_row_with_its_outcome(outcome, verdict):
    failed = Outcome(cell="matrix=cached", outcome=outcome, detail="why")
    found = part(world(outcomes=[failed]))
    one, row = contrast(found, "matrix=cached"), summary(found, "matrix=cached")
    assert (one.verdict, one.ratio, one.trials) == (verdict, None, ())
    assert outcome in one.reason
    assert "why" in one.reason
    assert (row.outcome, row.detail, row.time_s) == (outcome, "why", None)
    assert contrast(found, "kernels=fused").verdict == "faster"
    assert any("no effects" in note and outcome in note for note in found.notes)


def test_a_failed_baseline_leaves_nothing_measured():
    found = part(world(outcomes=[Outcome(cell="base", outcome="crashed", detail="")]))
    assert {one.verdict for one in found.contrasts} == {"not measured"}
    assert found.control is None


def test_a_run_that_never_started_has_a_row_for_every_cell():
    made = world()
    found = analyse_lines(made.manifest.model_copy(update={"processes": ()}), {}).parts[0]
    assert {row.outcome for row in found.cells} == {"not run"}
    assert {one.verdict for one in found.contrasts} == {"not measured"}
    assert (found.trials, found.blocks) == (0, 0)


def test_an_unfinished_run_has_whatever_its_finished_trials_say():
    made = world()
    processes = [p for p in made.manifest.processes if p.trial < 4]
    running = processes[-1].model_copy(update={"state": "running"})
    manifest = made.manifest.model_copy(update={"processes": (*processes[:-1], running)})
    found = analyse_lines(manifest, made.lines)
    assert (found.trials_done, found.trials_planned) == (2, 6)
    assert contrast(found.parts[0], "matrix=cached").ratio.n == 2


def test_blocks_of_an_abandoned_process_are_counted_and_enter_nothing():
    made = world(abandoned=[2, 5])
    lines = made.lines
    for number in (4, 7):
        lines[number] = [
            block(*(s.model_copy(update={"time_s": 99.0}) for s in line.samples), trial=line.trial, number=line.block)
            if line.kind == "block"
            else line
            for line in lines[number]
        ]
    analysis = analyse_lines(made.manifest, lines)
    found = analysis.parts[0]
    assert contrast(found, "matrix=cached").ratio.n == 4
    assert (found.trials, found.blocks) == (4, 16)
    assert [(e.reason, e.count) for e in found.exclusions] == [("blocks of an abandoned process: process ended", 8)]
    assert len(analysis.abandoned) == 2
    assert "trial 2" in analysis.abandoned[0]


def test_a_second_attempt_replaces_the_abandoned_first():
    made = world(abandoned=[2])
    again = made.manifest.processes[4].model_copy(update={"number": 99, "attempt": 2, "state": "done", "reason": ""})
    manifest = made.manifest.model_copy(update={"processes": (*made.manifest.processes, again)})
    found = analyse_lines(manifest, made.lines | {99: made.lines[4]}).parts[0]
    assert contrast(found, "matrix=cached").trial_numbers == (1, 2, 3, 4, 5, 6)


def test_disturbed_pairs_are_left_out_of_their_contrast_alone_and_counted():
    disturb = {("matrix=cached", 0), ("matrix=cached", 1)}
    made = world(lost=lambda trial, number, name: 0.9 if (name, number) in disturb and trial == 1 else 0.0)
    found = part(made)
    one = contrast(found, "matrix=cached")
    assert (one.kept_blocks, one.excluded_blocks, one.clock) == (22, 2, "wall")
    assert one.ratio.low <= 0.5 <= one.ratio.high
    assert contrast(found, "kernels=fused").excluded_blocks == 0
    assert (found.blocks, found.kept) == (24, 22)
    (left_out,) = found.exclusions
    assert left_out.count == 2
    assert "90.0%" in left_out.reason


def test_where_most_pairs_are_disturbed_process_time_decides_on_one_thread_only():
    def lost(trial, number, name):
        return 0.5 if name == "matrix=cached" and number else 0.0

    one = contrast(part(world(lost=lost)), "matrix=cached")
    assert (one.clock, one.degraded) == ("cpu", False)
    assert one.ratio.point == pytest.approx(0.5)
    many = contrast(part(world(lost=lost, threads=2)), "matrix=cached")
    assert (many.clock, many.degraded) == ("wall", True)
    assert many.ratio.point > 0.9
    assert (many.verdict, many.n_to_settle) == ("withheld", None)
    assert many.reason == "degraded: 18 of 24 pairs were disturbed, and all are used"


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


def test_shares_of_mostly_disturbed_stages_are_flagged():
    def lost(trial, number, name):
        return 0.5 if name == "base" and number else 0.0

    found = part(world(stages=STAGES, staged_lost=lost))
    row = summary(found, "base")
    assert (row.degraded, row.notes) == (True, ("degraded: 18 of 24 staged samples were disturbed; all are used",))
    assert not summary(found, "matrix=cached").degraded


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


STAGES = {"encoder": 0.1, "propagator": 0.3, "encoder.backward": 0.2, "propagator.backward": 0.4 - 0.005}


def test_stages_have_shares_closure_and_the_cost_of_their_marks():
    row = summary(part(world(stages=STAGES)), "base")
    whole = sum(STAGES.values())
    assert [(s.stage, s.direction) for s in row.stages] == [
        ("encoder", "forward"),
        ("propagator", "forward"),
        ("encoder", "backward"),
        ("propagator", "backward"),
    ]
    for stage in row.stages:
        key = stage.stage + (".backward" if stage.direction == "backward" else "")
        assert stage.share.point == pytest.approx(STAGES[key] / whole)
    assert row.stage_shares["propagator"] == pytest.approx([(0.3 + 0.395) / whole] * 6)
    assert row.closure.point == pytest.approx(0.005)
    assert row.probe_cost == pytest.approx(8 * 1e-6 / 0.01, rel=0.4)
    assert row.staged_over_bare.low == pytest.approx(row.staged_over_bare.high)
    assert row.staged_over_bare.point == pytest.approx(1)


def test_stages_that_do_not_add_up_are_reported():
    found = part(world(stages={"encoder": 0.5, "propagator": 0.3}))
    assert found.closure == pytest.approx(0.2)
    assert any("beyond 3 %" in note for note in found.notes)


def test_everything_else_a_worker_wrote_reaches_the_row_of_its_cell():
    found = part(world(probes={"base": {"iterations": 4.0, "outcome": "converged"}}))
    row = summary(found, "base")
    assert row.probes == {"iterations": 4.0, "outcome": "converged"}
    assert (row.peak_bytes, row.before_bytes, row.warm_up_calls, row.steady) == (3000, 1000, 5, True)
    assert (row.first_call_s, row.repeat, row.error, row.sameness) == (1.0, 1, 1e-7, "holds")
    assert row.time_s.low <= row.time_s.point <= row.time_s.high


def test_the_harness_accounts_for_its_own_time():
    assert analysed(world()).harness_share == pytest.approx(0.05)


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


def test_a_run_is_analysed_from_its_folder_alone(tmp_path):
    made = world(trials=3)
    folder = RunFolder(tmp_path / "run")
    (folder.path / "trials").mkdir(parents=True)
    folder.write_manifest(made.manifest)
    for number, lines in made.lines.items():
        with folder.trial_file(number).open("ab") as file:
            for line in lines:
                append_line(file, line)
    with folder.trial_file(5).open("ab") as file:
        file.write(b'{"kind": "block", "torn')
    analysis = analyse(folder)
    assert analysis == analyse_lines(made.manifest, made.lines)
    folder.write_analysis(analysis)
    assert folder.analysis() == analysis


def test_a_cell_in_the_middle_of_a_long_block_is_compared_with_the_baselines_around_it():
    made = world(trials=2, noise=0.0)
    lines = made.lines
    drifting = [
        block(
            sample("base", 0.01, 1),
            sample("matrix=cached", 0.01 * 0.5 * 1.5, 2),
            sample("base", 0.01 * 2.25, 3),
            sample("control", 0.01 * 2.25, 4),
            trial=trial,
        )
        for trial in (1, 2)
    ]
    for at, number in enumerate((3, 4)):
        lines[number] = [line for line in lines[number] if line.kind != "block"] + [drifting[at]]
    found = analyse_lines(made.manifest, lines).parts[0]
    assert contrast(found, "matrix=cached").ratio.point == pytest.approx(0.5)


def test_cells_of_another_baseline_are_never_mixed():
    cells = [
        cell("base", {"a": "x"}),
        cell("other", {"a": "x"}, baseline="other"),
        cell("c", {"a": "y"}, baseline="other"),
    ]
    made = World(
        cells=cells, factors={"a": ("x", "y")}, times=lambda one: {"base": 0.01, "other": 0.02, "c": 0.03}[one.id]
    )
    assert contrast(part(made), "c").ratio.point == pytest.approx(1.5, rel=0.01)
