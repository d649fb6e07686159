"""From blocks to one number per trial: paired, with disturbed pairs left out.

A block holds samples of one trial, each with a place in the block's order. For an arm A (cell, kind of call) against
an arm B of the same block:

    (1)  d = mean over A's samples of [ log t_A - mean log t_B of the B samples that bracket it ]
    (2)  trial value = median of d over the kept blocks of the trial

"Bracket": the last B before and the first B after A in the order; at an edge there is only one. A block that holds B
once is the simple case. Times in seconds, lost shares as fractions of wall x threads.

A pair is kept while no sample in it lost more than 2 % of its time. Where under half of all pairs survive, the
remedy is process CPU time, over all pairs, if the process ran one thread (a spinning pool makes CPU time
meaningless); else all pairs by the wall, called degraded. Nothing is deleted: what was left out is returned.
Sources: Kalibera and Jones 2013; Bulej et al. 2020 (duet benchmarking).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from harness.records import LOST_SHARE_LIMIT, Block, Sample

Arm = tuple[str, str]
"""Cell id and kind of call: (`3f2a`, `bare`)."""


@dataclass(frozen=True)
class Pair:
    """One block's comparison. `wall` and `cpu` are differences of logarithms, `lost` the worst of its samples."""

    trial: int
    wall: float
    cpu: float | None
    lost: float


@dataclass(frozen=True)
class Paired:
    """Trial number -> log ratio, and how it was come by."""

    trials: Mapping[int, float]
    clock: Literal["wall", "cpu", "none"]
    degraded: bool
    kept: int
    excluded: int
    lost: tuple[float, ...] = field(default=())
    """Worst lost share of each disturbed pair, left out or not."""

    @property
    def logs(self) -> tuple[float, ...]:
        return tuple(self.trials.values())


def pairs(blocks: Iterable[Block], arm: Arm, against: Arm) -> list[Pair]:
    """Equation (1) for every block that holds both arms."""
    found = []
    for block in blocks:
        pair = pair_in(block, arm, against)
        if pair is not None:
            found.append(pair)
    return found


def pair_in(block: Block, arm: Arm, against: Arm) -> Pair | None:
    ours, theirs = samples_of(block, arm), samples_of(block, against)
    if not ours or not theirs:
        return None
    walls, cpus = [], []
    used: list[Sample] = []
    for sample in ours:
        around = bracket(theirs, sample.position)
        used += [sample, *around]
        walls.append(math.log(sample.time_s) - float(np.mean([math.log(other.time_s) for other in around])))
        seconds = [float(other.cpu_s or 0.0) for other in (sample, *around)]
        if min(seconds) > 0:
            cpus.append(math.log(seconds[0]) - float(np.mean([math.log(value) for value in seconds[1:]])))
    return Pair(
        trial=block.trial,
        wall=float(np.mean(walls)),
        cpu=float(np.mean(cpus)) if len(cpus) == len(ours) else None,
        lost=max(sample.lost_share or 0.0 for sample in used),
    )


def samples_of(block: Block, arm: Arm) -> list[Sample]:
    """Samples of an arm in the block's order. A time of zero is below the clock and cannot be compared."""
    found = [s for s in block.samples if (s.cell, s.arm) == arm and s.time_s > 0]
    return sorted(found, key=lambda sample: sample.position)


def bracket(samples: Sequence[Sample], position: int) -> list[Sample]:
    """The last sample before and the first after `position`; one at an edge. `samples` are in order."""
    before = [sample for sample in samples if sample.position <= position][-1:]
    after = [sample for sample in samples if sample.position > position][:1]
    return before + after


def paired(found: Sequence[Pair], *, one_thread: bool) -> Paired:
    """Equation (2), after the rule about disturbed pairs."""
    quiet = [pair for pair in found if pair.lost <= LOST_SHARE_LIMIT]
    lost = tuple(pair.lost for pair in found if pair.lost > LOST_SHARE_LIMIT)
    if not found:
        return Paired({}, "none", False, 0, 0)
    if 2 * len(quiet) >= len(found):
        logs = [(pair.trial, pair.wall) for pair in quiet]
        return Paired(_medians(logs), "wall", False, len(quiet), len(found) - len(quiet), lost)
    cpu = [(pair.trial, pair.cpu) for pair in found if pair.cpu is not None]
    if one_thread and len(cpu) == len(found):
        return Paired(_medians(cpu), "cpu", False, len(found), 0, lost)
    return Paired(_medians([(pair.trial, pair.wall) for pair in found]), "wall", True, len(found), 0, lost)


def _medians(logs: Sequence[tuple[int, float]]) -> dict[int, float]:
    by_trial: dict[int, list[float]] = {}
    for trial, value in logs:
        by_trial.setdefault(trial, []).append(value)
    return {trial: float(np.median(values)) for trial, values in sorted(by_trial.items())}
