"""What is still to be done: a pure function of the plan and of what the manifest says was done.

Order: per part `prepare` and `sameness` of every group, `memory` of every cell; then the trials of all parts and groups
in turn, trial by trial, so that a slow drift of the machine hits all alike and a time budget cuts fairly, the groups of
a part in an order that is mirrored from trial to trial, so that being first is none's; then, once they are decided, the
follow-ups.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TypeVar

from harness.records import Cell, Environment, FollowUp, Outcome, Part, Plan, Process, ProcessKind

JobKey = tuple[str, ...]

ALONE = ("memory", "confirm")
"""Kinds of which each process holds one cell: which one tells its jobs apart."""


@dataclass(frozen=True)
class Job:
    """A process that is to be run. `cells` are those planned, less those that already failed."""

    process: ProcessKind
    part: str
    group: int
    trial: int
    cells: tuple[str, ...]

    @property
    def key(self) -> JobKey:
        """Equal for every attempt at the same job, whatever cells it has lost."""
        return _key(self)


def _key(job: Job | Process) -> JobKey:
    cells = job.cells if job.process in ALONE else ()
    return (job.process, job.part, str(job.group), str(job.trial), *cells)


Started = TypeVar("Started", Job, Process)


def planned_jobs(plan: Plan) -> list[Job]:
    jobs: list[Job] = []
    for part in plan.parts:
        if part.times or part.reads:
            jobs += [Job("prepare", part.name, group.index, 0, group.cells) for group in part.groups]
        if plan.purpose == "measure":  # a cell and its twin are the same
            jobs += [Job("sameness", part.name, index, 0, cells) for index, cells in _each_once(part)]
        if part.memory:
            jobs += [
                Job("memory", part.name, group_of(part, cell), 0, (cell.id,)) for cell in part.cells if not cell.control
            ]
    for trial in range(1, plan.trials + 1):
        for part in plan.parts:
            groups = part.groups[:: 1 if trial % 2 else -1] if part.times else ()
            jobs += [Job("trial", part.name, group.index, trial, group.cells) for group in groups]
    return jobs


def _each_once(part: Part) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Cells under the threads, the allocator and the denormals of their own trials; a baseline that several groups hold
    in the first of them."""
    seen: set[str] = set()
    for group in part.groups:
        yield group.index, tuple(cell for cell in group.cells if cell not in seen)
        seen.update(group.cells)


def follow_up_jobs(plan: Plan, follow_ups: Iterable[FollowUp], failed: Container[str] = ()) -> list[list[Job]]:
    """The jobs of each follow-up; none where what it was to compare has failed.

    Trials of a recheck are numbered on after the planned ones, so that their blocks have an order of their own; pairs
    of a confirmation are numbered through its part, and change their order from one to the next (ABBA).
    """
    jobs: list[list[Job]] = []
    pairs: dict[str, int] = {}
    for one in follow_ups:
        part = part_of(plan, one.part)
        compared = [cell for cell in part.cells if cell.id in one.cells and cell.id != cell.baseline]
        suspects = [cell for cell in compared if not cell.control and cell.id not in failed]
        if not suspects:
            jobs.append([])
        elif one.process == "recheck":
            group = group_of(part, suspects[0])
            trials = range(plan.trials + 1, plan.trials + one.trials + 1)
            jobs.append([Job("recheck", part.name, group, trial, one.cells) for trial in trials])
        else:
            before = pairs.get(part.name, 0)
            jobs.append(_pairs(one, group_of(part, suspects[0]), before))
        if one.process == "confirm":
            pairs[part.name] = pairs.get(part.name, 0) + one.trials
    return jobs


def _pairs(one: FollowUp, group: int, before: int) -> list[Job]:
    """Baseline and cell, cell and baseline, and so on."""
    cell, baseline = one.cells
    orders = [(baseline, cell) if number % 2 else (cell, baseline) for number in range(1, one.trials + 1)]
    return [
        Job("confirm", one.part, group, before + number, (alone,))
        for number, order in enumerate(orders, start=1)
        for alone in order
    ]


def remaining_jobs(
    plan: Plan, processes: Iterable[Process], outcomes: Iterable[Outcome], follow_ups: Iterable[FollowUp] = ()
) -> list[Job]:
    """Jobs not done yet, without the cells that failed; a job with no cell left is dropped."""
    done = {_key(process) for process in processes if process.state == "done"}
    failed = {outcome.cell for outcome in outcomes}
    every = [*planned_jobs(plan), *chain.from_iterable(follow_up_jobs(plan, follow_ups, failed))]
    left = [job for job in every if job.key not in done]
    reduced = [replace(job, cells=tuple(cell for cell in job.cells if cell not in failed)) for job in left]
    return [job for job in reduced if job.cells]


def together(jobs: Sequence[Started], plan: Plan, environment: Environment) -> Sequence[Started]:
    """Those at the front that run at the same time: two that read memory, which is not timed, where cores and memory
    allow. All else runs alone, and so does all that has to share a device."""
    first = jobs[0]
    if first.process != "memory" or environment.cores < 2 or environment.devices:
        return jobs[:1]
    if 4 * part_of(plan, first.part).estimated_bytes > environment.memory_bytes:
        return jobs[:1]
    return [job for job in jobs[:2] if (job.process, job.part) == ("memory", first.part)]


def rounds(jobs: Sequence[Started], plan: Plan, environment: Environment) -> Iterator[Sequence[Started]]:
    """In the order of `jobs`, each with those that run beside it."""
    left = list(jobs)
    while left:
        beside = together(left, plan, environment)
        yield beside
        left = left[len(beside) :]


def attempts(job: Job, processes: Iterable[Process]) -> list[Process]:
    """Earlier processes at this job, oldest first."""
    return [process for process in processes if _key(process) == job.key]


def part_of(plan: Plan, name: str) -> Part:
    return next(part for part in plan.parts if part.name == name)


def group_of(part: Part, cell: Cell) -> int:
    return next((group.index for group in part.groups if cell.id in group.cells), 0)


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
                found.append(_without_baseline(cell, cells[outcome.cell], outcome))
    return tuple(found)


def _without_baseline(cell: Cell, baseline: Cell, outcome: Outcome) -> Outcome:
    if outcome.outcome == "untested":
        detail = f"its baseline {baseline.name} is not: {outcome.detail}"
        return Outcome(cell=cell.id, outcome="untested", detail=detail, during=BASELINE)
    detail = f"its baseline {baseline.name} gave no numbers ({outcome.outcome})"
    return Outcome(cell=cell.id, outcome="failed", detail=detail, during=BASELINE)


BASELINE = "baseline"
"""`during` of an outcome that a cell has only because its baseline has one."""

FAILURES = ("crashed", "timed_out", "out_of_memory", "failed")


def exit_code(plan: Plan, outcomes: Iterable[Outcome]) -> int:
    """3 if a cell failed in a way the suite did not expect, else 0. Not finite is a result, and what cannot be tested
    on this machine is none of the suite's failures."""
    cells = cells_of(plan)
    unexpected = [
        outcome
        for outcome in outcomes
        if outcome.outcome in FAILURES and outcome.during != BASELINE and cells[outcome.cell].expect != outcome.outcome
    ]
    return 3 if unexpected else 0
