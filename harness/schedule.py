"""What is still to be done: a pure function of the plan and of what the manifest says was done.

Order: per part `prepare` of every group, `sameness`, `memory` of every cell; then the trials of all parts and groups
in turn, trial by trial, so that a slow drift of the machine hits all alike and a time budget cuts fairly.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from harness.records import Cell, Outcome, Part, Plan, Process, ProcessKind


@dataclass(frozen=True)
class Job:
    """A process that is to be run. `cells` are those planned, less those that already failed."""

    process: ProcessKind
    part: str
    group: int
    trial: int
    cells: tuple[str, ...]

    @property
    def key(self) -> tuple[str, ...]:
        """Equal for every attempt at the same job, whatever cells it has lost."""
        return _key(self)


def _key(job: Job | Process) -> tuple[str, ...]:
    cells = job.cells if job.process == "memory" else ()
    return (job.process, job.part, str(job.group), str(job.trial), *cells)


def planned_jobs(plan: Plan) -> list[Job]:
    jobs: list[Job] = []
    for part in plan.parts:
        jobs += [Job("prepare", part.name, group.index, 0, group.cells) for group in part.groups]
        jobs.append(Job("sameness", part.name, 0, 0, tuple(cell.id for cell in part.cells)))
        if part.memory:
            jobs += [
                Job("memory", part.name, _group_of(part, cell), 0, (cell.id,))
                for cell in part.cells
                if not cell.control
            ]
    for trial in range(1, plan.trials + 1):
        jobs += [
            Job("trial", part.name, group.index, trial, group.cells) for part in plan.parts for group in part.groups
        ]
    return jobs


def remaining_jobs(plan: Plan, processes: Iterable[Process], outcomes: Iterable[Outcome]) -> list[Job]:
    """Jobs not done yet, without the cells that failed; a job with no cell left is dropped."""
    done = {_key(process) for process in processes if process.state == "done"}
    failed = {outcome.cell for outcome in outcomes}
    left = [job for job in planned_jobs(plan) if job.key not in done]
    reduced = [replace(job, cells=tuple(cell for cell in job.cells if cell not in failed)) for job in left]
    return [job for job in reduced if job.cells]


def attempts(job: Job, processes: Iterable[Process]) -> list[Process]:
    """Earlier processes at this job, oldest first."""
    return [process for process in processes if _key(process) == job.key]


def part_of(plan: Plan, name: str) -> Part:
    return next(part for part in plan.parts if part.name == name)


def cells_of(plan: Plan) -> dict[str, Cell]:
    return {cell.id: cell for part in plan.parts for cell in part.cells}


def with_dependents(plan: Plan, outcomes: Sequence[Outcome], known: Iterable[Outcome]) -> tuple[Outcome, ...]:
    """New outcomes, one per cell, and with a failed baseline those of the cells that were to be compared with it."""
    seen = {outcome.cell for outcome in known}
    cells = cells_of(plan)
    found: list[Outcome] = []
    for outcome in outcomes:
        if outcome.cell in seen:
            continue
        seen.add(outcome.cell)
        found.append(outcome)
    for outcome in tuple(found):
        for cell in cells.values():
            if cell.baseline == outcome.cell and cell.id not in seen:
                seen.add(cell.id)
                detail = f"its baseline {cells[outcome.cell].name} gave no numbers ({outcome.outcome})"
                found.append(Outcome(cell=cell.id, outcome="failed", detail=detail, during=BASELINE))
    return tuple(found)


BASELINE = "baseline"
"""`during` of an outcome that a cell has only because its baseline has one."""

FAILURES = ("crashed", "timed_out", "out_of_memory", "failed")


def exit_code(plan: Plan, outcomes: Iterable[Outcome]) -> int:
    """3 if a cell failed in a way the suite did not expect, else 0. Not finite is a result, not a failure."""
    cells = cells_of(plan)
    unexpected = [
        outcome
        for outcome in outcomes
        if outcome.outcome in FAILURES and outcome.during != BASELINE and cells[outcome.cell].expect != outcome.outcome
    ]
    return 3 if unexpected else 0


def _group_of(part: Part, cell: Cell) -> int:
    return next((group.index for group in part.groups if cell.id in group.cells), 0)
