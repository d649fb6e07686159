"""Every record that lies on disk: frozen, validated when read, one schema each.

Units: seconds (`*_s`), bytes (`*_bytes`), shares and relative errors as plain fractions. Conversion happens only in
`report/`. A trial file (`trials/NNN.jsonl`) is a sequence of the records with a `kind`, one JSON object a line, in
the order: Start, then WarmUp, ProbeReading, Sameness, Memory, Outcome, Block in any order, then End.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

Value = int | float | str | bool


class Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


class Interval(Record):
    """A point with its 95 % t interval over n trials."""

    point: float
    low: float
    high: float
    n: int


# ---- plan


class Cell(Record):
    """variant x conditions. `conditions` is complete (size resolved, defaults filled in)."""

    id: str
    part: str
    name: str
    variant: dict[str, str]
    conditions: dict[str, Value]
    baseline: str
    """Id of the cell this one is compared with: the baseline variant under the same conditions (maybe itself)."""
    control: bool = False
    """A second copy of the baseline (A/A)."""
    merged: tuple[str, ...] = ()
    """Names of planned cells that are this very cell because a switch does not apply in them."""
    merged_variants: tuple[dict[str, str], ...] = ()
    """Their variants as they were planned."""
    expect: str | None = None
    """Outcome the suite expects (`out_of_memory`, ...): that outcome is then no failure."""


class Group(Record):
    """Cells that are resident in one process together. Each holds the baselines of its cells."""

    part: str
    index: int
    cells: tuple[str, ...]


class Part(Record):
    name: str
    system: str
    """Entry-point name or `module:OBJECT`."""
    mode: str
    size: str | None
    design: str
    factors: dict[str, tuple[str, ...]]
    """Varied switches -> levels, the baseline's level first."""
    varied_conditions: dict[str, tuple[Value, ...]]
    cells: tuple[Cell, ...]
    groups: tuple[Group, ...]
    blocks: int
    stages: tuple[str, ...]
    """Stages to be timed in an instrumented arm; empty: none."""
    memory: bool
    timeout_s: float
    notes: tuple[str, ...] = ()
    """What the plan must say: merged cells, groups."""
    estimated_bytes: float
    estimated_flops: float
    """Of one pass over all cells."""


class Plan(Record):
    suite: str
    title: str
    suite_file: str
    suite_sha256: str
    preset: str
    trials: int
    margin: float
    seed: int
    max_minutes: float | None
    parts: tuple[Part, ...]
    claims: tuple[str, ...]
    """Globs over claim ids."""
    only: tuple[str, ...] = ()
    """Cells the user restricted the run to; claims about others are untested."""


# ---- where it ran


class Environment(Record):
    platform: str
    machine: str
    cpu: str
    cores: int
    memory_bytes: int
    python: str
    versions: dict[str, str]
    machine_id: str
    """Digest of cpu model, core count, memory and host name; equal on the same machine."""
    revision: str | None
    dirty: bool | None
    code_sha256: str
    load_average: float | None
    lost_share_source: str
    """`schedstat`, `wall minus cpu (one thread)` or `none`."""
    missing: tuple[str, ...] = ()
    """Facilities of the kernel or device that are not there, in words."""


# ---- lines of a trial file

ProcessKind = Literal["prepare", "trial", "sameness", "memory"]


class Start(Record):
    kind: Literal["start"] = "start"
    process: ProcessKind
    part: str
    group: int
    trial: int
    attempt: int
    cells: tuple[str, ...]
    pid: int
    started: str
    threads: int
    allocator: str
    load_average: float | None
    facts: dict[str, Value] = {}


class WarmUp(Record):
    kind: Literal["warm_up"] = "warm_up"
    cell: str
    first_call_s: float
    calls: int
    steady: bool
    repeat: int
    """Calls per sample (1 unless a call takes under a millisecond)."""
    typical_s: float


class ProbeReading(Record):
    kind: Literal["probe"] = "probe"
    cell: str
    values: dict[str, float | str]


