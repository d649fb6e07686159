"""Predictions from planted histories: each rule gives the number that can be reckoned by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from predict_helpers import ALL, BLOCK, CELLS, FIRST, HERE, IMPORT, OWN, SEEN, TRIAL, WARM, past, planned, trial

from harness.calibrate import calibration_plan
from harness.history import CellCost, History, read_history
from harness.measure.environment import environment
from harness.predict import FAST, SLOW, START_S, Prediction, expected_walls, predict
from harness.progress import standing
from harness.records import Block, End, Environment, FollowUp, Line, Manifest, Plan, WarmUp
from harness.schedule import planned_jobs
from harness.store import RunFolder, append_line, new_run_folder
from harness.tables import plan_cost
from tests.analysis_helpers import World, block, sample
from tests.plan_helpers import plan_of


def test_what_was_seen_before_takes_as_long_again() -> None:
    found = predict(planned(), SEEN, HERE)
    assert found.processes == 8 and found.unseen == 0 and found.cells == 3
    assert found.low_s == found.high_s == pytest.approx(3.0 + 4.0 + 6 * TRIAL + 8 * 0.25)


@pytest.mark.parametrize(("preset", "trials"), [("smoke", 2), ("rigorous", 20)])
def test_another_preset_has_other_trials_and_the_same_rest(preset: str, trials: int) -> None:
    found = predict(planned(preset=preset, trials=trials), SEEN, HERE)
    assert found.low_s == pytest.approx(7.0 + trials * TRIAL + (2 + trials) * 0.25)


def test_other_blocks_change_samples_and_half_of_what_the_harness_takes() -> None:
    longer = IMPORT + sum(WARM[one] + 8 * BLOCK[one] for one in ALL) + OWN / 2 * (1 + 8 / 4)
    found = predict(planned(blocks=8), SEEN, HERE)
    assert found.unseen == 0
    assert found.low_s == pytest.approx(7.0 + 6 * longer + 8 * 0.25)


def test_stages_that_were_never_timed_take_as_long_as_bare_calls() -> None:
    seen = CellCost(FIRST, 0.1, 2.0, 0.4, 0.5)
    assert seen.trial_s(4, staged=False) == pytest.approx(2.0 + 4 * 0.4)
    assert seen.trial_s(4, staged=True) == pytest.approx(2.0 + 4 * 0.9)
    assert replace(seen, staged_s=None).trial_s(4, staged=True) == pytest.approx(2.0 + 4 * 0.8)


def test_fewer_cells_cost_what_these_cells_cost() -> None:
    """Processes that call each cell a few times are scaled by their first calls, which are equal here: 1 of 2."""
    found = predict(planned(cells=[CELLS[0]]), SEEN, HERE)
    one_trial = IMPORT + OWN / 3 + WARM["base"] + 4 * BLOCK["base"]
    once = (IMPORT + (3.0 - IMPORT) / 2) + (IMPORT + (4.0 - IMPORT) / 2)
    assert found.unseen == 0
    assert found.low_s == pytest.approx(once + 6 * one_trial + 8 * 0.25)


def test_a_calibration_is_known_from_the_cells_of_a_run(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "design: grid\nbaseline: status_quo\nfactors: {head: [born, loglinear]}\nstages: false\n")
    cells = tuple(one.id for one in plan.parts[0].cells if not one.control)
    costs = {one: CellCost(FIRST, 0.1, 2.0, 0.5) for one in cells}
    seen = past("trial", cells, 7.0, sampled_s=5.0, costs=costs, blocks=plan.parts[0].blocks)
    twinned = calibration_plan(plan, 1e12)
    found = predict(twinned, History(past=(seen,)), HERE)
    blocks = plan.parts[0].blocks
    one_trial = IMPORT + 4 * (2.0 + blocks * 0.5) + 4 * (1.0 / 2)
    prepare = IMPORT + 2 * FIRST
    assert found.unseen == 0 and found.processes == 1 + twinned.trials
    assert found.low_s == pytest.approx(prepare + twinned.trials * one_trial + found.processes * 0.05)


def test_compile_caches_are_filled_only_once() -> None:
    cold = past("prepare", ALL[:2], 61.5, sampled_s=60.0)
    history = replace(SEEN, past=(cold, *SEEN.past[1:]))
    found = predict(planned(), history, HERE)
    warm = 61.5 - 60.0 + 2 * FIRST  # the control is not prepared
    assert found.low_s == pytest.approx(warm + 4.0 + 6 * TRIAL + 8 * 0.25)


def test_the_newest_run_that_has_a_process_counts_and_older_ones_do_not() -> None:
    slower = replace(trial(), run="older", wall_s=100.0)
    found = predict(planned(), replace(SEEN, past=(*SEEN.past, slower)), HERE)
    assert found.low_s == predict(planned(), SEEN, HERE).low_s and found.runs == ("r", "older")


def test_memory_is_read_two_at_once_where_there_are_two_cores() -> None:
    alone = tuple(past("memory", (one,), wall) for one, wall in (("base", 5.0), ("new", 2.0)))
    history = replace(SEEN, past=(*SEEN.past, *alone))
    here = HERE.model_copy(update={"memory_bytes": 10**12})
    two = here.model_copy(update={"cores": 2})
    plan = planned(memory=True)
    assert predict(plan, history, here).low_s - predict(plan, history, two).low_s == pytest.approx(2.0 + 0.25)


def test_a_time_budget_caps_it() -> None:
    assert predict(planned(max_minutes=0.1), SEEN, HERE).high_s == 6.0


RECHECK = FollowUp(process="recheck", part="p", cells=ALL, trials=6)
CONFIRM = FollowUp(process="confirm", part="p", cells=("new", "base"), trials=3)


def test_follow_ups_come_again_as_in_the_last_run() -> None:
    history = replace(SEEN, follow_ups=(RECHECK, CONFIRM))
    found = predict(planned(preset="full", trials=10), history, HERE)
    assert found.follow_ups == 10 + 6 and found.processes == 12 + 16 and found.unseen == 0
    assert predict(planned(preset="smoke", trials=2), history, HERE).follow_ups == 0
    unconfirmed = planned()
    parts = tuple(part.model_copy(update={"confirm": False}) for part in unconfirmed.parts)
    assert predict(unconfirmed.model_copy(update={"parts": parts}), history, HERE).follow_ups == 0


def test_without_a_record_the_flops_give_a_range_that_says_so(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "design: grid\nbaseline: status_quo\nfactors: {head: [born, loglinear]}\nmemory: false\n")
    found = predict(plan, History(), HERE)
    assert found.unseen == found.processes == 8
    assert found.low_s > found.processes * START_S
    beyond = (found.low_s - 8 * (START_S + 0.05), found.high_s - 8 * (START_S + 0.05))
    assert beyond[1] == pytest.approx(beyond[0] * FAST / SLOW)
    assert found.peak_bytes == plan.parts[0].estimated_bytes
    said = plan_cost(found, "").plain
    assert "8 processes" in said and " to " in said and "by their FLOPs alone" in said


def test_a_cell_that_failed_last_time_is_taken_to_fail_again() -> None:
    alive = trial(cells=("base", "control"))
    once = (past("prepare", ALL[:2], 3.0), past("sameness", ALL[:2], 4.0), past("memory", ("base",), 5.0))
    history = History(past=(*once, alive), between_s=0.0, failed=frozenset({"new"}))
    found = predict(planned(memory=True), history, HERE)
    assert found.unseen == 0 and found.processes == 1 + 1 + 1 + 6
    assert found.low_s == pytest.approx(3.0 + 4.0 + 5.0 + 6 * alive.wall_s)


def test_the_table_names_its_sources_and_what_is_not_known() -> None:
    known = predict(planned(), SEEN, HERE)
    assert ": from r\n" in plan_cost(known, "").plain
    mixed = Prediction(**{**known.__dict__, "unseen": 2, "high_s": known.high_s * 3})
    assert ": from r; 2 processes by their FLOPs alone\n" in plan_cost(mixed, "").plain


def test_memory_is_that_of_the_largest_process_and_disk_of_all_files() -> None:
    large = tuple(replace(one, peak_bytes=7_000, file_bytes=1_000) for one in SEEN.past[2:])
    found = predict(planned(), replace(SEEN, past=(*SEEN.past[:2], *large), record_bytes=50.0), HERE)
    assert found.peak_bytes == 7_000
    assert found.disk_bytes == 100 + 100 + 6 * 1_000 + 3 * 50.0


def recorded(results: Path, plan: Plan, where: Environment, lines: dict[int, list[Line]], **more: object) -> RunFolder:
    """A run on disk whose processes took one second around what they say themselves."""
    folder = new_run_folder(results, plan.suite)
    processes = tuple(
        process.model_copy(update={"number": number, "wall_s": _wall(lines.get(number, [])), "state": "done"})
        for number, process in enumerate(World(CELLS).manifest.processes)
    )
    given = {"run": folder.name, "plan": plan, "environment": where, "processes": processes, "wall_s": 100.0, **more}
    folder.write_manifest(World(CELLS).manifest.model_copy(update=given))
    for number in range(len(processes)):
        with folder.trial_file(number).open("ab", buffering=0) as file:
            for line in lines.get(number, []):
                append_line(file, line)
    return folder


def _wall(lines: list[Line]) -> float | None:
    return next((line.wall_s + 1.0 for line in lines if isinstance(line, End)), None)


def written() -> dict[int, list[Line]]:
    """Prepare, sameness, memory and six trials, each with two blocks of two cells."""
    once: list[Line] = [End(wall_s=2.0, import_s=0.5, sampled_s=0.0, peak_bytes=5_000)]
    warm = [
        WarmUp(cell=one, first_call_s=0.5, calls=11, steady=True, repeat=4, typical_s=0.1) for one in ("base", "new")
    ]
    blocks: list[Block] = [
        block(sample("base", 0.1, 1, repeat=4), sample("base", 0.2, 2, arm="staged"), sample("new", 0.1, 3, repeat=4))
        for _ in range(2)
    ]
    end = End(wall_s=9.0, import_s=1.5, sampled_s=5.0, peak_bytes=8_000)
    return dict.fromkeys(range(3), once) | {number: [*warm, *blocks, end] for number in range(3, 9)}


def test_a_history_is_what_the_runs_of_this_machine_recorded(tmp_path: Path) -> None:
    plan = planned(memory=True)
    recorded(tmp_path, plan, HERE.model_copy(update={"machine_id": "there"}), written())
    folder = recorded(tmp_path, plan, HERE, written())
    found = read_history(tmp_path, plan, "here")
    assert found.runs == (folder.name,) and len(found.past) == 9
    seen = next(one for one in found.past if one.process == "trial")
    assert (seen.wall_s, seen.import_s, seen.sampled_s, seen.own_s) == (10.0, 2.5, 5.0, 2.5)
    assert seen.peak_bytes == 8_000 and seen.file_bytes == folder.trial_file(3).stat().st_size
    assert seen.costs["base"] == CellCost(0.5, 0.1, pytest.approx(1.5), pytest.approx(0.4), pytest.approx(0.2))
    assert seen.costs["new"].staged_s is None
    assert found.between_s == pytest.approx((100.0 - 3 * 3.0 - 6 * 10.0) / 9)
    predicted = predict(plan, found, HERE)
    assert predicted.peak_bytes == 8_000 and predicted.unseen == 0


def test_a_run_that_cannot_be_read_or_did_not_end_tells_nothing(tmp_path: Path) -> None:
    plan = planned(memory=True)
    torn = {number: lines[:-1] for number, lines in written().items()}
    recorded(tmp_path, plan, HERE, torn)
    damaged = recorded(tmp_path, plan, HERE, written())
    (damaged.path / "manifest.json").write_text("{")
    assert read_history(tmp_path, plan, "here") == History()
    assert read_history(tmp_path / "nowhere", plan, "here") == History()


def test_older_runs_are_read_only_for_what_newer_ones_lack(tmp_path: Path) -> None:
    plan = planned(memory=True)
    folders = [recorded(tmp_path, plan, HERE, written()) for _ in range(3)]
    whole = plan.model_copy(update={"parts": (plan.parts[0].model_copy(update={"memory": False}),)})
    newest = max(folders, key=lambda folder: (folder.path / "lock").stat().st_mtime_ns)
    assert read_history(tmp_path, whole, "here").runs == (newest.name,)


def test_records_from_before_wall_times_still_count(tmp_path: Path) -> None:
    plan = planned()
    folder = recorded(tmp_path, plan, HERE, written())
    manifest: Manifest = folder.manifest()
    older = tuple(process.model_copy(update={"wall_s": None}) for process in manifest.processes)
    folder.write_manifest(manifest.model_copy(update={"processes": older}))
    found = read_history(tmp_path, plan, "here")
    assert found.past[-1].wall_s == 9.0 and found.between_s == History().between_s


def test_the_first_estimate_of_the_time_left_comes_from_earlier_runs(tmp_path: Path) -> None:
    plan = planned()
    jobs = planned_jobs(plan)
    assert standing(jobs, [], {}, []).left_s is None
    recorded(tmp_path, plan, HERE, written())
    expected = expected_walls(tmp_path, plan, HERE)
    first = standing(jobs, [], {}, [], expected)
    assert first.left_s == pytest.approx(2 * 3.0 + 6 * 10.0) and first.share == 0.0


def test_what_this_run_has_seen_itself_counts_more_than_earlier_ones() -> None:
    plan = planned()
    jobs = planned_jobs(plan)
    done = [
        process.model_copy(update={"number": 1, "trial": 1, "process": "trial"})
        for process in World(CELLS).manifest.processes[3:4]
    ]
    expected = {job.key: 100.0 for job in jobs}
    left = [job for job in jobs if job.key != ("trial", "p", "0", "1")]
    assert standing(left, done, {1: 7.0}, [], expected).left_s == pytest.approx(2 * 100.0 + 5 * 7.0)


def test_this_machine_is_known_by_its_id() -> None:
    assert environment([]).machine_id == environment([]).machine_id
