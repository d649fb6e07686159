"""What is to be run."""

from __future__ import annotations

from typing import Literal

from harness.records.base import Record, Value


class StageCost(Record):
    """`Cost` of a stage in one call, as the system's formulas gave it when the plan was made."""

    flops: float
    minimum_bytes: float
    backward_flops: float = 0.0
    backward_minimum_bytes: float = 0.0


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
    beyond: bool = False
    """Beyond what the suite puts on trial: measured in the same trials, judged apart, part of no effect, and of a claim
    only where it names the cell."""
    merged: tuple[str, ...] = ()
    """Names of planned cells that are this very cell because a switch does not apply in them."""
    merged_variants: tuple[dict[str, str], ...] = ()
    """Their variants as they were planned."""
    expect: str | None = None
    """Outcome the suite expects (`out_of_memory`, ...): that outcome is then no failure."""
    costs: dict[str, StageCost] = {}
    """Stage -> its cost; `""` is the whole call of a system without stages. Empty: the system states none."""


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
    given: tuple[str, ...] = ()
    """Conditions that the suite or the command line gave beside the size, varied ones too: always told."""
    cells: tuple[Cell, ...]
    groups: tuple[Group, ...]
    blocks: int
    stages: tuple[str, ...]
    """Stages to be timed in an instrumented arm; empty: none."""
    memory: bool
    times: bool = True
    """Whether it has trials; without them it has outputs, readings and memory."""
    timeout_s: float
    confirm: bool = True
    """Whether regressions and wins are measured once more after the trials."""
    reads: tuple[str, ...] = ()
    """Probes whose readings the part is about, in the order asked for."""
    map: str | None = None
    """Stage whose share is mapped over the cells of all parts that name it."""
    notes: tuple[str, ...] = ()
    """What the plan must say: merged cells, groups."""
    estimated_bytes: float
    estimated_flops: float
    """Of one pass over all cells."""


class Plan(Record):
    suite: str
    title: str
    suite_file: str
    """As `semh run` takes it: a suite that comes with the program by its name, any other by the path as given."""
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
    settings: dict[str, Value] = {}
    """Conditions given on the command line, threads too."""
    family: Literal["run", "part"] = "run"
    """Contrasts that are judged together (Benjamini-Hochberg): all of the run, or each part's by themselves."""
    purpose: Literal["measure", "calibrate"] = "measure"
    """`calibrate`: every cell has a twin (A/A), and no cell is compared with another."""
