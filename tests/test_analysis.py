"""From the lines of a run to its contrasts: planted ratios come back, and every doubt takes a verdict away."""

import pytest
from analysis_helpers import FACTORS, World, block, cell, contrast, factorial_cells, part, sample, summary, world

from harness.analysis import analyse_lines
from harness.records import Outcome


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


def test_on_a_noisy_host_only_what_clears_the_noise_floor_is_called_and_nothing_is_the_same():
    found = part(world(noise=0.2))
    assert not found.stable
    assert found.noise_known
    assert {one.bar for one in found.contrasts} == {found.floor}
    for one in found.contrasts:
        clear = one.ratio.high < 1 / (1 + found.floor) or one.ratio.low > 1 + found.floor
        assert one.verdict == "inconclusive" or clear


def test_a_change_far_beyond_a_noisy_hosts_floor_is_called():
    found = part(world(noise=0.05))
    called = {one.verdict: one for one in found.contrasts}
    assert found.floor > 0.02
    assert "same" not in called
    assert called["faster"].ratio.high < 1 / (1 + found.floor)


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
