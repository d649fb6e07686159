"""Calibration: twins of every cell, what they show when nothing differs, and when a difference is planted."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import pytest

import harness
from harness.analysis import analyse_lines
from harness.calibrate import calibration, calibration_plan, expected_detectable
from harness.calibrations import calibrate, calibration_state, plan_words, store
from harness.records import Calibration, Environment, Manifest, Plan
from harness.schedule import planned_jobs
from harness.stats import margin as margins
from harness.store import StoreError, run_folders
from tests.analysis_helpers import World, cell
from tests.plan_helpers import GB, plan_of
from tests.runner_helpers import fake_suite

BODY = "design: grid\nbaseline: status_quo\nfactors: {matrix: [rebuild, cached], head: [born, loglinear]}\n"


def test_every_cell_has_a_twin_beside_it_and_is_its_own_baseline(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, BODY + "conditions: {batch_size: [1, 2]}\n")
    [part] = calibration_plan(plan, 1000 * GB).parts
    measured = {cell.id for cell in plan.parts[0].cells if not cell.control}
    cells, twins = part.cells[::2], part.cells[1::2]
    assert {one.id for one in cells} == measured and all(one.baseline == one.id for one in cells)
    assert [(twin.baseline, twin.variant, twin.conditions) for twin in twins] == [
        (one.id, one.variant, one.conditions) for one in cells
    ]
    assert all(twin.control for twin in twins) and len({one.id for one in part.cells}) == 2 * len(measured)


@pytest.mark.parametrize("available", [1000 * GB, 9 * GB])
def test_a_twin_shares_every_process_of_its_cell_whatever_the_memory(tmp_path: Path, available: float) -> None:
    """At 7.2 GB one cell of 4.1 + 0.2 GB beside the interpreter's 1.5 GB fits, two under other conditions do not."""
    plan = plan_of(tmp_path, BODY + "conditions: {batch_size: [1, 2]}\n", available_bytes=available)
    [part] = calibration_plan(plan, available).parts
    assert len(part.groups) == (1 if available > 100 * GB else 2)
    twin_of = {one.baseline: one.id for one in part.cells if one.control}
    for group in part.groups:
        originals = [one for one in group.cells if one in twin_of]
        assert list(group.cells) == [one for original in originals for one in (original, twin_of[original])]
    assert sorted(one for group in part.groups for one in group.cells) == sorted(one.id for one in part.cells)


def test_cells_of_other_threads_stay_in_processes_of_their_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("harness.conditions.cores", lambda: 2)
    plan = plan_of(tmp_path, BODY + "conditions: {threads: [1, 2]}\n")
    [part] = calibration_plan(plan, 1000 * GB).parts
    threads = {one.id: one.conditions["threads"] for one in part.cells}
    assert [{threads[one] for one in group.cells} for group in part.groups] == [{1}, {2}]


def test_nothing_but_prepare_and_trials_is_run(tmp_path: Path) -> None:
    plan = calibration_plan(plan_of(tmp_path, BODY), 1000 * GB)
    assert [job.process for job in planned_jobs(plan)] == ["prepare"] + ["trial"] * plan.trials
    assert plan.claims == () and not plan.parts[0].factors


CELLS = [
    cell("base", {"a": "0"}),
    cell("base, again", {"a": "0"}, control=True, id="base2"),
    cell("new", {"a": "1"}, baseline="new"),
    cell("new, again", {"a": "1"}, baseline="new", control=True, id="new2"),
]


def found_in(world: World) -> Calibration:
    manifest = twinned(world)
    return calibration(manifest, analyse_lines(manifest, world.lines), world.lines)


def twinned(world: World) -> Manifest:
    plan = world.plan.model_copy(update={"purpose": "calibrate"})
    return world.manifest.model_copy(update={"plan": plan, "finished": "2026-01-01T00:10:00+00:00"})


def test_of_equals_the_floor_is_noise_and_nothing_is_alarmed() -> None:
    """A block's ratio has a spread of sqrt(2) x 0.1 %; the interval of six medians of four ends within seven such."""
    found = found_in(World(CELLS))
    assert [(one.cell, one.name, one.stage) for one in found.contrasts] == [("base", "base", ""), ("new", "new", "")]
    for one in found.contrasts:
        assert 0 < one.floor < 0.01 and one.kept_share == 1.0 and one.trials == 6 and not one.alarmed
        assert one.detectable is not None and one.detectable > found.margin
    assert found.false_alarms == 0
    assert found.order_effect is not None and abs(math.log(found.order_effect)) < 0.01


