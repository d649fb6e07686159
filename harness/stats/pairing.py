"""From blocks to one number per trial: paired, with disturbed pairs left out.

A block holds samples of one trial, each with a place in the block's order. For an arm A (cell, kind of call) against
an arm B of the same block, t the time of the whole call or of one stage of it:

    (1)  d = mean over A's samples of [ log t_A - mean log t_B of the B samples that bracket it ]
    (2)  trial value = median of d over the kept blocks of the trial

"Bracket": the last B before and the first B after A in the order; at an edge there is only one. A block that holds B
once is the simple case. Times in seconds, lost shares as fractions of wall x threads.

A pair is kept while no sample in it was disturbed (lost over 2 % of its time, or a device held back). Where under
half of all pairs survive, the remedy for whole calls is process CPU time, over all pairs, if the process ran one
thread (a spinning pool makes CPU time meaningless). A stage has no CPU time of its own. The quiet pairs that are left
are as sound as any others, only fewer, and the interval over trials knows how few: they decide while they are a third
of all and lie in at least four trials. Else all pairs by the wall, called degraded. Nothing is deleted: what was left
out is returned.
Sources: Kalibera and Jones 2013; Bulej et al. 2020 (duet benchmarking).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np

from harness.records import LOST_SHARE_LIMIT, Block, Sample

Arm = tuple[str, str]
"""Cell id and kind of call: (`3f2a`, `bare`)."""
LEAST_SHARE, LEAST_TRIALS = 1 / 3, 4
"""Of quiet pairs, and of trials that have one, for a stage's contrast to rest on them alone."""


class Comparison(NamedTuple):
    """What is compared: a cell with another, in whole calls, or in one stage of the staged arm."""

    cell: str
    against: str
    stage: str = ""
    """As a sample names it: `encoder`, `encoder.backward`; empty: the whole call, bare."""

    @property
    def arms(self) -> tuple[Arm, Arm]:
        kind = "staged" if self.stage else "bare"
        return (self.cell, kind), (self.against, kind)


@dataclass(frozen=True)
class Pair:
    """One block's comparison. `wall` and `cpu` are differences of logarithms, `lost` the worst of its samples."""

    trial: int
    wall: float
    cpu: float | None
    lost: float
    disturbed: tuple[str, ...] = ()
    """What the device did to its samples, in words."""

    @property
    def quiet(self) -> bool:
        return self.lost <= LOST_SHARE_LIMIT and not self.disturbed


@dataclass(frozen=True)
class Paired:
    """Trial number -> log ratio, and how it was come by."""

    trials: Mapping[int, float]
    clock: Literal["wall", "cpu", "none"]
    degraded: bool
    kept: int
    excluded: int
    lost: tuple[float, ...] = field(default=())
    """Worst lost share of each pair that lost too much, left out or not."""
    disturbed: tuple[str, ...] = field(default=())
    """The first reason of each other pair that the device disturbed, left out or not."""

    @property
    def logs(self) -> tuple[float, ...]:
        return tuple(self.trials.values())


NOTHING = Paired({}, "none", False, 0, 0)


def pair_each(
    blocks: Iterable[Block], comparisons: Iterable[Comparison], *, one_thread: bool
) -> dict[Comparison, Paired]:
    """Equations (1) and (2) for many comparisons over any blocks, each block read once."""
    wanted = list(dict.fromkeys(comparisons))
    found: dict[Comparison, list[Pair]] = {comparison: [] for comparison in wanted}
    for block in blocks:
        samples = by_arm(block)
        for comparison in wanted:
            pair = pair_of(block.trial, samples, comparison)
            if pair is not None:
                found[comparison].append(pair)
    return {
        comparison: paired_stages(pairs_found) if comparison.stage else paired(pairs_found, one_thread=one_thread)
        for comparison, pairs_found in found.items()
    }


def pairs(blocks: Iterable[Block], arm: Arm, against: Arm) -> list[Pair]:
    """Equation (1) for every block that holds both arms, in whole calls of either kind."""
    found = []
    for block in blocks:
        pair = pair_in(block, arm, against)
        if pair is not None:
            found.append(pair)
    return found


def pair_of(trial: int, samples: Mapping[Arm, Sequence[Sample]], comparison: Comparison) -> Pair | None:
    """Equation (1) from the samples of one block (`by_arm`)."""
    arm, against = comparison.arms
    return _pair(trial, samples.get(arm, ()), samples.get(against, ()), comparison.stage)


def pair_in(block: Block, arm: Arm, against: Arm) -> Pair | None:
    return _pair(block.trial, samples_of(block, arm), samples_of(block, against))


