"""Stages against the same stage of the baseline: planted factors come back, and each stage has a floor of its own."""

import math

import pytest
from analysis_helpers import analysed, cell, factorial_cells, part, world

from harness.analysis import analyse_lines
from harness.records import Outcome

STAGES = {"encoder": 0.1, "propagator": 0.3, "encoder.backward": 0.2, "propagator.backward": 0.4}
CACHED, FUSED = "matrix=cached", "kernels=fused"


def staged(**changes):
    """One stage of one cell takes half its time, and nothing else differs from the baseline."""
    given = {"times": lambda _: 0.01, "stages": STAGES, "stage_factors": {(CACHED, "propagator"): 0.5}}
    return world(**given | changes)


def stage(analysis, name, of, direction="forward"):
    found = [one for one in analysis.stage_contrasts if (one.cell, one.stage, one.direction) == (name, of, direction)]
    (only,) = found
    return only


def test_every_stage_of_every_cell_is_compared_in_the_order_of_the_pipeline():
    found = part(staged())
    assert [(one.stage, one.direction) for one in found.stage_contrasts if one.cell == CACHED] == [
        ("encoder", "forward"),
        ("propagator", "forward"),
        ("encoder", "backward"),
        ("propagator", "backward"),
    ]
    assert {one.cell for one in found.stage_contrasts} == {one.cell for one in found.contrasts}


def test_a_planted_change_of_one_stage_is_called_in_that_stage_alone():
    found = part(staged())
    changed = stage(found, CACHED, "propagator")
    assert changed.ratio.low <= 0.5 <= changed.ratio.high
    assert (changed.verdict, changed.ratio.n, changed.changes) == ("faster", 6, {"matrix": ("rebuild", "cached")})
    others = [one for one in found.stage_contrasts if one is not changed]
    assert {one.verdict for one in others} == {"same"}
    assert {one.verdict for one in found.contrasts} == {"same"}


def test_every_stage_has_the_floor_of_the_controls_own_stage():
    found = part(staged(stage_noise={"encoder": 0.05}))
    encoder, propagator = stage(found, CACHED, "encoder"), stage(found, CACHED, "propagator")
    assert encoder.floor > 0.02 > propagator.floor > 0
    assert (encoder.verdict, encoder.bar) == ("inconclusive", encoder.floor)
    assert (propagator.verdict, propagator.bar) == ("faster", 0.02)
    assert found.stable
    assert {one.floor for one in found.contrasts} == {found.floor}


def test_where_whole_calls_are_too_noisy_a_quiet_stage_is_still_called():
    made = staged()
    lines = made.lines
    for trial, number in enumerate(range(3, 9)):
        lines[number] = [disturb_bare(line, 1.1 if trial % 2 else 0.9) for line in lines[number]]
    found = analyse_lines(made.manifest, lines).parts[0]
    assert not found.stable
    assert {one.verdict for one in found.contrasts} == {"inconclusive"}
    assert stage(found, CACHED, "propagator").verdict == "faster"


def disturb_bare(line, factor):
    if line.kind != "block":
        return line
    samples = [
        one.model_copy(update={"time_s": one.time_s * factor}) if (one.cell, one.arm) == ("control", "bare") else one
        for one in line.samples
    ]
    return line.model_copy(update={"samples": tuple(samples)})


def test_a_run_whose_control_was_not_timed_in_stages_withholds_them():
    made = staged()
    lines = {number: [without_staged_control(line) for line in found] for number, found in made.lines.items()}
    found = analyse_lines(made.manifest, lines).parts[0]
    assert {one.verdict for one in found.stage_contrasts} == {"withheld"}
    assert all("no control of stage" in one.reason and one.floor is None for one in found.stage_contrasts)
    assert {one.verdict for one in found.contrasts} == {"same"}


def without_staged_control(line):
    if line.kind != "block":
        return line
    kept = [one for one in line.samples if (one.cell, one.arm) != ("control", "staged")]
    return line.model_copy(update={"samples": tuple(kept)})


@pytest.mark.parametrize(
    ("cost", "verdict"), [(5e-9, "faster"), (2e-3 / 20 * 0.99, "faster"), (3e-3 / 20 * 1.01, "withheld")]
)
def test_a_stage_that_is_short_beside_its_marks_is_not_called(cost, verdict):
    """The longer of 3 ms and 1.5 ms decides: 20 marks must fit into it."""
    made = staged(speed=lambda _: 1.0)
    lines = {
        number: [line.model_copy(update={"mark_s": cost}) if line.kind == "mark_cost" else line for line in found]
        for number, found in made.lines.items()
    }
    found = stage(analyse_lines(made.manifest, lines).parts[0], CACHED, "propagator")
    assert found.verdict == verdict
    assert ("too short for its clock" in found.reason) == (verdict == "withheld")


