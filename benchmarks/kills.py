"""SIGKILL at random moments, to the runner or to its worker: what is lost, and what is done twice?

    python -m benchmarks.kills --kills 200 --real 20

First a fake system whose worker imports no torch, through runs that recheck a regression and confirm a win; then
`suites/smoke.yaml` as `semh run` runs it. After every kill the run is resumed, and after every run it is checked that

    every planned block was measured, counts, and counts once (the follow-ups' too);
    no job was done twice;
    a process that was done before a kill is done afterwards, and its records have not changed by a byte;
    what was decided to be measured once more stays decided;
    no cell was given up, and no more processes were abandoned than were at work when one was struck.

Two deaths in a row at the same place are a cell's own, which is what running out of memory looks like. So a job whose
worker was struck is left in peace at its next attempt. Two hundred kills take about ten minutes, twenty of the real
suite three.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import psutil

import harness.runner
from harness.measure.environment import environment
from harness.plan import make_plan
from harness.process import last_words
from harness.progress import Silent
from harness.records import Block, Environment, FollowUp, Manifest, Plan, Process
from harness.schedule import follow_up_jobs, planned_jobs
from harness.store import RunFolder, run_folders
from harness.suite import read_suite

ROOT = Path(__file__).resolve().parent.parent
PATIENCE_S = 120.0
BOOKING_S = 0.1
"""In which a runner books a worker that was struck."""
AT_RUNNER = 0.7
SAID = "runner.err"
"""What runners wrote to their standard streams."""

SUITE = """suite: killed
title: Whatever is killed, nothing is lost but the process at work
margin: 0.2
parts:
  regression: {system: "tests.fakes:SLEEPY", design: one_at_a_time, factors: {pace: [usual, slow]}, blocks: 4}
  win:
    system: tests.fakes:SLEEPY
    design: one_at_a_time
    baseline: {pace: slow}
    factors: {pace: [slow, usual]}
    blocks: 2
    memory: false
"""


class Runner(Protocol):
    pid: int

    def status(self) -> int | None:
        """Exit status once it has ended."""
        ...


@dataclass
class Forked:
    """A runner in a forked child: as quick to start as to kill."""

    pid: int
    ended: int | None = None

    def status(self) -> int | None:
        if self.ended is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.ended = os.waitstatus_to_exitcode(status) if pid else None
        return self.ended


@dataclass
class Started:
    """A runner as a user starts it."""

    popen: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        return self.popen.pid

    def status(self) -> int | None:
        return self.popen.poll()


def forked(plan: Plan, text: str, results: Path, where: Environment) -> Forked:
    pid = os.fork()
    if pid:
        return Forked(pid)
    code = 1
    try:
        os.setpgid(0, 0)
        said = os.open(results.parent / SAID, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(said, 1)
        os.dup2(said, 2)
        harness.runner.environment = lambda *_: where  # what it takes to look around is not what is struck here
        harness.runner.run_plan(
            plan, text, {}, results=results, resume=True, progress=Silent(), command="semh run killed"
        )
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def started(suite: str, preset: str, folder: Path) -> Started:
    command = [sys.executable, "-m", "cli", "run", suite, "--preset", preset, "--resume"]
    variables = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with (folder / SAID).open("ab") as said:
        return Started(subprocess.Popen(command, cwd=folder, env=variables, stdout=said, stderr=said))


@dataclass
class Struck:
    """What was killed when, and what was known of the run at that moment."""

    hits: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(kind of process at work, runner or worker) -> kills."""
    finished: list[RunFolder] = field(default_factory=list)
    at_stake: int = 0
    """Processes of this run that the kills can have ended: one each, and of a runner that measures memory two."""
    done: dict[int, str] = field(default_factory=dict)
    """Process number -> digest of its records, of all that were ever seen done in this run."""
    decided: tuple[FollowUp, ...] | None = None

    def note(self, folder: RunFolder | None, victim: str) -> None:
        manifest = folder.manifest() if folder else None
        at_work = [process for process in manifest.processes if process.state == "running"] if manifest else []
        kind = at_work[0].process if at_work else "between processes"
        self.hits[kind, victim] += 1
        self.at_stake += 2 if victim == "runner" and kind == "memory" else 1
        if folder is not None and manifest is not None:
            self.done |= {p.number: digest(folder, p) for p in manifest.processes if p.state == "done"}
            self.decided = manifest.follow_ups if self.decided is None else self.decided

    def check(self, folder: RunFolder) -> None:
        """Of a finished run. Raises AssertionError with what was lost or repeated."""
        manifest = folder.manifest()
        assert manifest.state == "finished" and manifest.stopped_early is None
        assert manifest.outcomes == (), f"a cell was given up: {manifest.outcomes}"
        assert measured(folder) == planned(manifest), "blocks were lost or counted twice"
        twice = [key for key, times in Counter(_key(p) for p in manifest.processes if _done(p)).items() if times > 1]
        assert not twice, f"done twice: {twice}"
        records = {process.number: digest(folder, process) for process in manifest.processes if _done(process)}
        changed = [number for number, known in self.done.items() if records.get(number) != known]
        assert not changed, f"processes {changed} were done, and have changed"
        assert self.decided in (None, manifest.follow_ups), "the follow-ups were decided anew"
        abandoned = [process for process in manifest.processes if process.state == "abandoned"]
        assert len(abandoned) <= self.at_stake, f"{len(abandoned)} processes abandoned, at stake were {self.at_stake}"
        self.finished.append(folder)
        self.at_stake, self.done, self.decided = 0, {}, None


