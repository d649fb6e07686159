"""Lines of a trial file (`trials/NNN.jsonl`): one JSON object each, Start first, then any of the others, then End."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from harness.records.base import Record, Value

ProcessKind = Literal["prepare", "trial", "sameness", "memory", "confirm", "recheck", "trace"]
"""`confirm`: one cell alone in a fresh process; `recheck`: a trial of suspected cells only, once more; `trace`: one
cell under a profiler, in a run of its own."""


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
    """Resident size at rest: model and batch built, a first call done, which loads the libraries that load late."""
    peak_bytes: int


class StageBytes(Record):
    """Allocator bytes of one stage in one call."""

    peak_bytes: int
    """Most that was alive inside the stage, above what was alive when it began."""
    delta_bytes: int
    """Alive when it ended, less alive when it began: what it left behind."""
    saved_bytes: int | None = None
    """Kept for the backward pass, each storage counted once, parameters not at all; None in a mode without one."""


class StageMemory(Record):
    kind: Literal["stage_memory"] = "stage_memory"
    cell: str
    allocator_peak_bytes: int
    """Of the whole call, above what was alive before it."""
    gradient_bytes: int | None = None
    """Of the gradients that the call left at the parameters; None in runs that did not read them."""
    peak_gradient_bytes: int | None = None
    """Those of them that were there when the peak was reached; None where the allocator does not tell, and in runs that
    did not read it."""
    saved_bytes: int | None
    stages: dict[str, StageBytes]
    """`encoder`; in a training mode also `encoder.backward`."""
    unstaged: str = ""
    """Why there are no stages, though the system has some."""


class Counters(Record):
    """Numbers that repeat exactly: no interval, and gates compare them for equality."""

    kind: Literal["counters"] = "counters"
    cell: str
    values: dict[str, int | float]
    """`parameters`, `flops`, `minimum_bytes`, `operators`, ...; of a stage `encoder.flops`."""
    uncounted: str = ""
    """What could not be counted, and why."""


OutcomeWord = Literal["crashed", "timed_out", "out_of_memory", "not_finite", "failed", "untested"]


class Outcome(Record):
    """A cell that did not give numbers, and why. `failed`: it raised an exception. `untested`: it would not run here as
    it is named, and nothing was run in its place."""

    kind: Literal["outcome"] = "outcome"
    cell: str
    outcome: OutcomeWord
    detail: str
    during: str = ""
    again: bool = False
    """In a process that measured once more: what the trials said of the cell stands."""


LOST_SHARE_LIMIT = 0.02
"""A sample that lost more of its time than this is left out, with the figure as the reason."""


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
    """Of the host; None on a device, whose time the host's says nothing about."""
    clock_hz: float | None = None
    """Of the device's processors, read at the end while they are at work; None where none can be read."""
    disturbed: str = ""
    """Why the device did not run as it should (`throttled: power cap`); empty where nothing was seen."""
    repeat: int = 1
    stages: dict[str, float] | None = None
    """`encoder` -> s; in a training mode also `encoder.backward`; staged arm only."""
    marks: int = 0

    @property
    def quiet(self) -> bool:
        """Whether it may enter an estimate."""
        return (self.lost_share or 0.0) <= LOST_SHARE_LIMIT and not self.disturbed


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
    peak_bytes: int | None = None
    """Peak resident size of the process."""


Line = Annotated[
    Start | WarmUp | ProbeReading | Sameness | Memory | StageMemory | Counters | Outcome | Block | MarkCost | End,
    Field(discriminator="kind"),
]
LINE: TypeAdapter[Line] = TypeAdapter(Line)
