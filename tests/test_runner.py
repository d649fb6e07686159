"""The queue, attribution, resumption: which processes are run, which cells are given up, and why."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import StoreError
from harness.measure.environment import environment
from harness.process import Crumb
from harness.progress import Standing, duration, standing
from harness.records import Block, Environment, Manifest, Outcome, Process
from harness.schedule import Job, exit_code, planned_jobs, remaining_jobs, with_dependents
from harness.store import RunFolder, run_folders
from tests.runner_helpers import cell_named, fake_suite, keys, measured, planned, stand_in

TWO_PARTS = """suite: two
title: Two parts take turns
parts:
  one: {system: "tests.fakes:PLAIN", design: one_at_a_time, factors: {pace: [usual, slow]}, blocks: 2}
  other: {system: "tests.fakes:PLAIN", design: one_at_a_time, factors: {label: [old, new]}, blocks: 2, memory: false}
"""


class Recorder:
    """A progress that remembers."""

    def __init__(self, at_show: object = None) -> None:
        self.notes: list[str] = []
        self.crumbs: list[Crumb] = []
        self.standings: list[Standing] = []
        self.at_show = at_show

    def note(self, text: str) -> None:
        self.notes.append(text)

    def show(self, process: Process, crumb: Crumb, standing: Standing) -> None:
        self.crumbs.append(crumb)
        self.standings.append(standing)
        if callable(self.at_show):
            self.at_show(process)

    def ended(self, process: Process, wall_s: float, standing: Standing) -> None:
        self.standings.append(standing)

    def close(self) -> None:
        pass


def states(manifest: Manifest) -> list[tuple[str, int, int, str]]:
    return [(p.process, p.trial, p.attempt, p.state) for p in manifest.processes]


def outcomes(folder: RunFolder) -> dict[str, Outcome]:
    manifest = folder.manifest()
    names = {cell.id: cell.name for part in manifest.plan.parts for cell in part.cells}
    return {names[outcome.cell]: outcome for outcome in manifest.outcomes}


@pytest.fixture(scope="module")
def here() -> Environment:
    return environment(["tests.fakes:PLAIN"])


@pytest.fixture(autouse=True)
def code_that_nobody_edits_meanwhile(here: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.runner.environment", lambda _: here)


@pytest.fixture
def two_parts(tmp_path: Path) -> Path:
    file = tmp_path / "two.yaml"
    file.write_text(TWO_PARTS)
    return file


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
        (part.name, cell, trial, block)
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
    survivors = {cell for _, cell, _, _ in keys(folder)}
    assert survivors == {cell_named(plan, "status_quo"), cell_named(plan, "control"), "canary"}


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
    assert {name: o.outcome for name, o in outcomes(folder).items()} == {
        "baseline": "crashed",
        "fault=none": "failed",
        "control": "failed",
    }
    assert keys(folder) == []


# ---- workers that are none: what their deaths are called


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    return fake_suite(tmp_path, "PLAIN", "{pace: [usual, slow]}", "timeout_s: 0.5\n")


def test_one_kill_from_outside_costs_a_second_attempt_and_no_cell(plain: Path, tmp_path: Path) -> None:
    body = "crumb(cells[1], 'block 1/4')\nif number == 2: os.kill(os.getpid(), signal.SIGKILL)\nend()"
    folder = measured(plain, tmp_path / "results", worker=stand_in(tmp_path, body))
    assert folder.manifest().outcomes == ()
    assert states(folder.manifest())[:3] == [
        ("prepare", 0, 1, "done"),
        ("sameness", 0, 1, "abandoned"),
        ("sameness", 0, 2, "done"),
    ]


def test_kills_that_move_from_cell_to_cell_end_too(plain: Path, tmp_path: Path) -> None:
    """Two cells that do not fit together may die in turn: three deaths of one job are its own."""
    body = (
        "if kind == 'prepare':\n"
        "    crumb(cells[number % len(cells)], 'first call')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\nend()"
    )
    folder = measured(plain, tmp_path / "results", worker=stand_in(tmp_path, body))
    manifest = folder.manifest()
    assert manifest.state == "finished" and manifest.outcomes
    assert [p.attempt for p in manifest.processes if p.process == "prepare"][-1] <= 9


def test_death_before_any_cell_is_every_cells_outcome(plain: Path, tmp_path: Path) -> None:
    folder = measured(plain, tmp_path / "results", worker=stand_in(tmp_path, "sys.exit('no such module')"))
    manifest = folder.manifest()
    assert {o.detail for o in manifest.outcomes} == {"ended with exit status 1: no such module"}
    assert len(manifest.outcomes) == 3 and len(manifest.processes) == 1
    assert exit_code(manifest.plan, manifest.outcomes) == 3


def test_an_end_without_an_end_record_is_no_end(plain: Path, tmp_path: Path) -> None:
    folder = measured(plain, tmp_path / "results", worker=stand_in(tmp_path, "crumb(cells[1], 'block 1/4')"))
    found = outcomes(folder)
    assert found["pace=slow"].detail == "ended with exit status 0: no message"
    assert found["pace=slow"].during == "block 1/4"


def test_importing_may_take_longer_than_a_call(plain: Path, tmp_path: Path) -> None:
    body = "crumb('', 'import')\ntime.sleep(0.8 * (kind == 'prepare'))\n"
    body += "crumb(cells[0], 'build')\ntime.sleep(0.8 * (kind == 'prepare'))\nend()"
    folder = measured(plain, tmp_path / "results", worker=stand_in(tmp_path, body))
    assert {p.state for p in folder.manifest().processes} == {"done"}


def test_what_a_worker_prints_never_blocks_it(plain: Path, tmp_path: Path) -> None:
    folder = measured(plain, tmp_path / "results", worker=stand_in(tmp_path, "print('x' * 300_000, flush=True)\nend()"))
    assert {p.state for p in folder.manifest().processes} == {"done"}


def test_children_of_a_worker_do_not_outlive_it(plain: Path, tmp_path: Path) -> None:
    body = (
        "if kind != 'prepare': end(); sys.exit()\nchild = subprocess.Popen(['sleep', '600'])\n"
        f"open({str(tmp_path / 'children')!r}, 'a').write(f'{{child.pid}}\\n')\nend()"
    )
    measured(plain, tmp_path / "results", worker=stand_in(tmp_path, body))
    for pid in (tmp_path / "children").read_text().split():
        status = Path(f"/proc/{pid}/stat")
        assert not status.exists() or status.read_text().split()[2] == "Z"


def test_a_disk_full_in_the_worker_is_no_cells_fault_and_can_be_resumed(plain: Path, tmp_path: Path) -> None:
    full = stand_in(tmp_path, "print('001.jsonl: no space', file=sys.stderr)\nsys.exit(os.EX_IOERR)")
    with pytest.raises(StoreError, match="no space"):
        measured(plain, tmp_path / "results", worker=full)
    [folder] = run_folders(tmp_path / "results")
    assert folder.manifest().outcomes == () and folder.manifest().state == "running"
    again = measured(plain, tmp_path / "results", resume=True, worker=stand_in(tmp_path))
    assert again == folder and again.manifest().state == "finished"


@pytest.mark.parametrize(
    ("setting", "threads", "trim"), [("", "1", False), ("conditions: {threads: 2, allocator: keep}\n", "2", True)]
)
def test_a_worker_runs_under_the_conditions_of_its_cells(
    tmp_path: Path, setting: str, threads: str, trim: bool
) -> None:
    body = (
        "names = ('OMP_NUM_THREADS', 'MKL_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'PYTHONHASHSEED')\n"
        f"words = [os.environ[n] for n in names] + [str('MALLOC_TRIM_THRESHOLD_' in os.environ)]\n"
        f"open({str(tmp_path / 'seen')!r}, 'w').write(' '.join(words))\nend()"
    )
    if os.cpu_count() == 1 and threads == "2":
        pytest.skip("a suite with two threads needs two cores")
    suite = fake_suite(tmp_path, "PLAIN", "{pace: [usual, slow]}", setting)
    measured(suite, tmp_path / "results", worker=stand_in(tmp_path, body))
    assert (tmp_path / "seen").read_text() == f"{threads} {threads} {threads} 0 {trim}"


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_a_worker_does_not_outlive_a_runner_that_was_killed(tmp_path: Path) -> None:
    """The runner's place is taken by a child of ours, so that it can die without us."""
    code = (
        "import os, subprocess, sys, time\n"
        "inner = 'from harness.measure.parent import die_with_parent; die_with_parent(); "
        "print(1, flush=True); import time; time.sleep(600)'\n"
        "os.environ['SEMH_RUNNER_PID'] = str(os.getpid())\n"
        "worker = subprocess.Popen([sys.executable, '-c', inner], stdout=subprocess.PIPE, start_new_session=True)\n"
        "worker.stdout.readline()\n"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(worker.pid))\n"
        "os.kill(os.getpid(), 9)\n"
    )
    read, write = os.pipe()  # held open by the worker alone once the runner is dead
    runner = subprocess.Popen([sys.executable, "-c", code], stderr=write)
    os.close(write)
    assert runner.wait(timeout=60) == -signal.SIGKILL
    os.set_blocking(read, True)
    assert os.read(read, 1) == b""  # end of file: the worker is gone, for nobody else holds the other end
    os.close(read)


