"""What the measurements say: the analysis of a run."""

from __future__ import annotations

from typing import Literal

from harness.records.base import Interval, Record, Value
from harness.records.claims import ClaimVerdict
from harness.records.growth import Growth
from harness.records.ratios import Passes, Speedup
from harness.records.readings import CellReading, ReadingMove
from harness.records.share_map import ShareMap

CLOSURE_GOAL = 0.03
PROBE_COST_GOAL = 0.01
"""What the stages of a cell should stay under: their closure either way, and what their marks cost."""


class StageTime(Record):
    stage: str
    direction: Literal["forward", "backward"]
    time_s: Interval
    share: Interval
    """Of the sum of all stages, both directions."""
    share_without_update: Interval | None = None
    """Of that sum without the optimiser's update; None where there is none, and for the update itself."""


class StageSize(Record):
    """Memory of a stage, from the allocator, in a process of its own."""

    stage: str
    direction: Literal["forward", "backward"]
    peak_bytes: int
    delta_bytes: int
    saved_bytes: int | None


class StageLimit(Record):
    """How far a stage is from what this machine could do at best."""

    stage: str
    """Empty: the whole call."""
    direction: Literal["forward", "backward"]
    floor_s: float
    """max(FLOPs / measured GEMM rate, minimum bytes / measured copy bandwidth)."""
    bound: Literal["arithmetic", "bandwidth"]
    over_floor: Interval | None
    """Measured time / floor; 1 cannot be beaten."""
    time_s: Interval | None = None
    """What was measured: of a stage in the staged arm, of the whole call bare."""
    fault: str = ""
    """Why the floor cannot be one: the measured time lies below it."""


class CellSummary(Record):
    cell: str
    part: str
    name: str
    outcome: str
    """`measured`, or an outcome word, or `not run`."""
    detail: str = ""
    time_s: Interval | None = None
    first_call_s: float | None = None
    steady: bool | None = None
    """In most trials: in one alone the machine may have been disturbed."""
    warm_up_calls: int | None = None
    repeat: int | None = None
    peak_bytes: int | None = None
    before_bytes: int | None = None
    """At rest: model and batch built, a first call done."""
    probes: dict[str, float | str] = {}
    error: float | None = None
    tolerance: float | None = None
    gradient_error: float | None = None
    gradient_tolerance: float | None = None
    sameness_at: str | None = None
    sameness: Literal["holds", "broken", "not checked"] = "not checked"
    stages: tuple[StageTime, ...] = ()
    stage_sizes: tuple[StageSize, ...] = ()
    limits: tuple[StageLimit, ...] = ()
    allocator_peak_bytes: int | None = None
    gradient_bytes: int | None = None
    """Of the parameters; made in the call."""
    peak_gradient_bytes: int | None = None
    """Those of them that the peak holds; None where that was not read."""
    saved_bytes: int | None = None
    counters: dict[str, int | float] = {}
    uncounted: tuple[str, ...] = ()
    """What of sizes and counters is not there, and why."""
    differing: tuple[str, ...] = ()
    """Sizes and counters of which two readings differed."""
    stage_shares: dict[str, tuple[float, ...]] = {}
    """Stage -> share of all stages, both directions together, one per trial."""
    closure: Interval | None = None
    """1 - sum of stages / end to end, of the staged arm."""
    probe_cost: float | None = None
    """Marks x cost of a mark / end to end."""
    staged_over_bare: Interval | None = None
    degraded: bool = False
    """Over half of its staged samples were disturbed: stages and shares are read from all of them."""
    notes: tuple[str, ...] = ()


ContrastWord = Literal["faster", "slower", "same", "inconclusive", "invalid", "withheld", "not measured"]


ConfirmationWord = Literal["confirmed", "recurred", "did not recur", "cross-talk", "too noisy", "not done"]


class Confirmation(Record):
    """The same comparison once more: `fresh`, each cell alone in adjacent processes, where a win must hold too if no
    cell disturbs another inside a trial; `again`, a second run of the trials, in which a regression must recur."""

    way: Literal["fresh", "again"]
    word: ConfirmationWord = "not done"
    ratio: Interval | None
    difference: Interval | None = None
    """Of `fresh`: this ratio over that of the trials."""
    agrees: bool
    reason: str = ""


class Contrast(Record):
    part: str
    cell: str
    baseline: str
    beyond: bool = False
    """Of a cell beyond what the suite puts on trial: those of a run, or of a part, are a family of their own."""
    changes: dict[str, tuple[str, str]]
    """switch -> (baseline's level, this cell's level)."""
    ratio: Interval | None
    """time(cell) / time(baseline); below 1 is faster."""
    trials: tuple[float, ...]
    """One ratio per trial."""
    trial_numbers: tuple[int, ...] = ()
    """Which trials these are."""
    verdict: ContrastWord
    reason: str = ""
    stage: str = ""
    """Empty: the whole call, bare. Else the time of this stage in the staged arm."""
    direction: Literal["forward", "backward"] = "forward"
    hodges_lehmann: float | None = None
    """Median of the pairwise averages of the trials' logarithms, as a ratio: beside the mean, robust to a stray."""
    stray: bool = False
    """It and the mean differ by more than a third of the interval's half-width: one trial moves the mean."""
    p_value: float | None = None
    """Two-sided, of a change no larger than the bar."""
    adjusted_p: float | None = None
    """After Benjamini-Hochberg over the run's family of contrasts; at most 0.05 is a discovery."""
    bar: float | None = None
    """What it had to clear to be called faster or slower: the larger of margin and floor."""
    floor: float | None = None
    """Noise floor of this very comparison: the control's, of the same stage."""
    confirmation: Confirmation | None = None
    clock: Literal["wall", "cpu", "none"] = "wall"
    degraded: bool = False
    kept_blocks: int = 0
    excluded_blocks: int = 0
    n_to_settle: int | None = None
    detectable: float | None = None
    """Smallest |relative change| that would be called with 80 % power at its n and spread, were it the only one in the
    family."""


