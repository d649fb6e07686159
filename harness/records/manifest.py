"""Where a run happened and what its runner did."""

from __future__ import annotations

from typing import Literal

from harness.records.base import Record, Value
from harness.records.lines import Outcome, ProcessKind
from harness.records.plan import Plan


class Device(Record):
    """The device a run was measured on, where that is not the host."""

    kind: str
    """`cuda` or `xpu`."""
    name: str
    driver: str
    memory_bytes: int
    id: str
    """What tells it from another one of its kind."""
    settings: dict[str, Value]
    """What the harness fixed, and read back: TF32, cudnn's benchmark mode."""


class Environment(Record):
    platform: str
    machine: str
    cpu: str
    cores: int
    memory_bytes: int
    python: str
    versions: dict[str, str]
    machine_id: str
    """Digest of cpu model, core count, memory, host name and devices; equal on the same machine."""
    revision: str | None
    dirty: bool | None
    code_sha256: str
    load_average: float | None
    lost_share_source: str
    """`schedstat`, `wall minus cpu (one thread)` or `none`."""
    missing: tuple[str, ...] = ()
    """Facilities of the kernel or device that are not there, in words."""
    devices: tuple[Device, ...] = ()
    """Those this run was measured on, beside the host."""
    not_run: dict[str, str] = {}
    """Device -> why nothing of this run speaks of it: `untested, no such device on this machine`."""
    governor: str = ""
    """Frequency governors of the processors; empty where none can be read."""


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
    wall_s: float | None = None
    """From its start to its end, as the runner saw it; None where the runner did not live to see the end."""


PRECISIONS = {"float32": ("float32", "complex64"), "float64": ("float64", "complex128")}
"""A cell's dtype -> what its stages may compute in: real and complex."""


class Ceiling(Record):
    """What this machine was measured to do at best under one set of process conditions."""

    device: str
    threads: int
    allocator: str
    dtype: str
    """`float32`, `float64`, `complex64`, `complex128`."""
    copy_bytes_per_s: float
    """Bytes read plus bytes written."""
    gemm_flops_per_s: float
    """Real FLOPs: a complex product counts 8 per multiply-add."""
    measured: str
    """When."""
    spread: float
    """Relative, between repetitions."""
    lost_share: float | None = None
    """Of the pass that others disturbed least; None on a device."""
    cache_bytes: int | None = None
    """Of the last-level caches together: data that stay in them never cross memory."""
    torch: str = ""
    """Version: another one may bring another library of products."""


class Ceilings(Record):
    """`results/ceilings.json`: what was measured of each machine that has used this folder."""

    machines: dict[str, tuple[Ceiling, ...]] = {}
    """`Environment.machine_id` -> its ceilings, one for each set of conditions."""


class CalibratedContrast(Record):
    """A cell against a copy of itself."""

    cell: str
    name: str
    stage: str = ""
    direction: Literal["forward", "backward"] = "forward"
    floor: float
    detectable: float | None
    kept_share: float
    alarmed: bool
    """Called faster or slower, though nothing differs."""
    part: str = ""
    trials: int = 0
    spread: float | None = None
    """Standard deviation of the logarithm of its ratio from trial to trial."""


class CalibratedStage(Record):
    """All cells of a part together: a stage, or the whole call."""

    part: str
    stage: str = ""
    direction: Literal["forward", "backward"] = "forward"
    contrasts: int
    false_alarms: int
    floor_median: float
    floor_worst: float
    worst_cell: str
    """Name of the cell with the highest floor."""
    detectable_median: float | None
    detectable_worst: float | None
    kept_share: float
    """Median over cells."""


class Calibration(Record):
    """What a suite's own cells look like on this machine when nothing differs (A/A)."""

    run: str
    suite: str
    suite_sha256: str
    machine_id: str
    code_sha256: str
    preset: str
    made: str
    margin: float
    contrasts: tuple[CalibratedContrast, ...]
    false_alarms: int
    order_effect: float | None
    """Time of the later over the earlier of two equal calls, median over cells."""
    stages: tuple[CalibratedStage, ...] = ()


class Calibrations(Record):
    """`results/calibrations/<suite>.json`."""

    machines: dict[str, Calibration] = {}
    """`Environment.machine_id` -> its newest."""


class FollowUp(Record):
    """What a run decided to do once more after its trials."""

    process: Literal["confirm", "recheck"]
    part: str
    cells: tuple[str, ...]
    """`confirm`: the cell and its baseline; `recheck`: all of the process."""
    trials: int


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
    probe_docs: dict[str, dict[str, str]] = {}
    """system -> probe -> what it reads."""
    ceilings: tuple[Ceiling, ...] = ()
    calibration: Calibration | None = None
    """Of this suite on this machine, as it was when the run began."""
    calibration_words: str = ""
    """What it says, or why there is none that counts, and the command that makes one."""
    follow_ups: tuple[FollowUp, ...] | None = None
    """None until the trials are through."""
    facts: dict[str, dict[str, Value]] = {}
    """part -> facts of its batch (dataset id, distinct tokens)."""
