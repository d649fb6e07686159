"""What a plan will cost: processes, time, peak memory, disk; from what earlier runs on this machine recorded.

A process is predicted by the first of these that can be:

    (1)  same kind, cells, blocks and stages recorded: the mean of their wall times, of the newest run that has any
    (2)  a trial or the like, all of whose cells were seen in trials:
             fixed + sum over cells of (warm-up + blocks x block) + own
         fixed: import, start and end of the process; own: what the harness spent itself, per cell, half of it with
         building and half with the blocks
    (3)  a process that calls each cell a few times (prepare, sameness, memory): its like with the most cells in
         common, its time beyond `fixed` scaled by what one call of each cell takes; else fixed + first call + calls
    (4)  its FLOPs, at the two ends of what a cell may do: a range

A `prepare` of the first run may have filled compile caches: what its first calls took is replaced by what first calls
took in the trials, which found the caches full. Between processes the runner takes its own time. Follow-ups are those
that the last run of the suite decided on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from harness.history import TRIALS, CellCost, History, Past, read_history, signature, twins
from harness.records import Environment, FollowUp, Part, Plan
from harness.schedule import Job, JobKey, cells_of, follow_up_jobs, part_of, planned_jobs, rounds
from harness.systems import load_system

FAST, SLOW = 50e9, 5e9
"""FLOP/s of dense products and of sparse ones on a core of this decade: the two ends of what a cell may do."""
START_S = 3.0
"""What a process takes to start, torch included, where nothing was recorded."""
CALLS = {"prepare": 1, "sameness": 3, "memory": 2}
"""Calls of each cell, the first included; the oracle counts double."""
CALLS_BESIDES_BLOCKS = 3
"""First call and warm-up of a trial, in passes over all cells."""
SAMPLE_BYTES, CELL_BYTES, PROCESS_BYTES = 200, 400, 1000
"""Of a record: per sample, per warm-up or reading of a cell, per process."""
RECORD_BYTES = 4000
"""Manifest and analysis, per cell."""


@dataclass(frozen=True)
class Expected:
    """Of one process. `low_s` is `high_s` where it was seen before; `seen` says how."""

    job: Job
    low_s: float
    high_s: float
    peak_bytes: float
    file_bytes: float
    seen: bool


@dataclass(frozen=True)
class Prediction:
    cells: int
    processes: int
    follow_ups: int
    """Of the processes: those that the last run added after its trials."""
    unseen: int
    """Of the processes: those judged by their FLOPs alone."""
    low_s: float
    high_s: float
    peak_bytes: float
    """Of the largest process."""
    disk_bytes: float
    runs: tuple[str, ...]
    """What it is predicted from."""


def predict(plan: Plan, history: History, environment: Environment) -> Prediction:
    jobs = planned_jobs(plan)
    added = list(chain.from_iterable(follow_up_jobs(plan, _likely(plan, history.follow_ups))))
    expected = {job.key: _expected(job, plan, history) for job in (*jobs, *added)}
    turns = [[expected[job.key] for job in beside] for beside in rounds((*jobs, *added), plan, environment)]
    between = len(turns) * history.between_s
    low, high = (
        between + sum(max(one.low_s for one in turn) for turn in turns),
        between + sum(max(one.high_s for one in turn) for turn in turns),
    )
    cells = sum(len(part.cells) for part in plan.parts)
    return Prediction(
        cells=cells,
        processes=len(expected),
        follow_ups=len(added),
        unseen=sum(not one.seen for one in expected.values()),
        low_s=_within_budget(plan, low),
        high_s=_within_budget(plan, high),
        peak_bytes=max((one.peak_bytes for one in expected.values()), default=0.0),
        disk_bytes=sum(one.file_bytes for one in expected.values())
        + cells * (RECORD_BYTES if history.record_bytes is None else history.record_bytes),
        runs=history.runs,
    )


def predicted(results: Path, plan: Plan, environment: Environment) -> Prediction:
    return predict(plan, read_history(results, plan, environment.machine_id), environment)


def expected_walls(results: Path, plan: Plan, environment: Environment) -> dict[JobKey, float]:
    """Seconds of each process that earlier runs let expect, for the first guess at the time left."""
    history = read_history(results, plan, environment.machine_id)
    found = (_expected(job, plan, history) for job in planned_jobs(plan)) if history.past else ()
    return {one.job.key: one.low_s for one in found if one.seen}


def _within_budget(plan: Plan, seconds: float) -> float:
    return seconds if plan.max_minutes is None else min(seconds, 60 * plan.max_minutes)


def _likely(plan: Plan, earlier: Iterable[FollowUp]) -> list[FollowUp]:
    """Follow-ups that may come again; a recheck has as many trials as the plan."""
    if plan.preset == "smoke":
        return []
    confirming = {part.name for part in plan.parts if part.confirm}
    cells = cells_of(plan)
    held = [one for one in earlier if one.part in confirming and set(one.cells) <= set(cells)]
    return [one.model_copy(update={"trials": plan.trials}) if one.process == "recheck" else one for one in held]


def _expected(job: Job, plan: Plan, history: History) -> Expected:
    part = part_of(plan, job.part)
    like = _exactly(job, plan, history)
    seconds = _seconds(job, part, like, plan, history)
    low = high = seconds
    if low is None or high is None:
        flops = _flops(job, part)
        low, high = START_S + flops / FAST, START_S + flops / SLOW
    return Expected(
        job=job,
        low_s=low,
        high_s=high,
        peak_bytes=_peak(job, part, like, history),
        file_bytes=_mean(one.file_bytes for one in like) if like else _file_bytes(job, part),
        seen=seconds is not None,
    )


def _exactly(job: Job, plan: Plan, history: History) -> list[Past]:
    """Rule (1): of the newest run that has any."""
    wanted = signature(plan, job)
    alike = [one for one in history.past if one.signature == wanted]
    return [one for one in alike if one.run == alike[0].run]


def _seconds(job: Job, part: Part, like: Sequence[Past], plan: Plan, history: History) -> float | None:
    copies, costs = twins(plan), _costs(history)
    called = [cell for cell in job.cells if job.process in TRIALS or cell not in copies]
    known = {cell: costs.get(cell) or costs.get(copies.get(cell, cell)) for cell in called}
    cells = {cell: cost for cell, cost in known.items() if cost is not None}
    if like and job.process == "prepare" and len(cells) == len(called):
        warm = _mean(one.import_s + one.own_s for one in like) + sum(one.first_call_s for one in cells.values())
        return min(warm, _mean(one.wall_s for one in like))
    if like:
        return _mean(one.wall_s for one in like)
    if len(cells) < len(called):
        return None
    return _trial(cells, part, history) if job.process in TRIALS else _few_calls(job, cells, history)


def _trial(cells: Mapping[str, CellCost], part: Part, history: History) -> float:
    """Rule (2)."""
    trials = [one for one in history.past if one.costs]
    own = _mean(one.own_s / len(one.cells) for one in trials)
    blocks = _mean(one.blocks for one in trials)
    sampled = sum(cell.trial_s(part.blocks, bool(part.stages)) for cell in cells.values())
    return _fixed(trials) + sampled + len(cells) * own / 2 * (1 + part.blocks / blocks)


def _few_calls(job: Job, cells: Mapping[str, CellCost], history: History) -> float:
    """Rule (3)."""
    trials = [one for one in history.past if one.costs]
    costs = _costs(history)
    kin = [one for one in history.past if one.process == job.process and one.cells & set(job.cells)]
    kin = [one for one in kin if all(cell in costs for cell in one.cells)]
    if not kin:
        calls = CALLS.get(job.process, 1)
        return _fixed(trials) + sum(one.first_call_s + (calls - 1) * one.call_s for one in cells.values())
    nearest = max(kin, key=lambda one: len(one.cells & set(job.cells)) / len(one.cells | set(job.cells)))
    theirs = sum(costs[cell].first_call_s for cell in nearest.cells)
    ours = sum(cell.first_call_s for cell in cells.values())
    return nearest.import_s + (nearest.wall_s - nearest.import_s) * ours / max(theirs, 1e-9)


def _costs(history: History) -> dict[str, CellCost]:
    """Of the newest run that has each cell, averaged over its trials; a cell stands for its twin."""
    found: dict[str, tuple[str, list[CellCost]]] = {}
    for one in history.past:
        for cell, cost in one.costs.items():
            run, costs = found.setdefault(cell, (one.run, []))
            if run == one.run:
                costs.append(cost)
    return {cell: _mean_cost(costs) for cell, (_, costs) in found.items()}


def _mean_cost(costs: Sequence[CellCost]) -> CellCost:
    staged = [one.staged_s for one in costs if one.staged_s is not None]
    return CellCost(
        first_call_s=_mean(one.first_call_s for one in costs),
        call_s=_mean(one.call_s for one in costs),
        warm_up_s=_mean(one.warm_up_s for one in costs),
        bare_s=_mean(one.bare_s for one in costs),
        staged_s=_mean(staged) if staged else None,
    )


def _fixed(past: Sequence[Past]) -> float:
    return _mean(one.import_s for one in past) if past else START_S


def _flops(job: Job, part: Part) -> float:
    """Rule (4)."""
    system = load_system(part.system)
    of = {cell.id: cell for cell in part.cells}
    once = sum(
        system.estimate(of[cell].variant, of[cell].conditions, part.mode).flops for cell in job.cells if cell in of
    )
    arms = 2 if part.stages else 1
    passes = part.blocks * arms + CALLS_BESIDES_BLOCKS if job.process in TRIALS else CALLS.get(job.process, 1)
    return once * passes


def _peak(job: Job, part: Part, like: Sequence[Past], history: History) -> float:
    """Recorded of its like, else of its kind with any of its cells, else what the formulas say."""
    kin = [one for one in history.past if one.process == job.process and one.cells & set(job.cells)]
    for group in (like, kin):
        known = [one.peak_bytes for one in group if one.peak_bytes]
        if known:
            return float(max(known))
    return part.estimated_bytes


def _file_bytes(job: Job, part: Part) -> float:
    samples = len(job.cells) * part.blocks * (2 if part.stages else 1) if job.process in TRIALS else 0
    return PROCESS_BYTES + len(job.cells) * CELL_BYTES + samples * SAMPLE_BYTES


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found)