class Effect(Record):
    """Main effect (one factor) or two-way interaction, as a time ratio high level / low level."""

    part: str
    conditions: dict[str, Value]
    factors: tuple[str, ...]
    levels: tuple[tuple[str, str], ...]
    ratio: Interval
    aliases: tuple[tuple[str, ...], ...] = ()
    """Interactions that the design cannot tell from this one: the ratio is the product of them all."""
    detectable: float | None = None
    """As of a contrast; of this effect alone, outside any family."""


class Step(Record):
    """What one change does on top of others: a rung of a ladder against the rung before, or everything on without one
    switch against everything on."""

    part: str
    conditions: dict[str, Value]
    way: Literal["ladder", "leave_one_out"]
    factor: str
    levels: tuple[str, str]
    """From, to: of a switch that is left out, from its last level back to the baseline's."""
    cell: str
    against: str
    ratio: Interval
    """time(cell) / time(against), through the baseline of both."""
    running: float
    """time(cell) / time(baseline): on a ladder the product of the steps so far."""
    detectable: float | None = None


class QuantilePoint(Record):
    factors: tuple[str, ...]
    """Of the effect; none at all where only interactions of three or more, or no switch, can be behind it."""
    aliases: tuple[tuple[str, ...], ...] = ()
    size: float
    """|log ratio|."""
    quantile: float
    stray: bool
    """Beyond Lenth's simultaneous margin of error."""


class HalfNormal(Record):
    """All effects of a two-level design in ascending order: those that are noise alone lie on a line."""

    part: str
    conditions: dict[str, Value]
    standard_error: float
    """Lenth's pseudo standard error of an effect, as a log ratio: the slope of the line."""
    margin: float
    """Lenth's simultaneous margin of error at 95 %."""
    points: tuple[QuantilePoint, ...]


class ShapleyShare(Record):
    """What a factor contributed to the total log speed-up from the all-low to the all-high cell; adds up exactly."""

    part: str
    conditions: dict[str, Value]
    factor: str
    ratio: Interval
    fraction: Interval
    """Of the total log ratio."""
    detectable: float | None = None
    """Of the ratio."""


class Exclusion(Record):
    reason: str
    count: int


class PartAnalysis(Record):
    part: str
    stable: bool
    reasons: tuple[str, ...]
    """Why not stable."""
    noise_known: bool = False
    """The floor bounds what noise did: a control with an interval, and a canary that stood still."""
    control: Interval | None
    """A/A ratio; pooled where a baseline has several controls."""
    floor: float | None
    """Larger absolute end of the control's interval, as |ratio - 1|."""
    share_floors: dict[str, float] = {}
    """Stage -> the same of its share of a call; without a stage whose control was not timed."""
    canary: Interval | None
    """Second canary reading of a block over the first."""
    canary_spread: float | None
    """Relative spread (max / min - 1) of the canary between trials: how much the machine's speed moved."""
    detectable: float | None
    """Of a contrast as noisy as the control."""
    family: int = 0
    """Contrasts of the run (or part) that were judged together: the more, the stronger each must be."""
    lost_share: float | None
    """Median over samples."""
    closure: float | None
    probe_cost: float | None
    order_effect: Interval | None
    """Time of the later over the earlier of two equal calls, from the control in mirrored blocks."""
    exclusions: tuple[Exclusion, ...]
    trials: int
    blocks: int
    """Recorded, all trials."""
    kept: int
    """Blocks none of whose pairs was disturbed."""
    cells: tuple[CellSummary, ...]
    contrasts: tuple[Contrast, ...]
    stage_contrasts: tuple[Contrast, ...] = ()
    effects: tuple[Effect, ...]
    shapley: tuple[ShapleyShare, ...]
    steps: tuple[Step, ...] = ()
    half_normals: tuple[HalfNormal, ...] = ()
    readings: tuple[CellReading, ...] = ()
    """Of the probes the part asks for."""
    reading_moves: tuple[ReadingMove, ...] = ()
    growths: tuple[Growth, ...] = ()
    passes: tuple[Passes, ...] = ()
    speedups: tuple[Speedup, ...] = ()
    dead_switches: tuple[str, ...]
    notes: tuple[str, ...]


class Analysis(Record):
    run: str
    suite: str
    parts: tuple[PartAnalysis, ...]
    claims: tuple[ClaimVerdict, ...]
    maps: tuple[ShareMap, ...] = ()
    trials_done: int
    trials_planned: int
    abandoned: tuple[str, ...]
    harness_share: float | None
    """Wall time of the trials' workers outside warm-up and samples, over all of it; imports aside in both."""