def _pair(trial: int, ours: Sequence[Sample], theirs: Sequence[Sample], stage: str = "") -> Pair | None:
    if stage:
        ours = [sample for sample in ours if seconds(sample, stage) > 0]
        theirs = [sample for sample in theirs if seconds(sample, stage) > 0]
    if not ours or not theirs:
        return None
    walls, cpus = [], []
    used: list[Sample] = []
    for sample in ours:
        around = bracket(theirs, sample.position)
        used += [sample, *around]
        walls.append(_log_ratio([seconds(one, stage) for one in (sample, *around)]))
        cpu = [float(one.cpu_s or 0.0) for one in (sample, *around)]
        if not stage and min(cpu) > 0:
            cpus.append(_log_ratio(cpu))
    return Pair(
        trial=trial,
        wall=sum(walls) / len(walls),
        cpu=sum(cpus) / len(cpus) if len(cpus) == len(ours) else None,
        lost=max(sample.lost_share or 0.0 for sample in used),
        disturbed=tuple(dict.fromkeys(sample.disturbed for sample in used if sample.disturbed)),
    )


def _log_ratio(times: Sequence[float]) -> float:
    """The first over the geometric mean of the others."""
    first, *others = [math.log(time) for time in times]
    return first - sum(others) / len(others)


def seconds(sample: Sample, stage: str = "") -> float:
    """Of the whole call or one stage; 0 where the sample does not know it."""
    return (sample.stages or {}).get(stage, 0.0) if stage else sample.time_s


def by_arm(block: Block) -> dict[Arm, list[Sample]]:
    """Samples of every arm in the block's order. A time of zero is below the clock and cannot be compared."""
    found: dict[Arm, list[Sample]] = {}
    for sample in sorted(block.samples, key=lambda sample: sample.position):
        if sample.time_s > 0:
            found.setdefault((sample.cell, sample.arm), []).append(sample)
    return found


def samples_of(block: Block, arm: Arm) -> list[Sample]:
    """As `by_arm`, of one arm alone."""
    cell, kind = arm
    found = [sample for sample in block.samples if sample.cell == cell and sample.arm == kind and sample.time_s > 0]
    return sorted(found, key=lambda sample: sample.position)


def bracket(samples: Sequence[Sample], position: int) -> list[Sample]:
    """The last sample before and the first after `position`; one at an edge. `samples` are in order."""
    if len(samples) == 1:
        return list(samples)
    before = [sample for sample in samples if sample.position <= position][-1:]
    after = [sample for sample in samples if sample.position > position][:1]
    return before + after


def paired(found: Sequence[Pair], *, one_thread: bool) -> Paired:
    """Equation (2) of whole calls, after the rule about disturbed pairs."""
    if _mostly_quiet(found):
        return _of_quiet(found)
    cpu = [(pair.trial, pair.cpu) for pair in found if pair.cpu is not None]
    if one_thread and len(cpu) == len(found):
        return Paired(_medians(cpu), "cpu", False, len(found), 0, *_faults(found))
    return _of_all(found)


def paired_stages(found: Sequence[Pair]) -> Paired:
    """Equation (2) of stages, after the rule about disturbed pairs."""
    quiet = [pair for pair in found if pair.quiet]
    enough = len(quiet) >= LEAST_SHARE * len(found) and len({pair.trial for pair in quiet}) >= LEAST_TRIALS
    return _of_quiet(found) if _mostly_quiet(found) or enough else _of_all(found)


def _mostly_quiet(found: Sequence[Pair]) -> bool:
    return 2 * sum(pair.quiet for pair in found) >= len(found)


def _of_quiet(found: Sequence[Pair]) -> Paired:
    if not found:
        return NOTHING
    logs = [(pair.trial, pair.wall) for pair in found if pair.quiet]
    return Paired(_medians(logs), "wall", False, len(logs), len(found) - len(logs), *_faults(found))


def _of_all(found: Sequence[Pair]) -> Paired:
    return Paired(_medians([(pair.trial, pair.wall) for pair in found]), "wall", True, len(found), 0, *_faults(found))


def _faults(found: Sequence[Pair]) -> tuple[tuple[float, ...], tuple[str, ...]]:
    lost = tuple(pair.lost for pair in found if pair.lost > LOST_SHARE_LIMIT)
    return lost, tuple(pair.disturbed[0] for pair in found if pair.disturbed and pair.lost <= LOST_SHARE_LIMIT)


def _medians(logs: Sequence[tuple[int, float]]) -> dict[int, float]:
    by_trial: dict[int, list[float]] = {}
    for trial, value in logs:
        by_trial.setdefault(trial, []).append(value)
    return {trial: float(np.median(values)) for trial, values in sorted(by_trial.items())}
