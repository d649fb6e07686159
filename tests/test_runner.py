"""The queue: which processes are run, which cells are given up, and why."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.progress import Standing
from harness.records import Outcome, Sameness, Start
from harness.schedule import exit_code, planned_jobs, remaining_jobs, with_dependents
from tests.runner_helpers import (
    Recorder,
    cell_named,
    fake_suite,
    keys,
    measured,
    outcomes,
    planned,
    states,
    two_parts_suite,
)


@pytest.fixture
def two_parts(tmp_path: Path) -> Path:
    return two_parts_suite(tmp_path)


def test_trials_of_all_parts_take_turns(two_parts: Path) -> None:
    jobs = planned_jobs(planned(two_parts))
    assert [(job.process, job.part, job.trial) for job in jobs] == [
        ("prepare", "one", 0),
        ("sameness", "one", 0),
        ("memory", "one", 0),
        ("memory", "one", 0),
        ("prepare", "other", 0),
        ("sameness", "other", 0),
        ("trial", "one", 1),
        ("trial", "other", 1),
        ("trial", "one", 2),
        ("trial", "other", 2),
    ]


def test_memory_is_measured_once_per_cell_and_never_of_the_control(two_parts: Path) -> None:
    plan = planned(two_parts)
    measured_cells = [job.cells for job in planned_jobs(plan) if job.process == "memory"]
    assert measured_cells == [(cell.id,) for cell in plan.parts[0].cells if not cell.control]


def test_a_failed_cell_is_left_out_of_what_remains(two_parts: Path) -> None:
    plan = planned(two_parts)
    slow = cell_named(plan, "pace=slow")
    left = remaining_jobs(plan, (), [Outcome(cell=slow, outcome="crashed", detail="")])
    assert not any(slow in job.cells for job in left)
    assert len(left) == len(planned_jobs(plan)) - 1  # its memory process alone has nothing left to do


def test_a_failed_baseline_takes_along_what_was_to_be_compared_with_it(two_parts: Path) -> None:
    plan = planned(two_parts)
    baseline = plan.parts[0].cells[0]
    found = with_dependents(plan, [Outcome(cell=baseline.id, outcome="crashed", detail="")], ())
    others = {cell.id for cell in plan.parts[0].cells if cell.baseline == baseline.id}
    assert {outcome.cell for outcome in found} >= others
    assert {o.detail for o in found[1:]} == {f"its baseline {baseline.name} gave no numbers (crashed)"}
    assert remaining_jobs(plan, (), found) == []  # both parts share this very baseline
    assert with_dependents(plan, found, found) == ()


@pytest.mark.parametrize(
    ("word", "expect", "code"),
    [
        ("crashed", None, 3),
        ("timed_out", None, 3),
        ("out_of_memory", None, 3),
        ("failed", None, 3),
        ("not_finite", None, 0),
        ("out_of_memory", "out_of_memory", 0),
        ("crashed", "out_of_memory", 3),
    ],
)
def test_the_exit_code_tells_unexpected_failures(tmp_path: Path, word: str, expect: str | None, code: int) -> None:
    more = f"expect: [{{cell: pace=slow, outcome: {expect}}}]\n" if expect else ""
    plan = planned(fake_suite(tmp_path, "PLAIN", "{pace: [usual, slow]}", more))
    outcome = Outcome.model_validate({"cell": cell_named(plan, "pace=slow"), "outcome": word, "detail": ""})
    assert exit_code(plan, [outcome]) == code


def test_a_baseline_that_is_not_finite_is_no_failure_of_the_others(tmp_path: Path) -> None:
    plan = planned(fake_suite(tmp_path, "PLAIN", "{pace: [usual, slow]}"))
    found = with_dependents(plan, [Outcome(cell=plan.parts[0].cells[0].id, outcome="not_finite", detail="")], ())
    assert len(found) == len(plan.parts[0].cells)
    assert exit_code(plan, found) == 0


def test_a_run_measures_every_planned_key_once(two_parts: Path, tmp_path: Path) -> None:
    progress = Recorder()
    folder = measured(two_parts, tmp_path / "results", progress=progress)
    manifest = folder.manifest()
    expected = sorted(
        ("trial", part.name, cell, trial, block)
        for part in manifest.plan.parts
        for trial in (1, 2)
        for block in range(part.blocks)
        for cell in [*part.groups[0].cells, "canary", "canary"]
    )
    assert keys(folder) == expected
    assert manifest.state == "finished" and manifest.stopped_early is None
    assert {p.state for p in manifest.processes} == {"done"}
    assert manifest.facts["one"] == {"dataset": "made up", "rows": 6}
    assert manifest.switch_kinds["tests.fakes:PLAIN"] == {"pace": "exact", "label": "exact"}
    assert progress.standings[-1] == Standing(10, 10, 1.0, 0.0)
    assert any(crumb.doing != "import" for crumb in progress.crumbs)


def test_outputs_are_compared_under_the_conditions_of_the_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.conditions.cores", lambda: 2)
    varied = "conditions: {threads: [1, 2], allocator: [default, keep]}\n"
    folder = measured(fake_suite(tmp_path, "PLAIN", "{pace: [usual, slow]}", varied), tmp_path / "results")
    manifest = folder.manifest()
    conditions = {cell.id: cell.conditions for cell in manifest.plan.parts[0].cells}
    compared = []
    for process in manifest.processes:
        lines = folder.lines(process.number)
        (start,) = (line for line in lines if isinstance(line, Start))
        for cell in (line.cell for line in lines if isinstance(line, Sameness)):
            assert (start.threads, start.allocator) == (conditions[cell]["threads"], conditions[cell]["allocator"])
            compared.append(cell)
    assert sorted(compared) == sorted(cell.id for cell in manifest.plan.parts[0].cells if not cell.control)
    assert len(compared) == 8


def test_planted_faults_become_outcomes_and_the_others_are_measured(tmp_path: Path) -> None:
    faults = "{fault: [none, raises, aborts, hangs, out_of_memory, killed, nan, aborts_late]}"
    folder = measured(fake_suite(tmp_path, "FAULTY", faults, "timeout_s: 1.5\n"), tmp_path / "results")
    found = outcomes(folder)
    assert {name: outcome.outcome for name, outcome in found.items()} == {
        "fault=raises": "failed",
        "fault=aborts": "crashed",
        "fault=hangs": "timed_out",
        "fault=out_of_memory": "out_of_memory",
        "fault=killed": "crashed",
        "fault=nan": "not_finite",
        "fault=aborts_late": "crashed",
    }
    assert "ValueError: planted" in found["fault=raises"].detail
    assert found["fault=killed"].detail == "killed by signal 9, perhaps out of memory"
    assert found["fault=aborts"].detail.startswith("killed by signal 6")
    assert found["fault=hangs"].detail.startswith("timed out after 1.5 s")
    assert found["fault=aborts_late"].during.startswith(("warm-up", "block"))
    hung = next(p for p in folder.manifest().processes if "timed out" in p.reason)
    assert "misbehave" in folder.error_file(hung.number).read_text()
    plan = folder.manifest().plan
    survivors = {cell for _, _, cell, _, _ in keys(folder)}
    unharmed = {cell.id for cell in plan.parts[0].cells if cell.variant["fault"] == "none"}
    assert survivors == {*unharmed, "canary"}


def test_a_trial_that_loses_a_cell_is_attempted_again_without_it(tmp_path: Path) -> None:
    folder = measured(fake_suite(tmp_path, "FAULTY", "{fault: [none, aborts_late]}"), tmp_path / "results")
    manifest = folder.manifest()
    late = cell_named(manifest.plan, "fault=aborts_late")
    assert states(manifest) == [
        ("prepare", 0, 1, "done"),
        ("sameness", 0, 1, "done"),
        ("trial", 1, 1, "abandoned"),
        ("trial", 1, 2, "done"),
        ("trial", 2, 1, "done"),
    ]
    abandoned = manifest.processes[2]
    assert abandoned.reason.startswith("fault=aborts_late: killed by signal 6") and late in abandoned.cells
    assert all(late not in process.cells for process in manifest.processes[3:])
    assert exit_code(manifest.plan, manifest.outcomes) == 3


def test_a_baseline_that_dies_ends_its_part_with_words(tmp_path: Path) -> None:
    suite = fake_suite(tmp_path, "FAULTY", "{fault: [aborts, none]}", design="grid")
    suite.write_text(suite.read_text().replace("baseline: status_quo", "baseline: {fault: aborts}"))
    folder = measured(suite, tmp_path / "results")
    assert folder.manifest().state == "finished"
    found = {name: outcome.outcome for name, outcome in outcomes(folder).items()}
    assert found.pop("baseline") == "crashed"
    assert found.keys() == {cell.name for cell in folder.manifest().plan.parts[0].cells[1:]}
    assert set(found.values()) == {"failed"}
    assert keys(folder) == []