def test_a_copy_that_is_slower_is_an_alarm_however_noisy_the_host_is_called() -> None:
    """A planted 10 % makes the host unstable, which would withhold every verdict of an ordinary run."""
    found = found_in(World(CELLS, times=lambda one: 0.011 if one.id == "new2" else 0.01))
    assert [one.alarmed for one in found.contrasts] == [False, True] and found.false_alarms == 1
    assert found.contrasts[1].floor == pytest.approx(0.1, abs=0.01)


def test_a_smoke_calibration_has_no_alarms_and_a_single_trial_no_interval() -> None:
    slow = {"times": lambda one: 0.011 if one.id == "new2" else 0.01, "preset": "smoke"}
    assert [one.alarmed for one in found_in(World(CELLS, trials=2, **slow)).contrasts] == [False, False]
    assert found_in(World(CELLS, trials=1, **slow)).contrasts == ()


def test_the_share_of_kept_blocks_counts_the_disturbed_ones_even_where_all_are_used() -> None:
    def lost(trial: int, number: int, one: str) -> float:
        return 0.5 if (one == "new" and number < 3) or (one == "base" and number == 0) else 0.0

    found = found_in(World(CELLS, lost=lost))
    assert [one.kept_share for one in found.contrasts] == [0.75, 0.25]


def test_stages_are_calibrated_each_by_itself() -> None:
    world = World(CELLS, stages={"first": 0.25, "second": 0.75})
    found = found_in(world)
    assert [(one.stage, one.contrasts) for one in found.stages] == [("", 2), ("first", 2), ("second", 2)]
    assert all(one.floor_median <= one.floor_worst and one.worst_cell in ("base", "new") for one in found.stages)


@pytest.mark.parametrize("trials", [6, 20])
def test_what_a_plan_can_see_follows_from_the_spread_and_its_own_trials(trials: int) -> None:
    world = World(CELLS)
    found = found_in(world)
    others = [one.model_copy(update={"baseline": "base"}) for one in CELLS]
    plan = World(others, trials=trials).plan
    expected = expected_detectable(found, plan)
    assert [one.cell for one, _ in expected] == ["base", "new"]
    for one, size in expected:
        assert one.spread is not None
        assert size == margins.detectable_at(one.spread, trials, plan.margin, 1)
    if trials == 6:  # one cell is compared in the plan, two copies were in the calibration: a smaller family sees more
        assert all(one.detectable is not None and size <= one.detectable for one, size in expected)


HERE = Environment(**World(CELLS).manifest.environment.model_dump() | {"machine_id": "here", "code_sha256": "code"})
NOW = datetime(2026, 1, 15, tzinfo=UTC)


def made(world: World | None = None, **changed: object) -> Calibration:
    return found_in(world or World(CELLS)).model_copy(update={"machine_id": "here", "code_sha256": "code", **changed})


def state(results: Path, plan: Plan | None = None, now: datetime = NOW) -> tuple[Calibration | None, str]:
    return calibration_state(results, plan or World(CELLS).plan, HERE, now)


def test_a_calibration_of_here_counts_and_says_what_it_found(tmp_path: Path) -> None:
    store(tmp_path, made())
    found, words = state(tmp_path)
    assert found == made()
    assert words.startswith("calibrated 2026-01-01: noise floor 0.") and "0 false alarms in 2 comparisons" in words
    assert "6 trials can be expected to see a change of 2." in words and "old" not in words


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"machine_id": "there"}, "no calibration of fake on this machine (1 of other machines)"),
        ({"suite_sha256": "1" * 64}, "the suite's text has changed since the calibration of 2026-01-01"),
        ({"code_sha256": "older"}, "the code has changed since the calibration of 2026-01-01"),
        ({"contrasts": ()}, "the calibration of 2026-01-01 holds none of these cells"),
    ],
    ids=["machine", "suite", "code", "cells"],
)
def test_a_calibration_of_something_else_does_not_count_and_the_words_say_why(
    tmp_path: Path, changed: dict, why: str
) -> None:
    store(tmp_path, made(**changed))
    found, words = state(tmp_path)
    assert found is None and why in words and "`semh calibrate fake` makes one" in words
    assert plan_words(tmp_path, World(CELLS).plan, HERE).startswith("smallest change it can see: not known")