class Sameness(Record):
    """Outputs and gradients against the float64 oracle. Relative 2-norm errors."""

    kind: Literal["sameness"] = "sameness"
    cell: str
    error: float
    tolerance: float
    gradient_error: float | None
    gradient_tolerance: float | None
    at: str
    """`suite size`, or the name of the largest size that could be afforded."""
    output_digest: str
    parameter_digest: str
    parameters: int


class Memory(Record):
    kind: Literal["memory"] = "memory"
    cell: str
    before_bytes: int
    """Resident size with model and batch built, before the first call."""
    peak_bytes: int


OutcomeWord = Literal["crashed", "timed_out", "out_of_memory", "not_finite", "failed"]


class Outcome(Record):
    """A cell that did not give numbers, and why. `failed`: it raised an exception."""

    kind: Literal["outcome"] = "outcome"
    cell: str
    outcome: OutcomeWord
    detail: str
    during: str = ""


class Sample(Record):
    cell: str
    """Cell id, or `canary`."""
    arm: Literal["bare", "staged", "canary"]
    position: int
    """Place in the block's order."""
    time_s: float
    """Wall time on the device's clock, one call (already divided by `repeat`)."""
    cpu_s: float | None
    lost_share: float | None
    repeat: int = 1
    stages: dict[str, float] | None = None
    """`encoder` -> s; in a training mode also `encoder.backward`; staged arm only."""
    marks: int = 0


class Block(Record):
    kind: Literal["block"] = "block"
    part: str
    group: int
    trial: int
    block: int
    samples: tuple[Sample, ...]


class MarkCost(Record):
    kind: Literal["mark_cost"] = "mark_cost"
    mark_s: float
    """Cost of one mark of the clock, measured in this process."""


class End(Record):
    kind: Literal["end"] = "end"
    wall_s: float
    import_s: float
    sampled_s: float
    """Inside timed samples and warm-up."""


Line = Annotated[
    Start | WarmUp | ProbeReading | Sameness | Memory | Outcome | Block | MarkCost | End, Field(discriminator="kind")
]
LINE: TypeAdapter[Line] = TypeAdapter(Line)


# ---- manifest


class Process(Record):
    """One worker process the runner started. Its lines are in `trials/{number:03d}.jsonl`."""

    number: int
    process: ProcessKind
    part: str
    group: int
    trial: int
    attempt: int
    cells: tuple[str, ...]
    state: Literal["running", "done", "abandoned"]
    reason: str = ""
    """Why it was abandoned: `process ended`, `cell X timed out after 120 s`, ..."""


