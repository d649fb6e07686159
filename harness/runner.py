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

from harness.errors import StoreError
from harness.measure.environment import environment
from harness.process import WORKER, Death, Worker, close, end_hanging, hangs, kill, look, post_mortem, start, wait
from harness.progress import Progress, Standing, standing
from harness.records import End, Environment, Manifest, Outcome, Plan, Process, Start, Value
from harness.schedule import Job, attempts, cells_of, part_of, remaining_jobs, with_dependents
from harness.store import RunFolder, new_run_folder, run_folders
from harness.systems import load_system

WAKE_S = 1.0
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
    where = environment([part.system for part in plan.parts])
    folder = earlier_run(results, plan, where, progress) if resume else None
    if folder is not None and folder.manifest().state == "finished":
        progress.note(f"{folder.name} is finished; rendering its report again")
        return folder
    systems = {part.system: load_system(part.system) for part in plan.parts}
    fresh = folder is None
    folder = folder or new_run_folder(results, plan.suite)
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
                )
            )
        runner = Runner(folder, progress, worker)
        try:
            runner.work()
        finally:
            runner.stop("interrupted")
    return folder


def earlier_run(results: Path, plan: Plan, where: Environment, progress: Progress) -> RunFolder | None:
    """The newest unfinished run of the same suite, plan, code and machine; else the newest finished one."""
    finished = None
    others = ""
    for folder in run_folders(results):
        try:
            manifest = folder.manifest()
        except StoreError:
            continue  # damaged, or of another version: no run to go on with
        if not _same(manifest.plan, plan):
            continue
        if manifest.environment.machine_id != where.machine_id:
            others = others or f"{folder.name} was made on another machine; "
        elif manifest.environment.code_sha256 != where.code_sha256:
            others = others or f"the code has changed since {folder.name}; "
        elif manifest.state == "running":
            progress.note(f"resuming {folder.name}")
            return folder
        else:
            finished = finished or folder
    if finished is None:
        progress.note(f"{others}no run to resume: starting one")
    return finished


def _same(left: Plan, right: Plan) -> bool:
    """The same cells to be measured in the same way. The suite may be named by another path, a condition may come from
    the suite or the command line, and the cells may be grouped otherwise: that depends on the memory that was free at
    the time."""
    return _core(left) == _core(right)


def _core(plan: Plan) -> Plan:
    incidental = {"groups": (), "notes": (), "estimated_bytes": 0.0, "given": ()}
    parts = tuple(part.model_copy(update=incidental) for part in plan.parts)
    return plan.model_copy(update={"suite_file": "", "settings": {}, "parts": parts})


class Runner:
    """One runner at work on one run; `manifest` is always what lies on disk."""

    def __init__(self, folder: RunFolder, progress: Progress, command: Sequence[str]) -> None:
        self.folder = folder
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
        while jobs := remaining_jobs(self.plan, self.manifest.processes, self.manifest.outcomes):
            if jobs[0].process == "trial" and self._over_budget():
                stopped = "time budget"
                self.progress.note(f"time budget used up: {len(jobs)} processes not run")
                break
            for job in self._together(jobs):
                self._start(job)
            while self.live:
                self._wait()
        self._save(state="finished", finished=_now(), stopped_early=stopped)

    def stop(self, reason: str) -> None:
        """Kill what still runs. The disk may be what failed: then the next runner finds the processes ended."""
        for worker in self.live:
            kill(worker)
        with suppress(StoreError):
            for worker in self.live:
                self._settle(worker.process, "abandoned", reason)
        self.live = []

    def _over_budget(self) -> bool:
        budget = self.plan.max_minutes
        return budget is not None and self._wall_s() > 60 * budget

    def _together(self, jobs: Sequence[Job]) -> Sequence[Job]:
        """Memory is not timed: two such processes at once where cores and memory allow. All else runs alone."""
        first = jobs[0]
        if first.process != "memory" or (os.cpu_count() or 1) < 2:
            return jobs[:1]
        if 4 * part_of(self.plan, first.part).estimated_bytes > self.manifest.environment.memory_bytes:
            return jobs[:1]
        return [job for job in jobs[:2] if (job.process, job.part) == ("memory", first.part)]

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
        process = worker.process
        self.walls[process.number] = time.monotonic() - worker.started
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
            self.walls[process.number] = lines[-1].wall_s
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
        jobs = remaining_jobs(self.plan, self.manifest.processes, self.manifest.outcomes)
        running = [(worker.process, time.monotonic() - worker.started, worker.crumb.done) for worker in self.live]
        return standing(jobs, self.manifest.processes, self.walls, running)


def _stated(lines: Sequence[Any]) -> list[Outcome]:
    return [line for line in lines if isinstance(line, Outcome)]


def _facts(lines: Sequence[Any]) -> Mapping[str, Value] | None:
    return next((line.facts for line in lines if isinstance(line, Start)), None)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