def test_none_at_all_and_a_damaged_one_are_told_apart(tmp_path: Path) -> None:
    assert "no calibration of fake on this machine;" in state(tmp_path)[1]
    file = store(tmp_path, made())
    file.write_text(file.read_text()[:-40])
    found, words = state(tmp_path)
    assert found is None and "fake.json: damaged" in words and "`semh calibrate fake` makes one" in words
    store(tmp_path, made())
    assert state(tmp_path)[0] == made()


def test_an_old_one_counts_and_is_called_old(tmp_path: Path) -> None:
    store(tmp_path, made())
    found, words = state(tmp_path, now=NOW + timedelta(days=41))
    assert found is not None and "it is old, 54 days: `semh calibrate fake` makes one anew" in words


def test_the_newest_takes_the_place_of_this_machines_and_of_no_other(tmp_path: Path) -> None:
    store(tmp_path, made(run="first"))
    store(tmp_path, made(run="other", machine_id="there"))
    store(tmp_path, made(run="second"))
    store(tmp_path, made(run="an older one once more", made="2025-12-31T00:00:00+00:00"))
    assert state(tmp_path)[0] == made(run="second")
    there, _ = calibration_state(tmp_path, World(CELLS).plan, HERE.model_copy(update={"machine_id": "there"}), NOW)
    assert there is not None and there.run == "other"


def test_the_command_that_makes_one_repeats_the_plans_cells_and_conditions(tmp_path: Path) -> None:
    plan = World(CELLS).plan.model_copy(update={"only": ("new",), "settings": {"dt": 0.5}, "preset": "full"})
    assert "`semh calibrate fake --only new --set dt=0.5` makes one" in state(tmp_path, plan)[1]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A calibration of a staged suite, then a run of it that ends before its first trial."""
    folder = tmp_path_factory.mktemp("calibrated")
    suite = fake_suite(folder, "STAGED", "{first: [usual, fast]}")
    where = {"results": folder / "results", "reports": folder / "reports"}
    with patch("harness.measure.environment.code_digest", return_value="code"):
        calibrated = calibrate(suite, preset="quick", **where)
        assert calibrated.stored is not None and calibrated.result.exit_code == 0
        harness.run(suite, preset="smoke", max_minutes=1e-6, **where)
    return folder


def test_a_calibration_in_earnest_raises_no_alarm_and_sees_each_stage(workplace: Path) -> None:
    run, calibrated = [folder.manifest() for folder in run_folders(workplace / "results")]
    assert calibrated.run.startswith("calibrate-fake-") and calibrated.plan.purpose == "calibrate"
    assert calibrated.command == f"semh calibrate {workplace}/fake.yaml"
    assert {process.process for process in calibrated.processes} == {"prepare", "trial"}
    found = run.calibration
    assert found is not None and found.run == calibrated.run and found.false_alarms == 0
    assert [(one.stage, one.contrasts) for one in found.stages] == [("", 2), ("first", 2), ("second", 2)]
    assert all(0 < one.floor < 0.1 and one.kept_share == 1.0 for one in found.contrasts)  # a ratio's spread is 1.4 %


def test_a_run_says_what_its_calibration_found_in_its_manifest_and_report(workplace: Path) -> None:
    run, calibrated = run_folders(workplace / "results")
    assert run.manifest().calibration_words.startswith("calibrated ")
    report = (workplace / "reports" / run.name / "report.md").read_text()
    assert "Calibrated 20" in report and f"run {calibrated.name}, preset quick" in report
    own = (workplace / "reports" / calibrated.name / "report.md").read_text()
    assert "A calibration, not a comparison" in own and "semh run" in own


def test_a_calibration_without_any_interval_is_not_stored(tmp_path: Path) -> None:
    suite = fake_suite(tmp_path, "FAULTY", "{fault: [none, raises]}")
    made_of = calibrate(
        suite,
        preset="smoke",
        only=("fault=raises",),
        max_minutes=1e-6,
        results=tmp_path / "results",
        reports=tmp_path / "reports",
    )
    assert made_of.stored is None and not (tmp_path / "results" / "calibrations").exists()


def test_a_calibration_that_cannot_be_written_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "calibrations").write_text("in the way")
    with pytest.raises(StoreError, match="could not be made"):
        store(tmp_path, made())