# ---- resumption


def test_resume_with_nothing_to_resume_starts_and_says_so(plain: Path, tmp_path: Path) -> None:
    progress = Recorder()
    folder = measured(plain, tmp_path / "results", worker=stand_in(tmp_path), resume=True, progress=progress)
    assert progress.notes == ["no run to resume: starting one"]
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
    assert progress.notes == [reason.get(change, "") + "no run to resume: starting one"]


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


# ---- budget and progress


def test_a_time_budget_starts_no_further_trial(plain: Path, tmp_path: Path) -> None:
    progress = Recorder()
    plan = planned(plain, max_minutes=1e-9)
    folder = measured(plain, tmp_path / "results", worker=stand_in(tmp_path), plan=plan, progress=progress)
    manifest = folder.manifest()
    assert manifest.stopped_early == "time budget" and manifest.state == "finished"
    assert [p.process for p in manifest.processes] == ["prepare", "sameness"]
    assert progress.notes == ["time budget used up: 2 processes not run"]


def process(number: int, kind: str, trial: int, state: str = "done") -> Process:
    return Process.model_validate(
        {
            "number": number,
            "process": kind,
            "part": "p",
            "group": 0,
            "trial": trial,
            "attempt": 1,
            "cells": ("a",),
            "state": state,
        }
    )


