"""Runs made of thin air: a manifest and the lines its workers would have written, with times that are planted."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np

from benchmarks.simulated import ENVIRONMENT
from harness.analysis import analyse_lines
from harness.records import (
    Analysis,
    Block,
    Cell,
    CellSummary,
    Contrast,
    End,
    Group,
    Line,
    Manifest,
    MarkCost,
    Memory,
    Outcome,
    Part,
    PartAnalysis,
    Plan,
    ProbeReading,
    Process,
    Sameness,
    Sample,
    Start,
    WarmUp,
)

BASE_S = 0.01


def sample(cell: str, time_s: float, position: int = 0, *, arm="bare", lost=0.0, cpu=None, **more) -> Sample:
    return Sample(cell=cell, arm=arm, position=position, time_s=time_s, cpu_s=cpu, lost_share=lost, **more)


def block(*samples: Sample, trial: int = 1, number: int = 0) -> Block:
    return Block(part="p", group=0, trial=trial, block=number, samples=samples)


def cell(name: str, variant: Mapping[str, str], *, baseline: str = "base", conditions=None, **more) -> Cell:
    ids = {"id": more.pop("id", name), "part": "p", "name": name, "baseline": baseline}
    return Cell(**ids, variant=dict(variant), conditions=conditions or {"threads": 1}, **more)


def factorial_cells(factors: Mapping[str, Sequence[str]]) -> list[Cell]:
    """Baseline `base` (first levels), every other combination named by its changes, and a control."""
    cells = []
    first = {name: levels[0] for name, levels in factors.items()}
    for levels in product(*factors.values()):
        variant = dict(zip(factors, levels, strict=True))
        changes = ", ".join(f"{n}={v}" for n, v in variant.items() if v != first[n])
        cells.append(cell(changes or "base", variant))
    return [*cells, cell("control", first, control=True)]


def beyond_cell() -> Cell:
    """Faster than anything on trial, with a level of its own."""
    return cell("native", {"matrix": "cached", "kernels": "native"}, beyond=True)


def with_beyond(cells: Sequence[Cell]) -> list[Cell]:
    """Before the control, as the plan has it."""
    return [*cells[:-1], beyond_cell(), cells[-1]]


@dataclass
class World:
    """What a fake machine and fake cells do; every field may be changed before `lines` is asked for."""

    cells: list[Cell]
    factors: dict[str, tuple[str, ...]] = field(default_factory=dict)
    times: Callable[[Cell], float] = lambda _: BASE_S
    preset: str = "quick"
    design: str = "full_factorial"
    trials: int = 6
    blocks: int = 4
    noise: float = 0.001
    speed: Callable[[int], float] = lambda trial: 1 + 0.3 * math.sin(trial)
    canary_drift: float = 1.0
    lost: Callable[[int, int, str], float] = lambda *_: 0.0
    staged_lost: Callable[[int, int, str], float] = lambda *_: 0.0
    threads: int = 1
    stages: Mapping[str, float] = field(default_factory=dict)
    """Stage -> share of the call."""
    stage_factors: Mapping[tuple[str, str], float] = field(default_factory=dict)
    """(Cell id, stage) -> what its time is multiplied with."""
    stage_noise: Mapping[str, float] = field(default_factory=dict)
    """Stage -> noise of its own."""
    broken: Sequence[str] = ()
    unchecked: Sequence[str] = ()
    digests: Mapping[str, str] = field(default_factory=dict)
    probes: Mapping[str, Mapping[str, float | str]] = field(default_factory=dict)
    outcomes: Sequence[Outcome] = ()
    abandoned: Sequence[int] = ()
    varied: Mapping[str, tuple] = field(default_factory=dict)
    only: tuple[str, ...] = ()
    suite: str = "fake"
    system: str = "fake_system"
    mode: str = "forward"
    claims: tuple[str, ...] = ()
    claims_text: Mapping[str, str] = field(default_factory=dict)
    purpose: str = "measure"

    @property
    def part(self) -> Part:
        return Part(
            name="p",
            system=self.system,
            mode=self.mode,
            size=None,
            design=self.design,
            factors=self.factors,
            varied_conditions=dict(self.varied),
            cells=tuple(self.cells),
            groups=(Group(part="p", index=0, cells=tuple(c.id for c in self.cells)),),
            blocks=self.blocks,
            stages=tuple(name for name in self.stages if not name.endswith(".backward")),
            memory=True,
            timeout_s=10,
            estimated_bytes=1,
            estimated_flops=1,
        )

    @property
    def plan(self) -> Plan:
        return Plan(
            suite=self.suite,
            title="t",
            suite_file=self.suite,
            suite_sha256="0" * 64,
            preset=self.preset,
            trials=self.trials,
            margin=0.02,
            seed=0,
            max_minutes=None,
            parts=(self.part,),
            claims=self.claims,
            only=self.only,
            purpose=self.purpose,
        )

    @property
    def manifest(self) -> Manifest:
        ids = tuple(c.id for c in self.cells)
        once = [
            Process(number=i, process=kind, part="p", group=0, trial=0, attempt=1, cells=ids, state="done")
            for i, kind in enumerate(("prepare", "sameness", "memory"))
        ]
        trials = [
            Process(
                number=2 + trial,
                process="trial",
                part="p",
                group=0,
                trial=trial,
                attempt=1,
                cells=ids,
                state="abandoned" if trial in self.abandoned else "done",
                reason="process ended" if trial in self.abandoned else "",
            )
            for trial in range(1, self.trials + 1)
        ]
        return Manifest(
            run="fake-run",
            state="finished",
            started="2026-01-01T00:00:00",
            plan=self.plan,
            suite_text="",
            claims_text=dict(self.claims_text),
            environment=ENVIRONMENT,
            processes=(*once, *trials),
            outcomes=tuple(self.outcomes),
            command="semh run fake",
        )

    @property
    def lines(self) -> dict[int, list[Line]]:
        alive = [c for c in self.cells if c.id not in {o.cell for o in self.outcomes}]
        found: dict[int, list[Line]] = {
            0: [ProbeReading(cell=c, values=dict(values)) for c, values in self.probes.items()],
            1: [self._sameness(c.id) for c in alive if not c.control and c.id not in self.unchecked],
            2: [Memory(cell=c.id, before_bytes=1000, peak_bytes=3000) for c in alive],
        }
        for trial in range(1, self.trials + 1):
            found[2 + trial] = self._trial(trial, alive)
        return found

    def _sameness(self, cell: str) -> Sameness:
        return Sameness(
            cell=cell,
            error=1.0 if cell in self.broken else 1e-7,
            tolerance=1e-5,
            gradient_error=None,
            gradient_tolerance=None,
            at="suite size",
            output_digest=self.digests.get(cell, cell),
            parameter_digest="same",
            parameters=10,
        )

    def _trial(self, trial: int, alive: list[Cell]) -> list[Line]:
        generator = np.random.default_rng([7, trial])
        ids = tuple(c.id for c in self.cells)
        lines: list[Line] = [
            Start(
                process="trial",
                part="p",
                group=0,
                trial=trial,
                attempt=1,
                cells=ids,
                pid=1,
                started="",
                threads=self.threads,
                allocator="default",
                load_average=None,
            ),
            MarkCost(mark_s=1e-6),
        ]
        for steady in (False, True):
            lines += [
                WarmUp(cell=c.id, first_call_s=1.0, calls=5, steady=steady, repeat=1, typical_s=BASE_S) for c in alive
            ]
        lines += [self._block(trial, number, alive, generator) for number in range(self.blocks)]
        return [*lines, End(wall_s=10.0, import_s=1.0, sampled_s=8.5)]

    def _block(self, trial: int, number: int, alive: list[Cell], generator: np.random.Generator) -> Block:
        order = alive if number % 2 == 0 else alive[::-1]
        samples = [sample("canary", self.speed(trial) * 1e-3, 0, arm="canary")]
        for position, one in enumerate(order, start=1):
            true = self.times(one) * self.speed(trial)
            wall = true * math.exp(self.noise * generator.standard_normal())
            lost = self.lost(trial, number, one.id)
            samples.append(sample(one.id, wall / (1 - lost), position, lost=lost, cpu=true))
            if self.stages:
                split = {
                    key: wall
                    * share
                    * self.stage_factors.get((one.id, key), 1.0)
                    * math.exp(self.stage_noise[key] * generator.standard_normal() if key in self.stage_noise else 0.0)
                    for key, share in self.stages.items()
                }
                where = 100 + position
                gone = self.staged_lost(trial, number, one.id)
                staged = sample(one.id, wall, where, arm="staged", lost=gone, stages=split, marks=2 * len(split))
                samples.append(staged)
        last = self.speed(trial) * self.canary_drift * 1e-3
        return block(*samples, sample("canary", last, 1000, arm="canary"), trial=trial, number=number)


FACTORS = {"matrix": ("rebuild", "cached"), "kernels": ("eager", "fused")}
COST = {"cached": 0.5, "fused": 0.8, "native": 0.1}


def cost(one: Cell) -> float:
    return 0.01 * math.prod(COST.get(level, 1.0) for level in one.variant.values())


def world(**changes: object) -> World:
    made = World(cells=factorial_cells(FACTORS), factors=dict(FACTORS), times=cost)
    return replace(made, **changes)


def analysed(made: World) -> Analysis:
    analysis = analyse_lines(made.manifest, made.lines)
    assert Analysis.model_validate_json(analysis.model_dump_json()) == analysis
    assert "NaN" not in analysis.model_dump_json()
    return analysis


def part(made: World) -> PartAnalysis:
    return analysed(made).parts[0]


def contrast(analysis: PartAnalysis, name: str) -> Contrast:
    return next(one for one in analysis.contrasts if one.cell == name)


def summary(analysis: PartAnalysis, name: str) -> CellSummary:
    return next(one for one in analysis.cells if one.cell == name)