def test_a_stage_under_twenty_microseconds_is_not_called_however_cheap_a_mark_is():
    found = part(staged(times=lambda _: 1e-4, stages={"encoder": 0.15, "propagator": 0.85}))
    assert {one.verdict for one in found.stage_contrasts if one.stage == "encoder"} == {"withheld"}
    assert stage(found, CACHED, "propagator").verdict == "faster"


def mostly_disturbed(share, of=10):
    quiet = round(share * of)
    lost = {"staged_lost": lambda _, number, name: 0.5 if name == CACHED and number >= quiet else 0.0}
    return part(staged(blocks=of, **lost))


def test_quiet_pairs_decide_a_stage_while_they_are_a_third_and_it_says_so():
    found = stage(mostly_disturbed(0.4), CACHED, "propagator")
    assert (found.verdict, found.degraded, found.clock) == ("faster", False, "wall")
    assert (found.kept_blocks, found.excluded_blocks) == (24, 36)
    assert found.reason == "36 of 60 pairs were disturbed: only the quiet ones are used"
    assert found.ratio.low <= 0.5 <= found.ratio.high


def test_under_a_third_of_quiet_pairs_a_stage_is_degraded_and_withheld():
    found = stage(mostly_disturbed(0.3), CACHED, "propagator")
    assert (found.verdict, found.degraded, found.kept_blocks) == ("withheld", True, 60)
    assert found.reason.startswith("degraded: 42 of 60")
    assert stage(mostly_disturbed(0.3), FUSED, "propagator").verdict == "same"


def test_a_failed_cell_has_no_stages_and_a_wrong_one_no_words_for_them():
    found = part(staged(broken=[CACHED]))
    assert {one.verdict for one in found.stage_contrasts if one.cell == CACHED} == {"invalid"}
    crashed = Outcome(cell=CACHED, outcome="crashed", detail="why")
    assert CACHED not in {one.cell for one in part(staged(outcomes=[crashed])).stage_contrasts}


def test_a_stage_that_a_cell_does_not_know_is_compared_with_nothing():
    made = staged()
    lines = {number: [without_stage(line, CACHED, "encoder") for line in found] for number, found in made.lines.items()}
    found = analyse_lines(made.manifest, lines).parts[0]
    known = [(one.stage, one.direction) for one in found.stage_contrasts if one.cell == CACHED]
    assert ("encoder", "forward") not in known
    assert ("encoder", "backward") in known
    assert ("encoder", "forward") in {(one.stage, one.direction) for one in found.stage_contrasts}


def without_stage(line, name, gone):
    if line.kind != "block":
        return line
    samples = [
        one.model_copy(update={"stages": {key: s for key, s in one.stages.items() if key != gone}})
        if one.cell == name and one.stages
        else one
        for one in line.samples
    ]
    return line.model_copy(update={"samples": tuple(samples)})


def test_the_twins_of_a_calibration_are_contrasts_whatever_their_control_says():
    """Every cell its own baseline, beside a copy of itself; nothing was compared with an oracle, and noise is high."""
    cells = []
    for one in factorial_cells({"matrix": ("rebuild", "cached")})[:2]:
        own = one.model_copy(update={"baseline": one.id})
        cells += [own, cell(f"{one.id} again", one.variant, baseline=one.id, control=True)]
    unchecked = [one.id for one in cells]
    analysis = analysed(staged(cells=cells, purpose="calibrate", noise=0.2, unchecked=unchecked))
    (found,) = analysis.parts
    assert [one.cell for one in found.contrasts] == ["base again", f"{CACHED} again"]
    assert {one.cell for one in found.stage_contrasts} == {"base again", f"{CACHED} again"}
    assert all(one.adjusted_p is not None for one in (*found.contrasts, *found.stage_contrasts))
    assert found.family == 2 + 2 * len(STAGES)
    assert math.isclose(found.floor, max(_floors(found)), rel_tol=1e-9)


def _floors(found):
    return [max(one.ratio.high, 1 / one.ratio.low) - 1 for one in found.contrasts]
