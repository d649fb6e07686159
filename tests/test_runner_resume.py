"""Resumption: which run is taken up again, and what of it counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.records import Block, Process
from harness.store import run_folders
from tests.runner_helpers import Recorder, fake_suite, keys, measured, planned, stand_in


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    return fake_suite(tmp_path, "PLAIN", "{pace: [usual, slow]}", "timeout_s: 0.5\n")


def test_resume_with_nothing_to_resume_starts_and_says_so(plain: Path, tmp_path: Path) -> None:
    progress = Recorder()
    folder = measured(plain, tmp_path / "results", worker=stand_in(tmp_path), resume=True, progress=progress)
    assert progress.notes[0] == "no run to resume: starting one"
    assert folder.manifest().state == "finished"


def test_resume_of_a_finished_run_measures_nothing(plain: Path, tmp_path: Path) -> None:
    first = measured(plain, tmp_path / "results", worker=stand_in(tmp_path))
    before = first.manifest()
    progress = Recorder()
    assert measured(plain, tmp_path / "results", worker=stand_in(tmp_path), resume=True, progress=progress) == first
    assert first.manifest() == before
    assert progress.notes == [f"{first.name} is finished; rendering its report again"]


def test_without_resume_a_new_run_is_started(plain: Path, tmp_path: Path) -> None:
    assert measured(plain, tmp_path / "results", worker=stand_in(tmp_path)) != measured(
        plain, tmp_path / "results", worker=stand_in(tmp_path)
    )


def test_an_interrupted_run_says_so_and_is_taken_up_again(plain: Path, tmp_path: Path) -> None:
    def interrupt(process: Process) -> None:
        if process.process == "trial":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measured(plain, tmp_path / "results", worker=stand_in(tmp_path), progress=Recorder(interrupt))
    [folder] = run_folders(tmp_path / "results")
    assert folder.manifest().processes[-1].reason == "interrupted"
    spent = folder.manifest().wall_s
    progress = Recorder()
    assert measured(plain, tmp_path / "results", worker=stand_in(tmp_path), resume=True, progress=progress) == folder
    assert progress.notes == [f"resuming {folder.name}"]
    assert keys(folder) == keys(measured(plain, tmp_path / "other", worker=stand_in(tmp_path)))
    assert spent is not None and (folder.manifest().wall_s or 0) > spent


@pytest.mark.parametrize("whole", [True, False])
def test_a_process_left_running_is_done_only_with_its_end(plain: Path, tmp_path: Path, whole: bool) -> None:
    folder = measured(plain, tmp_path / "results", worker=stand_in(tmp_path))
    complete = keys(folder)
    manifest = folder.manifest()
    last = manifest.processes[-1]
    left = last.model_copy(update={"state": "running"})
    folder.write_manifest(
        manifest.model_copy(update={"state": "running", "processes": (*manifest.processes[:-1], left)})
    )
    if not whole:
        lines = folder.trial_file(last.number).read_bytes().splitlines(keepends=True)
        folder.trial_file(last.number).write_bytes(b"".join(lines[:-1]) + lines[-1][:7])
    measured(plain, tmp_path / "results", worker=stand_in(tmp_path), resume=True)
    process = folder.manifest().processes[last.number - 1]
    assert (process.state, process.reason) == (("done", "") if whole else ("abandoned", "process ended"))
    assert keys(folder) == complete
    assert any(isinstance(line, Block) for line in folder.lines(last.number))  # its blocks stay


@pytest.mark.parametrize("change", ["suite", "preset", "code", "machine"])
def test_only_the_same_suite_plan_code_and_machine_are_resumed(plain: Path, tmp_path: Path, change: str) -> None:
    folder = measured(plain, tmp_path / "results", worker=stand_in(tmp_path))
    manifest = folder.manifest()
    where = manifest.environment
    if change == "code":
        where = where.model_copy(update={"code_sha256": "other"})
    if change == "machine":
        where = where.model_copy(update={"machine_id": "other"})
    folder.write_manifest(manifest.model_copy(update={"state": "running", "environment": where}))
    if change == "suite":
        plain.write_text(plain.read_text() + "# another byte\n")
    plan = planned(plain, preset="quick" if change == "preset" else "smoke")
    progress = Recorder()
    again = measured(plain, tmp_path / "results", worker=stand_in(tmp_path), resume=True, plan=plan, progress=progress)
    assert again != folder
    reason = {
        "code": f"the code has changed since {folder.name}; ",
        "machine": f"{folder.name} was made on another machine; ",
    }
    assert progress.notes[0] == reason.get(change, "") + "no run to resume: starting one"


def test_a_condition_given_by_the_suite_or_by_the_command_line_makes_the_same_run(plain: Path, tmp_path: Path) -> None:
    folder = measured(plain, tmp_path / "results", worker=stand_in(tmp_path))
    threads = folder.manifest().plan.parts[0].cells[0].conditions["threads"]
    plan = planned(plain, threads=threads)
    assert plan != folder.manifest().plan
    assert measured(plain, tmp_path / "results", worker=stand_in(tmp_path), resume=True, plan=plan) == folder


def test_a_suite_named_by_another_path_is_the_same_suite(plain: Path, tmp_path: Path) -> None:
    folder = measured(plain, tmp_path / "results", worker=stand_in(tmp_path))
    moved = tmp_path / "elsewhere.yaml"
    moved.write_text(plain.read_text())
    assert measured(moved, tmp_path / "results", worker=stand_in(tmp_path), resume=True) == folder


def test_a_damaged_run_beside_it_does_not_stop_a_resumption(plain: Path, tmp_path: Path) -> None:
    damaged = measured(plain, tmp_path / "results", worker=stand_in(tmp_path))
    (damaged.path / "manifest.json").write_text("{")
    assert measured(plain, tmp_path / "results", worker=stand_in(tmp_path), resume=True) != damaged