def strike(
    kills: int, results: Path, begin: Callable[[], Runner], draw: random.Random, after: range, longest_s: float
) -> Struck:
    """Kills at random moments (`after` so many more processes have begun, and up to `longest_s` later), resuming after
    each; the last run is brought to its end. A finished run is moved out of `results`: nothing is left to resume."""
    struck = Struck()
    runner = begin()
    while sum(struck.hits.values()) < kills:
        _let_begin(draw.choice(after), runner, results)
        time.sleep(draw.uniform(0.0, longest_s))
        if runner.status() is not None:
            _settle(runner, results, struck)
            runner = begin()
        elif draw.random() < AT_RUNNER:
            struck.note(newest(results), "runner")
            kill(runner)
            runner = begin()
        elif workers := _workers(runner):
            struck.note(newest(results), "worker")
            hit = draw.choice(workers)
            hit.kill()
            _follow([hit])
            time.sleep(BOOKING_S)
            _leave_in_peace(runner, results)
    while runner.status() is None:
        time.sleep(0.05)
    _settle(runner, results, struck)
    return struck


def kill(runner: Runner) -> None:
    """SIGKILL, and until its workers have followed it."""
    workers = _workers(runner)
    os.kill(runner.pid, signal.SIGKILL)
    while runner.status() is None:
        time.sleep(0.005)
    _follow(workers)


def _follow(workers: Sequence[psutil.Process]) -> None:
    """Until they are dead, whoever is to reap them."""
    start = time.monotonic()
    while any(_alive(worker) for worker in workers):
        assert time.monotonic() - start < PATIENCE_S, "a worker outlived its runner"
        time.sleep(0.005)


def _alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _let_begin(processes: int, runner: Runner, results: Path) -> None:
    """Wait for so many more to begin: on a busy machine as on a quiet one, kills then hit all of a run."""
    wanted = _begun(results) + processes
    while runner.status() is None and _begun(results) < wanted:
        time.sleep(0.05)


def _begun(results: Path) -> int:
    folder = newest(results)
    return len(folder.manifest().processes) if folder else 0


def _settle(runner: Runner, results: Path, struck: Struck) -> None:
    assert runner.status() == 0, f"the runner ended with {runner.status()}: {last_words(results.parent / SAID)}"
    folder = newest(results)
    assert folder is not None
    struck.check(folder)
    folder.path.rename(results.parent / folder.name)
    struck.finished[-1] = RunFolder(results.parent / folder.name)


def _leave_in_peace(runner: Runner, results: Path) -> None:
    """Until whatever a worker's death abandoned has come through at another attempt."""
    start = time.monotonic()
    while runner.status() is None and _hit(newest(results)):
        assert time.monotonic() - start < PATIENCE_S, "the runner makes no progress"
        time.sleep(0.05)


