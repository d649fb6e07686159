"""A cell and its baseline alone in adjacent fresh processes, held against what they showed inside trials.

Input: blocks of one sample each, numbered by the pair of processes they come from; log ratios d_1..d_n of the trials.

    (1)  f_k = log median t(cell) - log median t(baseline) over the quiet samples of the two processes of pair k
    (2)  D = mean f - mean d,  with Welch's interval (`welch`)
    (3)  cross-talk: (2) lies wholly beyond log(1 + bar) on either side, the bar being the larger of margin and floor;
         confirmed:  not so, and the t interval of f is itself called faster;  too noisy: neither

Where under half of the samples of any process are quiet, process CPU time of all samples is read instead if there is
one thread, as inside trials; otherwise all samples by the wall, and (3) can only be cross-talk or too noisy.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness.records import Block, Interval, Sample
from harness.stats.margin import called
from harness.stats.welch import difference

Word = Literal["confirmed", "cross-talk", "too noisy"]


@dataclass(frozen=True)
class Adjacent:
    logs: tuple[float, ...]
    """One per pair."""
    degraded: bool


def adjacent(blocks: Iterable[Block], cell: str, against: str, *, one_thread: bool) -> Adjacent:
    """Equation (1), over the pairs that hold both."""
    found: dict[tuple[int, str], list[Sample]] = {}
    for block in blocks:
        for sample in block.samples:
            if sample.arm == "bare" and sample.cell in (cell, against) and sample.time_s > 0:
                found.setdefault((block.trial, sample.cell), []).append(sample)
    pairs = sorted(pair for pair, name in found if name == cell and (pair, against) in found)
    processes = [found[pair, name] for pair in pairs for name in (cell, against)]
    quiet = [[sample.time_s for sample in samples if sample.quiet] for samples in processes]
    cpu = [[sample.cpu_s or 0.0 for sample in samples] for samples in processes]
    degraded = False
    if all(2 * len(kept) >= len(samples) for kept, samples in zip(quiet, processes, strict=True)):
        times = quiet
    elif one_thread and all(min(seconds) > 0 for seconds in cpu):
        times = cpu
    else:
        times, degraded = [[sample.time_s for sample in samples] for samples in processes], True
    medians = [math.log(float(np.median(seconds))) for seconds in times]
    return Adjacent(tuple(ours - theirs for ours, theirs in zip(medians[::2], medians[1::2], strict=True)), degraded)


def word(found: Adjacent, inside: Sequence[float], bar: float) -> Word:
    """Equation (3)."""
    apart, bound = difference(found.logs, inside), math.log1p(bar)
    if apart.low > bound or apart.high < -bound:
        return "cross-talk"
    return "confirmed" if called(found.logs, bar) == "faster" and not found.degraded else "too noisy"


def within(apart: Interval) -> float:
    """How far apart the two may be: the larger end of (2), as a relative change."""
    return math.expm1(max(abs(apart.low), abs(apart.high)))
