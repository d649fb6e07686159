"""Runs a plan: fresh worker processes one after another, until every job is done or given up with an outcome.

The manifest is written before a process starts and after it ended, so that it always says what is on disk. A process
that ends early is abandoned with its reason: its blocks stay, enter no estimate, and its job is attempted again,
without the cell that ended it. A run that is killed is taken up again by deriving what remains from the manifest alone.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.analysis import analyse
from harness.calibrations import calibration_state
from harness.ceilings import ceilings_for
from harness.errors import StoreError
from harness.follow_up import announced, follow_ups
from harness.measure.environment import devices_of, environment
from harness.predict import expected_walls
from harness.process import WORKER, Death, Worker, close, end_hanging, hangs, kill, look, post_mortem, start, wait
from harness.progress import Progress, Standing, standing
from harness.records import End, Manifest, Outcome, Plan, Process, Start, Value
from harness.resume import earlier_run
from harness.schedule import Job, JobKey, attempts, cells_of, part_of, remaining_jobs, together, with_dependents
from harness.store import RunFolder, new_run_folder, run_prefix
from harness.systems import load_system

WAKE_S = 1.0
BUDGETED = ("trial", "recheck", "confirm")
"""Kinds of which none is begun once the time budget is used up."""
FOLLOW_UPS = ("recheck", "confirm")
DEATHS = 3
"""So many deaths from outside in a row at one job are its own."""


def run_plan(
    plan: Plan,
    suite_text: str,
    claims_text: Mapping[str, str],
    *,
    results: Path,
    resume: bool,
    progress: Progress,
    command: str,
    worker: Sequence[str] = WORKER,
) -> RunFolder:
    """The folder of the finished run. Raises StoreError when the disk fails, KeyboardInterrupt when the user does."""
    where = environment([part.system for part in plan.parts], devices_of(plan))
    folder = earlier_run(results, plan, where, progress) if resume else None
    if folder is not None and folder.manifest().state == "finished":
        progress.note(f"{folder.name} is finished; rendering its report again")
        return folder
    systems = {part.system: load_system(part.system) for part in plan.parts}
    fresh = folder is None
    compares = fresh and plan.purpose == "measure"
    ceilings = ceilings_for(plan, results, progress) if compares else ()
    calibrated, words = calibration_state(results, plan, where) if compares else (None, "")
    if words:
        progress.note(words)
    expected = expected_walls(results, plan, where)
    folder = folder or new_run_folder(results, run_prefix(plan))
    with folder.lock():
        if fresh:
            folder.write_manifest(
                Manifest(
                    run=folder.name,
                    state="running",
                    started=_now(),
                    wall_s=0.0,
                    plan=plan,
                    suite_text=suite_text,
                    claims_text=dict(claims_text),
                    environment=where,
                    command=command,
                    switch_kinds={
                        ref: {one.name: one.kind for one in system.switches} for ref, system in systems.items()
                    },
                    probes={ref: {one.name: one.unit for one in system.probes} for ref, system in systems.items()},
                    probe_docs={ref: {one.name: one.doc for one in system.probes} for ref, system in systems.items()},
                    ceilings=ceilings,
                    calibration=calibrated,
                    calibration_words=words,
                )
            )
        runner = Runner(folder, progress, worker, expected)
        try:
            runner.work()
        finally:
            runner.stop("interrupted")
    return folder


class Runner:
    """One runner at work on one run; `manifest` is always what lies on disk."""

    def __init__(
        self, folder: RunFolder, progress: Progress, command: Sequence[str], expected: Mapping[JobKey, float]
    ) -> None:
        self.folder = folder
        self.expected = expected
        self.progress = progress
        self.command = command
        self.manifest = folder.manifest()
        self.plan = self.manifest.plan
        self.names = {id_: cell.name for id_, cell in cells_of(self.plan).items()}
        self.earlier_s = self.manifest.wall_s or 0.0
        self.began = time.monotonic()
        self.live: list[Worker] = []
        self.walls: dict[int, float] = {}
        for process in self.manifest.processes:
            self._recover(process)

    def work(self) -> None:
        stopped = None
        while jobs := self._jobs() or self._decided():
            if jobs[0].process in BUDGETED and self._over_budget():
                stopped = "time budget" if jobs[0].process == "trial" else None
                self.progress.note(f"time budget used up: {len(jobs)} processes not run")
                break
            for job in together(jobs, self.plan, self.manifest.environment):
                self._start(job)
            while self.live:
                self._wait()
        if stopped:
            self._decided()
        self._save(state="finished", finished=_now(), stopped_early=stopped)

    def stop(self, reason: str) -> None:
        """Kill what still runs. The disk may be what failed: then the next runner finds the processes ended."""
        for worker in self.live:
            kill(worker)
        with suppress(StoreError):
            for worker in self.live:
                self._settle(worker.process, "abandoned", reason)
        self.live = []

    def _jobs(self) -> list[Job]:
        manifest = self.manifest
        return remaining_jobs(self.plan, manifest.processes, manifest.outcomes, manifest.follow_ups or ())

    def _decided(self) -> list[Job]:
        """Once the trials are through: what is measured once more. Decided once, and stored before it begins."""
        if self.manifest.follow_ups is not None:
            return []
        judged = self.plan.preset != "smoke"
        decided = follow_ups(self.plan, analyse(self.folder).parts) if judged else ()
        self._save(follow_ups=decided)
        for one in () if self._over_budget() else decided:
            self.progress.note(announced(self.plan, one))
        return self._jobs()

    def _over_budget(self) -> bool:
        budget = self.plan.max_minutes
        return budget is not None and self._wall_s() > 60 * budget

    def _start(self, job: Job) -> None:
        process = Process(
            number=len(self.manifest.processes) + 1,
            process=job.process,
            part=job.part,
            group=job.group,
            trial=job.trial,
            attempt=len(attempts(job, self.manifest.processes)) + 1,
            cells=job.cells,
            state="running",
        )
        self._save(processes=(*self.manifest.processes, process))
        try:
            self.live.append(start(self.folder, process, part_of(self.plan, job.part), self.command))
        except OSError as error:
            raise StoreError(f"process {process.number} could not be started: {error}") from None

    def _wait(self) -> None:
        ended = wait(self.live, WAKE_S)
        for worker in self.live:
            look(self.folder, worker)
        self.progress.show(self.live[0].process, self.live[0].crumb, self._standing())
        for worker in list(self.live):
            if worker in ended:
                self._end(worker, None)
            elif hangs(worker):
                self._end(worker, end_hanging(worker))

    def _end(self, worker: Worker, death: Death | None) -> None:
        """Book a process that is over. Lines it wrote are true whether or not it reached its End."""
        close(worker)
        self.live.remove(worker)
        wall_s = time.monotonic() - worker.started
        process = worker.process.model_copy(update={"wall_s": wall_s})
        self.walls[process.number] = wall_s
        lines = self.folder.lines(process.number)
        stated = _stated(lines)
        if death is None and lines and isinstance(lines[-1], End):
            self._settle(process, "done", "", stated, _facts(lines))
        elif death is None and worker.popen.returncode == os.EX_IOERR:
            self._settle(process, "abandoned", "could not write its records", stated)
            raise StoreError(post_mortem(self.folder, worker).reason)
        else:
            death = death or post_mortem(self.folder, worker)
            reason = f"{self.names.get(death.cell, 'before any cell')}: {death.reason}"
            blamed = death.outcomes(process) if death.certain or self._recurs(process, reason) else []
            self._settle(process, "abandoned", reason, [*stated, *blamed])
        ended = next(p for p in self.manifest.processes if p.number == process.number)
        self.progress.ended(ended, self.walls[process.number], self._standing())

    def _recurs(self, process: Process, reason: str) -> bool:
        """Whether the job died like this at its last attempt too, or again and again."""
        job = Job(process.process, process.part, process.group, process.trial, process.cells)
        deaths = [
            earlier
            for earlier in attempts(job, self.manifest.processes)
            if earlier.number < process.number and earlier.reason not in ("process ended", "interrupted")
        ]
        alike = [earlier for earlier in deaths if earlier.cells == process.cells]
        return bool(deaths) and (deaths[-1].reason == reason or len(alike) + 1 >= DEATHS)

    def _recover(self, process: Process) -> None:
        """What a dead runner left: a process that reached its End is done, one that did not is abandoned."""
        lines = self.folder.lines(process.number) if process.state != "abandoned" else []
        whole = bool(lines) and isinstance(lines[-1], End)
        if whole and isinstance(lines[-1], End):
            self.walls[process.number] = process.wall_s or lines[-1].wall_s
        if process.state == "running":
            stated = [line for line in lines if isinstance(line, Outcome)]
            self._settle(
                process, "done" if whole else "abandoned", "" if whole else "process ended", stated, _facts(lines)
            )

    def _settle(
        self,
        process: Process,
        state: str,
        reason: str,
        outcomes: Sequence[Outcome] = (),
        facts: Mapping[str, Value] | None = None,
    ) -> None:
        settled = process.model_copy(update={"state": state, "reason": reason})
        known = self.manifest.outcomes
        if process.process in FOLLOW_UPS:
            outcomes = [outcome.model_copy(update={"again": True}) for outcome in outcomes]
        self._save(
            processes=tuple(settled if p.number == process.number else p for p in self.manifest.processes),
            outcomes=(*known, *with_dependents(self.plan, outcomes, known)),
            facts=self.manifest.facts | ({process.part: dict(facts)} if facts else {}),
        )

    def _save(self, **changes: Any) -> None:
        changed = self.manifest.model_copy(update=changes | {"wall_s": self._wall_s()})
        self.folder.write_manifest(changed)
        self.manifest = changed

    def _wall_s(self) -> float:
        return self.earlier_s + time.monotonic() - self.began

    def _standing(self) -> Standing:
        running = [(worker.process, time.monotonic() - worker.started, worker.crumb.done) for worker in self.live]
        return standing(self._jobs(), self.manifest.processes, self.walls, running, self.expected)


def _stated(lines: Sequence[Any]) -> list[Outcome]:
    return [line for line in lines if isinstance(line, Outcome)]


def _facts(lines: Sequence[Any]) -> Mapping[str, Value] | None:
    return next((line.facts for line in lines if isinstance(line, Start)), None)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