def test_time_left_is_unknown_until_a_trial_has_told_then_counts_down() -> None:
    jobs = [Job("trial", "p", 0, trial, ("a",)) for trial in (1, 2, 3)]
    done = [process(1, "prepare", 0)]
    assert standing(jobs, done, {1: 5.0}, []).left_s is None
    running = process(2, "trial", 1, "running")
    assert standing(jobs, [*done, running], {1: 5.0}, [(running, 4.0, 0.5)]).left_s == pytest.approx(8 * 3 - 4)
    done.append(process(2, "trial", 1))
    after = standing(jobs[1:], done, {1: 5.0, 2: 10.0}, [])
    assert after.left_s == pytest.approx(20.0)
    assert after.share == pytest.approx(15 / 35)


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.44, "0.4 s"), (61, "61 s"), (100, "2 min"), (5999, "100 min"), (7200, "2.0 h")]
)
def test_durations_are_said_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_memory_processes_run_two_at_a_time_and_trials_alone(two_parts: Path, tmp_path: Path) -> None:
    if os.cpu_count() == 1:
        pytest.skip("one core runs one process")
    body = (
        f"log = {str(tmp_path / 'log')!r}\nopen(log, 'a').write(f'+{{kind}} ')\ntime.sleep(0.2 * (kind == 'memory'))\n"
    )
    body += "open(log, 'a').write(f'-{kind} ')\nend()"
    measured(two_parts, tmp_path / "results", worker=stand_in(tmp_path, body))
    words = (tmp_path / "log").read_text().split()
    alone = [word for word in words if "memory" not in word]
    assert alone[::2] == ["+" + word[1:] for word in alone[1::2]]
    assert [word for word in words if "memory" in word] == ["+memory", "+memory", "-memory", "-memory"]
