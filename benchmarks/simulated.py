"""Suites whose truth is planted: their plans are real, the lines of their processes are drawn instead of measured.

With z the levels of a cell's k factors (0 low, 1 high), in trial t and block b, on the clock:

    (1)  log time = log base + sum a_i z_i + sum b_ij z_i z_j  +  speed_t + layout_(cell, t) + drift_(t, b) + noise

speed (10 %: how fast the machine was during this process) and drift (1 %) are common to all cells of a trial and of a
block; layout (0.5 %: where this process happened to place this cell) is what trials differ in besides; noise is one of
1 % per sample, and one sample in fifty is interrupted for up to a third of its time and says so in its lost share.

What the estimates are of, from (1) alone:

    (2)  main effect of i     a_i + 1/2 sum_j b_ij, which is its Shapley value too
    (3)  interaction of i, j  1/2 b_ij; of an alias chain their sum
    (4)  rung i of a ladder   a_i + sum of b_ij over the rungs j before;  without i, of all on   -(a_i + sum_j b_ij)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from harness.measure.order import block_order, families
from harness.plan import make_plan
from harness.records import (
    Block,
    Cell,
    End,
    Environment,
    Line,
    Manifest,
    Part,
    Plan,
    Process,
    ProcessKind,
    Sameness,
    Sample,
    Start,
)
from harness.suite import read_suite
from harness.system import Estimate, Switch

BASE_S, CANARY_S = 0.01, 0.001
SPEED, LAYOUT, DRIFT, NOISE = 0.1, 0.005, 0.01, 0.01
INTERRUPTED, LONGEST_LOSS = 0.02, 0.33
BLOCKS = 4
FACTORS = {"full": "abc", "fraction": "abcdef", "ladder": "abcd", "without": "abcd"}
DESIGNS = {
    "full": "full_factorial",
    "fraction": "fractional_factorial",
    "ladder": "ladder",
    "without": "leave_one_out",
}


@dataclass(frozen=True)
class Simulated:
    """A system for plans: six switches of two levels, never built."""

    name: str = "simulated"
    title: str = "planted effects"
    switches: Sequence[Switch] = tuple(Switch(name, ("low", "high"), "exact", "planted") for name in "abcdef")
    conditions: Sequence[Any] = ()
    sizes: Mapping[str, Any] = field(default_factory=dict)
    modes: Sequence[str] = ("forward",)
    devices: Sequence[str] = ("virtual",)
    variants: Mapping[str, Mapping[str, str]] = field(
        default_factory=lambda: {
            "status_quo": dict.fromkeys("abcdef", "low"),
            "all_on": dict.fromkeys("abcdef", "high"),
        }
    )
    stages: Mapping[str, str] = field(default_factory=dict)
    probes: Sequence[Any] = ()
    rounding: float = 1e-6
    gradient_slack: float = 1.0

    def estimate(self, *_: Any) -> Estimate:
        return Estimate(flops=1.0, parameter_bytes=1.0, activation_bytes=1.0)

    def build(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("a simulated system is not built")

    batch = run = read_probes = build


SYSTEM = Simulated()


@dataclass(frozen=True)
class Truth:
    """a and b of equation (1), by the names of factors; b by pairs in order."""

    a: Mapping[str, float]
    b: Mapping[tuple[str, str], float]

    def log(self, high: Sequence[str]) -> float:
        """Of the cell with these factors high, against the baseline."""
        return sum(self.a[i] for i in high) + sum(self.b[pair] for pair in combinations(sorted(high), 2))

    def between(self, one: str, other: str) -> float:
        return self.b[min(one, other), max(one, other)]

    def main(self, factor: str, factors: Sequence[str]) -> float:
        """Equation (2)."""
        return self.a[factor] + sum(self.between(factor, other) for other in factors if other != factor) / 2

    def chain(self, pairs: Sequence[tuple[str, ...]]) -> float:
        """Equation (3)."""
        return sum(self.between(*pair) for pair in pairs) / 2


def planted(generator: np.random.Generator) -> Truth:
    """Every switch saves 5 to 30 % alone; interactions of both signs, of 5 %."""
    names = FACTORS["fraction"]
    a = {name: float(np.log(generator.uniform(0.7, 0.95))) for name in names}
    b = {pair: float(generator.normal(0.0, 0.05)) for pair in combinations(names, 2)}
    return Truth(a, b)


def plan_of(folder: Path, preset: str) -> Plan:
    """One part for every design, made as `semh plan` makes it."""
    lines = ["suite: simulated", "title: Do the intervals hold what was planted?", "parts:"]
    for part, factors in FACTORS.items():
        levels = ", ".join(f"{name}: [low, high]" for name in factors)
        lines += [f"  {part}:", f"    system: {__name__}:SYSTEM", f"    design: {DESIGNS[part]}"]
        lines += [f"    factors: {{{levels}}}", f"    blocks: {BLOCKS}", "    memory: false"]
    file = folder / "simulated.yaml"
    file.write_text("\n".join(lines) + "\n")
    return make_plan(read_suite(file), preset=preset, available_bytes=1e12)


def run_of(plan: Plan, truth: Truth, generator: np.random.Generator) -> tuple[Manifest, dict[int, list[Line]]]:
    processes: list[Process] = []
    lines: dict[int, list[Line]] = {}
    for part in plan.parts:
        for kind, trial in (("sameness", 0), *(("trial", number) for number in range(1, plan.trials + 1))):
            number = len(processes) + 1
            processes.append(_process(part, kind, number, trial))
            lines[number] = _agreed(part) if kind == "sameness" else _trial(part, trial, plan.seed, truth, generator)
    manifest = Manifest(
        run="simulated",
        state="finished",
        started="",
        plan=plan,
        suite_text="",
        claims_text={},
        environment=ENVIRONMENT,
        processes=tuple(processes),
        command="",
    )
    return manifest, lines


def _process(part: Part, kind: ProcessKind, number: int, trial: int) -> Process:
    cells = tuple(cell.id for cell in part.cells)
    return Process(
        number=number, process=kind, part=part.name, group=0, trial=trial, attempt=1, cells=cells, state="done"
    )


def _agreed(part: Part) -> list[Line]:
    return [
        Sameness(
            cell=cell.id,
            error=0.0,
            tolerance=1e-6,
            gradient_error=None,
            gradient_tolerance=None,
            at="suite size",
            output_digest=cell.id,
            parameter_digest="",
            parameters=0,
        )
        for cell in part.cells
    ]


def _trial(part: Part, trial: int, seed: int, truth: Truth, generator: np.random.Generator) -> list[Line]:
    start = Start(
        process="trial",
        part=part.name,
        group=0,
        trial=trial,
        attempt=1,
        cells=tuple(cell.id for cell in part.cells),
        pid=1,
        started="",
        threads=1,
        allocator="default",
        load_average=None,
    )
    speed = generator.normal(0.0, SPEED)
    logs = {cell.id: speed + _log(cell, truth) + generator.normal(0.0, LAYOUT) for cell in part.cells}
    blocks: list[Line] = [_block(part, trial, number, seed, speed, logs, generator) for number in range(BLOCKS)]
    return [start, *blocks, End(wall_s=1.0, import_s=0.1, sampled_s=0.8)]


def _log(cell: Cell, truth: Truth) -> float:
    return truth.log([name for name, level in cell.variant.items() if level == "high"])


def _block(
    part: Part,
    trial: int,
    number: int,
    seed: int,
    speed: float,
    logs: Mapping[str, float],
    generator: np.random.Generator,
) -> Block:
    order = block_order(families(part.cells), staged=False, seed=(seed, trial), block=number, long=False)
    drift = generator.normal(0.0, DRIFT)
    noise = generator.normal(0.0, NOISE, len(order))
    interrupted = generator.random(len(order)) < INTERRUPTED
    lost = np.where(interrupted, generator.uniform(0.0, LONGEST_LOSS, len(order)), 0.0)
    samples = [_sample("canary", 0, CANARY_S * np.exp(speed + drift), 0.0)]
    for position, (cell, _) in enumerate(order, start=1):
        worked = BASE_S * np.exp(logs[cell] + drift + noise[position - 1])
        samples.append(_sample(cell, position, worked, lost[position - 1]))
    samples.append(_sample("canary", len(order) + 1, CANARY_S * np.exp(speed + drift), 0.0))
    return Block(part=part.name, group=0, trial=trial, block=number, samples=tuple(samples))


def _sample(cell: str, position: int, worked_s: float, lost: float) -> Sample:
    return Sample(
        cell=cell,
        arm="canary" if cell == "canary" else "bare",
        position=position,
        time_s=float(worked_s / (1 - lost)),
        cpu_s=float(worked_s),
        lost_share=float(lost),
    )


ENVIRONMENT = Environment(
    platform="",
    machine="",
    cpu="",
    cores=1,
    memory_bytes=1,
    python="",
    versions={},
    machine_id="",
    revision=None,
    dirty=None,
    code_sha256="",
    load_average=None,
    lost_share_source="schedstat",
)