class Manifest(Record):
    run: str
    state: Literal["running", "finished"]
    started: str
    finished: str | None = None
    wall_s: float | None = None
    """Time spent by the runner itself, summed over resumptions."""
    plan: Plan
    suite_text: str
    claims_text: dict[str, str]
    """Ledger file name -> text, as it was when the run was made: the report needs nothing but the run."""
    environment: Environment
    processes: tuple[Process, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    """Cells that failed; they are left out of later trials."""
    stopped_early: str | None = None
    """`time budget`: fewer trials than planned."""
    command: str
    switch_kinds: dict[str, dict[str, str]] = {}
    """system -> switch -> exact | approximate | different."""
    probes: dict[str, dict[str, str]] = {}
    """system -> probe -> unit, for the report."""
    facts: dict[str, dict[str, Value]] = {}
    """part -> facts of its batch (dataset id, distinct tokens)."""


# ---- analysis


class StageTime(Record):
    stage: str
    direction: Literal["forward", "backward"]
    time_s: Interval
    share: Interval
    """Of the sum of all stages, both directions."""


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
    warm_up_calls: int | None = None
    repeat: int | None = None
    peak_bytes: int | None = None
    before_bytes: int | None = None
    probes: dict[str, float | str] = {}
    error: float | None = None
    tolerance: float | None = None
    gradient_error: float | None = None
    gradient_tolerance: float | None = None
    sameness_at: str | None = None
    sameness: Literal["holds", "broken", "not checked"] = "not checked"
    stages: tuple[StageTime, ...] = ()
    stage_shares: dict[str, tuple[float, ...]] = {}
    """Stage -> share of all stages, both directions together, one per trial."""
    closure: Interval | None = None
    """1 - sum of stages / end to end, of the staged arm."""
    probe_cost: float | None = None
    """Marks x cost of a mark / end to end."""
    staged_over_bare: Interval | None = None
    notes: tuple[str, ...] = ()


class Contrast(Record):
    part: str
    cell: str
    baseline: str
    changes: dict[str, tuple[str, str]]
    """switch -> (baseline's level, this cell's level)."""
    ratio: Interval | None
    """time(cell) / time(baseline); below 1 is faster."""
    trials: tuple[float, ...]
    """One ratio per trial."""
    trial_numbers: tuple[int, ...] = ()
    """Which trials these are."""
    verdict: Literal["faster", "slower", "same", "inconclusive", "invalid", "withheld", "not measured"]
    reason: str = ""
    clock: Literal["wall", "cpu", "none"] = "wall"
    degraded: bool = False
    kept_blocks: int = 0
    excluded_blocks: int = 0
    n_to_settle: int | None = None
    detectable: float | None = None
    """Smallest |relative change| this contrast could have called at its n and spread."""


class Effect(Record):
    """Main effect (one factor) or two-way interaction, as a time ratio high level / low level."""

    part: str
    conditions: dict[str, Value]
    factors: tuple[str, ...]
    levels: tuple[tuple[str, str], ...]
    ratio: Interval


class ShapleyShare(Record):
    """What a factor contributed to the total log speed-up from the all-low to the all-high cell; adds up exactly."""

    part: str
    conditions: dict[str, Value]
    factor: str
    ratio: Interval
    fraction: Interval
    """Of the total log ratio."""


class Exclusion(Record):
    reason: str
    count: int


class PartAnalysis(Record):
    part: str
    stable: bool
    reasons: tuple[str, ...]
    """Why not stable."""
    control: Interval | None
    """A/A ratio."""
    floor: float | None
    """Larger absolute end of the control's interval, as |ratio - 1|."""
    canary: Interval | None
    """Second canary reading of a block over the first."""
    canary_spread: float | None
    """Relative spread (max / min - 1) of the canary between trials: how much the machine's speed moved."""
    detectable: float | None
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
    effects: tuple[Effect, ...]
    shapley: tuple[ShapleyShare, ...]
    dead_switches: tuple[str, ...]
    notes: tuple[str, ...]


ClaimWord = Literal["supported", "refuted", "qualified", "inconclusive", "invalid", "untested"]


class ClaimVerdict(Record):
    id: str
    document: str
    section: str
    line: int
    statement: str
    headline: bool
    relation: Literal["at_least", "at_most", "about"]
    stated: float
    tolerance: float
    unit: str
    """`%`, `iterations`, ...: stated, measured and defended are in this unit."""
    verdict: ClaimWord
    measured: Interval | None
    defended: float | None
    """Strongest value the data would support: the end of the interval nearest to the claim."""
    scope: str
    """Under which conditions it was judged, in words."""
    holds_where: tuple[str, ...] = ()
    """For `qualified`: the parts of the scope in which it holds."""
    reason: str
    part: str | None = None
    cell: str | None = None
    stage: str | None = None
    """Stage of that cell whose share of the sum of all stages the claim states."""
    trials: tuple[float, ...] = ()
    """One reading per trial, in `unit`."""
    beside: tuple[str, ...] = ()
    """Sentences of context: the factorial's main effect, the same claim in another mode."""
    command: str
    """What repeats (or would test) it."""


class Analysis(Record):
    run: str
    suite: str
    parts: tuple[PartAnalysis, ...]
    claims: tuple[ClaimVerdict, ...]
    trials_done: int
    trials_planned: int
    abandoned: tuple[str, ...]
    harness_share: float | None
    """Wall time of the trials' workers outside imports, warm-up and samples, over all their wall time."""
