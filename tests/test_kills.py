"""SIGKILL at random moments, to the runner or to its worker: what is resumed has the keys of an undisturbed run.

A cell is given up when its process is killed twice in a row at the same place, which is what running out of memory
looks like. So a process that was hit here is left in peace at its next attempt.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from harness.measure.environment import environment
from harness.records import Block, Plan
from harness.runner import run_plan
from harness.store import RunFolder, run_folders
from tests.runner_helpers import ROOT, keys, measured, planned
from tests.runner_helpers import environment as variables

KILLS = 50
PATIENCE_S = 60.0

SUITE = """suite: killed
title: Whatever is killed, nothing is lost but the process at work
parts:
  one: {system: "tests.fakes:SLEEPY", design: one_at_a_time, factors: {pace: [usual, slow]}, blocks: 4}
  other: {system: "tests.fakes:SLEEPY", design: one_at_a_time, factors: {label: [old, new]}, blocks: 2, memory: false}
"""


class Runner:
    """A runner in a forked child: as quick to start as to kill."""

    def __init__(self, plan: Plan, text: str, results: Path) -> None:
        self.pid = os.fork()
        if self.pid == 0:
            code = 1
            try:
                os.setpgid(0, 0)
                with Quiet() as quiet:
                    run_plan(plan, text, {}, results=results, resume=True, progress=quiet, command="semh")
                code = 0
            finally:
                os._exit(code)
        self.status: int | None = None

    def ended(self) -> bool:
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.status = os.waitstatus_to_exitcode(status) if pid else None
        return self.status is not None

    def workers(self) -> list[psutil.Process]:
        try:
            return psutil.Process(self.pid).children()
        except psutil.NoSuchProcess:
            return []

    def kill(self) -> None:
        workers = self.workers()
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.status = -signal.SIGKILL
        _, alive = psutil.wait_procs(workers, timeout=PATIENCE_S)
        assert alive == [], "a worker outlived its runner"


class Quiet:
    """A progress that says nothing, in a child whose standard streams belong to the test."""

    def __enter__(self) -> Quiet:
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 1)
        os.dup2(null, 2)
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def note(self, text: str) -> None:
        pass

    def show(self, *_: object) -> None:
        pass

    def ended(self, *_: object) -> None:
        pass

    def close(self) -> None:
        pass


def newest(results: Path) -> RunFolder | None:
    return next(iter(run_folders(results)), None)


def leave_in_peace(runner: Runner, results: Path) -> None:
    """Until whatever a kill from outside abandoned has come through at another attempt."""
    start = time.monotonic()
    while hit(newest(results)) and not runner.ended():
        assert time.monotonic() - start < PATIENCE_S, "the runner makes no progress"
        time.sleep(0.02)


def hit(folder: RunFolder | None) -> bool:
    processes = folder.manifest().processes if folder else ()
    done = {(p.process, p.part, p.group, p.trial, p.cells) for p in processes if p.state == "done"}
    killed = [p for p in processes if "killed by signal" in p.reason]
    return any((p.process, p.part, p.group, p.trial, p.cells) not in done for p in killed)


@pytest.mark.slow
def test_fifty_kills_lose_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = environment(["tests.fakes:SLEEPY"])
    monkeypatch.setattr("harness.runner.environment", lambda _: here)
    file, results = tmp_path / "killed.yaml", tmp_path / "results"
    file.write_text(SUITE)
    plan = planned(file)
    expected = keys(measured(file, tmp_path / "undisturbed", plan=plan))
    draw = random.Random(0)
    killed = {"runner": 0, "worker": 0}
    finished: list[RunFolder] = []
    runner: Runner | None = None
    while sum(killed.values()) < KILLS or runner is not None:
        if runner is None:
            runner = Runner(plan, SUITE, results)
        if sum(killed.values()) < KILLS:
            time.sleep(draw.uniform(0.0, 0.7))
        elif not runner.ended():
            time.sleep(0.05)
            continue
        if runner.ended():
            assert runner.status == 0
            folder = newest(results)
            assert folder is not None and folder.manifest().state == "finished"
            folder.path.rename(tmp_path / folder.name)  # the next runner finds nothing to resume
            finished.append(RunFolder(tmp_path / folder.name))
            runner = None
        elif draw.random() < 0.7:
            runner.kill()
            runner = None
            killed["runner"] += 1
        elif workers := runner.workers():
            struck = draw.choice(workers)
            struck.kill()
            psutil.wait_procs([struck], timeout=PATIENCE_S)
            killed["worker"] += 1
            time.sleep(0.1)  # for the runner to book it
            leave_in_peace(runner, results)
    leftover = newest(results)
    if leftover is not None:
        finished.append(measured(file, results, plan=plan, resume=True))
    assert min(killed.values()) >= KILLS // 5
    reasons = set()
    for folder in finished:
        manifest = folder.manifest()
        assert manifest.outcomes == ()
        assert keys(folder) == expected
        reasons |= {process.reason for process in manifest.processes if process.state == "abandoned"}
    assert "process ended" in reasons and any("killed by signal 9" in reason for reason in reasons)


@pytest.mark.slow
def test_five_kills_of_a_real_suite_lose_no_key(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cli", "run", "smoke", "--preset", "smoke"]
    options = {"cwd": tmp_path, "env": variables(), "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    assert subprocess.run(command, **options, timeout=300).returncode == 0
    [undisturbed] = run_folders(tmp_path / "results")
    undisturbed.path.rename(tmp_path / "undisturbed")
    draw = random.Random(1)
    kills = 0
    while kills < 5:
        with subprocess.Popen([*command, "--resume"], **options) as runner:
            time.sleep(draw.uniform(1.0, 7.0))
            if runner.poll() is None:
                workers = psutil.Process(runner.pid).children()
                if workers and draw.random() < 0.5:
                    workers[0].kill()
                    time.sleep(draw.uniform(0.0, 1.0))
                runner.kill()
                kills += 1
    assert subprocess.run([*command, "--resume"], **options, timeout=300).returncode == 0
    [folder] = run_folders(tmp_path / "results")
    assert folder.manifest().state == "finished" and folder.manifest().outcomes == ()
    assert set(keys(folder)) == set(keys(RunFolder(tmp_path / "undisturbed")))


def test_blocks_of_a_killed_trial_stay_and_count_for_nothing(tmp_path: Path) -> None:
    """The worker of a trial is killed as soon as its first block is on disk."""
    file, results = tmp_path / "killed.yaml", tmp_path / "results"
    file.write_text(SUITE.replace("blocks: 4", "blocks: 400"))
    plan = planned(file, only=["one/*"])
    runner = Runner(plan, file.read_text(), results)
    start = time.monotonic()
    while not (blocks := [n for n in range(1, 9) if has_block(newest(results), n)]):
        assert time.monotonic() - start < PATIENCE_S and not runner.ended()
        time.sleep(0.01)
    runner.kill()
    folder = newest(results)
    assert folder is not None
    lines = folder.lines(blocks[0])
    assert any(isinstance(line, Block) for line in lines) and keys(folder) == []
    assert folder.manifest().processes[blocks[0] - 1].state == "running"
    assert str(ROOT) not in folder.trial_file(blocks[0]).read_text()


def has_block(folder: RunFolder | None, number: int) -> bool:
    return folder is not None and any(isinstance(line, Block) for line in folder.lines(number))
