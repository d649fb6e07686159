"""Where a run happened and what its runner did."""

from __future__ import annotations

from typing import Literal

from harness.records.base import Record, Value
from harness.records.lines import Outcome, ProcessKind
from harness.records.plan import Plan


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
    ceilings: tuple[Ceiling, ...] = ()
    calibration: Calibration | None = None
    """Of this suite on this machine, as it was when the run began."""
    follow_ups: tuple[FollowUp, ...] | None = None
    """None until the trials are through."""
    facts: dict[str, dict[str, Value]] = {}
    """part -> facts of its batch (dataset id, distinct tokens)."""
