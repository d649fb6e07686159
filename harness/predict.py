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
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from harness.history import TRIALS, CellCost, History, Past, Signature, read_history, signature, twins
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


@dataclass(frozen=True)
class Basis:
    """A plan and what is known of its cells and processes."""

    plan: Plan
    history: History
    copies: Mapping[str, str]
    costs: Mapping[str, CellCost]
    """Of the newest run that has each cell, averaged over its trials."""
    alike: Mapping[Signature, Sequence[Past]]
    """Of the newest run that has any."""
    trials: Sequence[Past]

    def cost(self, cell: str) -> CellCost | None:
        """A cell stands for its twin."""
        return self.costs.get(cell) or self.costs.get(self.copies.get(cell, cell))

    @property
    def fixed_s(self) -> float:
        return _mean(one.import_s for one in self.trials) if self.trials else START_S


def basis(plan: Plan, history: History) -> Basis:
    alike: dict[Signature, list[Past]] = {}
    costs: dict[str, list[tuple[str, CellCost]]] = {}
    for one in history.past:
        alike.setdefault(one.signature, []).append(one)
        for cell, cost in one.costs.items():
            costs.setdefault(cell, []).append((one.run, cost))
    return Basis(
        plan=plan,
        history=history,
        copies=twins(plan),
        costs={cell: _mean_cost([cost for run, cost in found if run == found[0][0]]) for cell, found in costs.items()},
        alike={kind: [one for one in found if one.run == found[0].run] for kind, found in alike.items()},
        trials=[one for one in history.past if one.costs],
    )


def predict(plan: Plan, history: History, environment: Environment) -> Prediction:
    known = basis(plan, history)
    added = list(chain.from_iterable(follow_up_jobs(plan, _likely(plan, history.follow_ups))))
    jobs = _alive([*planned_jobs(plan), *added], history)
    expected = {job.key: _expected(job, known) for job in jobs}
    turns = [[expected[job.key] for job in beside] for beside in rounds(jobs, plan, environment)]
    between = len(turns) * history.between_s
    cells = sum(len(part.cells) for part in plan.parts)
    records = cells * (RECORD_BYTES if history.record_bytes is None else history.record_bytes)
    return Prediction(
        cells=cells,
        processes=len(expected),
        follow_ups=sum(job in jobs for job in added),
        unseen=sum(not one.seen for one in expected.values()),
        low_s=_within_budget(plan, between + sum(max(one.low_s for one in turn) for turn in turns)),
        high_s=_within_budget(plan, between + sum(max(one.high_s for one in turn) for turn in turns)),
        peak_bytes=max((one.peak_bytes for one in expected.values()), default=0.0),
        disk_bytes=sum(one.file_bytes for one in expected.values()) + records,
        runs=history.runs,
    )


def predicted(results: Path, plan: Plan, environment: Environment) -> Prediction:
    return predict(plan, read_history(results, plan, environment.machine_id), environment)


def expected_walls(results: Path, plan: Plan, environment: Environment) -> dict[JobKey, float]:
    """Seconds of each process that earlier runs let expect, for the first guess at the time left."""
    history = read_history(results, plan, environment.machine_id)
    if not history.past:
        return {}
    known = basis(plan, history)
    found = [_expected(job, known) for job in _alive(planned_jobs(plan), history)]
    return {one.job.key: one.low_s for one in found if one.seen}


def _alive(jobs: Iterable[Job], history: History) -> list[Job]:
    """Without those whose every cell failed in the earlier runs: it is taken to fail again."""
    return [job for job in jobs if not set(job.cells) <= history.failed]


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


def _expected(job: Job, known: Basis) -> Expected:
    part = part_of(known.plan, job.part)
    alive = replace(job, cells=tuple(cell for cell in job.cells if cell not in known.history.failed))
    like = known.alike.get(signature(part, job, known.copies)) or known.alike.get(signature(part, alive, known.copies))
    seconds = _seconds(alive, part, like or (), known)
    flops = _flops(job, part) if seconds is None else 0.0
    return Expected(
        job=job,
        low_s=START_S + flops / FAST if seconds is None else seconds,
        high_s=START_S + flops / SLOW if seconds is None else seconds,
        peak_bytes=_peak(job, part, like or (), known.history),
        file_bytes=_mean(one.file_bytes for one in like) if like else _file_bytes(alive, part),
        seen=seconds is not None,
    )


def _seconds(job: Job, part: Part, like: Sequence[Past], known: Basis) -> float | None:
    called = [cell for cell in job.cells if job.process in TRIALS or cell not in known.copies]
    cells = {cell: cost for cell in called if (cost := known.cost(cell)) is not None}
    if like and job.process == "prepare" and len(cells) == len(called):
        warm = _mean(one.import_s + one.own_s for one in like) + sum(one.first_call_s for one in cells.values())
        return min(warm, _mean(one.wall_s for one in like))
    if like:
        return _mean(one.wall_s for one in like)
    if len(cells) < len(called):
        return None
    return _trial(cells, part, known) if job.process in TRIALS else _few_calls(job, cells, known)


def _trial(cells: Mapping[str, CellCost], part: Part, known: Basis) -> float:
    """Rule (2)."""
    own = _mean(one.own_s / len(one.cells) for one in known.trials)
    blocks = _mean(one.blocks for one in known.trials)
    sampled = sum(cell.trial_s(part.blocks, bool(part.stages)) for cell in cells.values())
    return known.fixed_s + sampled + len(cells) * own / 2 * (1 + part.blocks / blocks)


def _few_calls(job: Job, cells: Mapping[str, CellCost], known: Basis) -> float:
    """Rule (3)."""
    wanted = set(cells)
    kin = [one for one in known.history.past if one.process == job.process and one.cells & wanted]
    kin = [one for one in kin if all(cell in known.costs for cell in one.cells)]
    if not kin:
        calls = CALLS.get(job.process, 1)
        return known.fixed_s + sum(one.first_call_s + (calls - 1) * one.call_s for one in cells.values())
    nearest = max(kin, key=lambda one: len(one.cells & wanted) / len(one.cells | wanted))
    theirs = sum(known.costs[cell].first_call_s for cell in nearest.cells)
    ours = sum(cell.first_call_s for cell in cells.values())
    return nearest.import_s + (nearest.wall_s - nearest.import_s) * ours / max(theirs, 1e-9)


def _mean_cost(costs: Sequence[CellCost]) -> CellCost:
    staged = [one.staged_s for one in costs if one.staged_s is not None]
    return CellCost(
        first_call_s=_mean(one.first_call_s for one in costs),
        call_s=_mean(one.call_s for one in costs),
        warm_up_s=_mean(one.warm_up_s for one in costs),
        bare_s=_mean(one.bare_s for one in costs),
        staged_s=_mean(staged) if staged else None,
    )


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
    """Recorded of its like, else of any with some of its cells, of its own kind first; else what the formulas say."""
    kin = [one for one in history.past if one.cells & set(job.cells)]
    for group in (like, [one for one in kin if one.process == job.process], kin):
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
