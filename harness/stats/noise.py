"""How quiet the machine was: control, canary, order.

A part is stable unless one of these holds. The first two leave the size of its noise unknown, and verdicts are withheld
for them; a known floor above the margin is what a change must then clear:

    - no control, or too few trials for an interval of it;
    - the canary moved: the interval of its last over its first reading within a block lies wholly beyond the margin,
      so the machine's speed drifted inside the blocks, in one direction, during the very comparisons;
    - the noise floor (`margin.floor` of the control, or of several: `pooled`) is above the margin.

Each arm by its own control: the floor of the whole calls says nothing about a stage of the staged arm, which has one of
its own; the canary speaks for all.

A canary that differs *between* trials must not withhold anything: every ratio is formed inside a block of one trial,
so a trial that ran on a slower clock slows both arms and cancels. On a shared machine it nearly always differs, and a
rule that withheld for it would reject the very runs that pairing makes sound. It is printed as a spread.

Several controls of one baseline are copies of it and of one another. Each pair of the K + 1 equals has a mean d and a
half-width h of its interval over trials, in logarithms; they are told as one interval

    (1)  c -+ h,  c = +- sqrt(mean d^2),  h = sqrt(mean h^2), over all pairs, with the sign of the controls' mean d

so that its end, the floor, is what one pair of equals shows, estimated from K (K + 1) / 2 of them: never what their
average would show, which more controls could make as small as one likes. One control is itself.

Order effect: the time of the later over the earlier of two equal calls, control and baseline. Half the difference
between the median log ratio of the control in blocks where it ran after the baseline, and where it ran before it;
mirrored blocks hold both, and a difference of the two cells themselves cancels. Where the baseline comes back within a
block, equation (1) of `pairing` compares the control with the baselines on both its sides, and it is later than one
and earlier than the other: such blocks tell no order effect.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from harness.records import Block, Interval
from harness.stats import margin as margins
from harness.stats.interval import exponentiated, half_width, ratio_interval
from harness.stats.pairing import Pair, pair_in, paired, samples_of

CANARY = ("canary", "canary")


def pooled(controls: Sequence[Mapping[int, float]]) -> Interval:
    """Equation (1) as a ratio. `controls`: trial -> log ratio to the baseline they share, one mapping for each."""
    between = [
        [one[trial] - other[trial] for trial in sorted(one.keys() & other.keys())]
        for one, other in itertools.combinations(controls, 2)
    ]
    alone = [list(one.values()) for one in controls]
    pairs = [*alone, *(logs for logs in between if len(logs) > 1)]
    centre = math.sqrt(float(np.mean([np.mean(logs) ** 2 for logs in pairs])))
    half = math.sqrt(float(np.mean([half_width(logs) ** 2 for logs in pairs])))
    centre = math.copysign(centre, float(np.mean([np.mean(logs) for logs in alone])))
    n = min(len(logs) for logs in alone)
    return exponentiated(Interval(point=centre, low=centre - half, high=centre + half, n=n))


def canary_drift(blocks: Iterable[Block], *, one_thread: bool) -> Interval | None:
    """Last over first reading of a block, over trials."""
    found = []
    for block in blocks:
        readings = samples_of(block, CANARY)
        if len(readings) < 2:
            continue
        first, last = readings[0], readings[-1]
        cpu = math.log(last.cpu_s / first.cpu_s) if first.cpu_s and last.cpu_s else None
        lost = max(first.lost_share or 0.0, last.lost_share or 0.0)
        disturbed = tuple(sample.disturbed for sample in (first, last) if sample.disturbed)
        found.append(Pair(block.trial, math.log(last.time_s / first.time_s), cpu, lost, disturbed))
    drift = paired(found, one_thread=one_thread)
    return ratio_interval(drift.logs) if drift.trials else None


def canary_spread(blocks: Iterable[Block]) -> float | None:
    """Largest over smallest trial median, less one."""
    by_trial: dict[int, list[float]] = {}
    for block in blocks:
        by_trial.setdefault(block.trial, []).extend(sample.time_s for sample in samples_of(block, CANARY))
    medians = [float(np.median(times)) for times in by_trial.values() if times]
    return max(medians) / min(medians) - 1 if medians else None


def order_effect(blocks: Iterable[Block], control: str, baseline: str) -> Interval | None:
    """Later over earlier, over trials; None where a block holds the baseline more than once."""
    later: dict[int, list[float]] = {}
    earlier: dict[int, list[float]] = {}
    for block in blocks:
        pair = pair_in(block, (control, "bare"), (baseline, "bare"))
        if len(samples_of(block, (baseline, "bare"))) > 1:
            return None
        if pair is None or not pair.quiet:
            continue
        after = _place(block, control) > _place(block, baseline)
        (later if after else earlier).setdefault(block.trial, []).append(pair.wall)
    both = sorted(set(later) & set(earlier))
    if not both:
        return None
    return ratio_interval([float(np.median(later[trial]) - np.median(earlier[trial])) / 2 for trial in both])


def unstable_because(
    control: Interval | None, canary: Interval | None, *, margin: float, trials: int
) -> tuple[str, ...]:
    """What makes the host unstable or noisy; empty where nothing does."""
    reasons = list(unknown_because(control, canary, margin=margin, trials=trials))
    if control is not None and control.n >= 2 and margins.floor(control) > margin:
        reasons.append(f"noise floor {margins.floor(control):.1%} is above the margin of {margin:.1%}")
    return tuple(reasons)


def unknown_because(
    control: Interval | None, canary: Interval | None, *, margin: float, trials: int, of: str = ""
) -> tuple[str, ...]:
    """Why the floor does not bound what noise did to this run; empty where it does. A high floor is a known one. `of`:
    whose control it is, where not the whole call's (` of stage encoder`)."""
    reasons = []
    if trials < 2:
        reasons.append(f"too few trials: {trials}, an interval needs 2")
    if control is None:
        reasons.append(f"no control{of} was measured, so nothing says how noisy this run was")
    elif control.n < 2:
        reasons.append(f"the control{of} has one usable trial only")
    if canary is not None and canary.n >= 2 and margins.call(canary, margin) in ("faster", "slower"):
        reasons.append(f"the canary moved by {canary.point - 1:+.1%} within blocks")
    return tuple(reasons)


def _place(block: Block, cell: str) -> float:
    places: Sequence[int] = [sample.position for sample in samples_of(block, (cell, "bare"))]
    return float(np.mean(places))