def _hit(folder: RunFolder | None) -> bool:
    processes = folder.manifest().processes if folder else ()
    done = {_key(process) for process in processes if _done(process)}
    return any("killed by signal" in process.reason and _key(process) not in done for process in processes)


def _workers(runner: Runner) -> list[psutil.Process]:
    try:
        return psutil.Process(runner.pid).children()
    except psutil.NoSuchProcess:
        return []


def newest(results: Path) -> RunFolder | None:
    return next(iter(run_folders(results)), None)


def measured(folder: RunFolder) -> list[tuple[str, str, int, int, str]]:
    """(kind, part, trial, block, cell) of every sample that counts, sorted; a repeated one stands twice."""
    found = []
    for process in folder.manifest().processes:
        if _done(process):
            for line in folder.lines(process.number):
                if isinstance(line, Block):
                    cells = {sample.cell for sample in line.samples}
                    found += [(process.process, line.part, line.trial, line.block, cell) for cell in cells]
    return sorted(found)


def planned(manifest: Manifest) -> list[tuple[str, str, int, int, str]]:
    """What an undisturbed run of this plan measures, with the follow-ups it has decided on."""
    plan = manifest.plan
    blocks = {part.name: part.blocks for part in plan.parts}
    follow_ups = [job for jobs in follow_up_jobs(plan, manifest.follow_ups or ()) for job in jobs]
    return sorted(
        (job.process, job.part, job.trial, block, cell)
        for job in (*planned_jobs(plan), *follow_ups)
        if job.process in ("trial", "recheck", "confirm")
        for block in range(blocks[job.part])
        for cell in {*job.cells, "canary"}
    )


def digest(folder: RunFolder, process: Process) -> str:
    return hashlib.sha256(folder.trial_file(process.number).read_bytes()).hexdigest()


def _done(process: Process) -> bool:
    return process.state == "done"


def _key(process: Process) -> tuple[object, ...]:
    return (process.process, process.part, process.group, process.trial, process.cells)


def table(struck: Struck) -> str:
    kinds = ("prepare", "sameness", "memory", "trial", "recheck", "confirm", "between processes")
    rows = [f"{'at work':<20}{'runner':>8}{'worker':>8}"]
    rows += [f"{kind:<20}{struck.hits[kind, 'runner']:>8}{struck.hits[kind, 'worker']:>8}" for kind in kinds]
    abandoned = sum(p.state == "abandoned" for folder in struck.finished for p in folder.manifest().processes)
    done = sum(_done(p) for folder in struck.finished for p in folder.manifest().processes)
    return "\n".join(
        [*rows, f"{len(struck.finished)} runs finished: {done} processes done, each once; {abandoned} abandoned"]
    )


def fake_kills(kills: int, folder: Path, seed: int, *, trials: int | None = None, after: range = range(3)) -> Struck:
    """In `folder`, which holds the finished runs afterwards."""
    file = folder / "killed.yaml"
    file.write_text(SUITE)
    plan = make_plan(read_suite(file), preset="quick")
    plan = plan if trials is None else plan.model_copy(update={"trials": trials})
    where = environment([part.system for part in plan.parts])
    results = folder / "results"
    return strike(kills, results, lambda: forked(plan, SUITE, results, where), random.Random(seed), after, 0.5)


def real_kills(kills: int, folder: Path, seed: int) -> Struck:
    results = folder / "results"
    return strike(kills, results, lambda: started("smoke", "smoke", folder), random.Random(seed), range(2), 5.0)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200, help="of the fake system")
    parser.add_argument("--real", type=int, default=20, help="of smoke.yaml")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    for name, kills, strikes in (("fake system", options.kills, fake_kills), ("smoke.yaml", options.real, real_kills)):
        if not kills:
            continue
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            struck = strikes(kills, Path(folder), options.seed)
            print(f"{name}: {sum(struck.hits.values())} kills, nothing lost, nothing done twice")
            print(f"{table(struck)}; {time.monotonic() - began:.0f} s\n", flush=True)


if __name__ == "__main__":
    main()
