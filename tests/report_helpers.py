"""Records of a cayley-like run, as the runner and the analysis would leave them: planted times, seeded noise."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from pathlib import Path
from random import Random

from report_claims import claims
from report_effects import half_normal, steps
from report_numbers import STAGE, TOTAL, interval, noisy

from harness.records import (
    Analysis,
    Cell,
    CellSummary,
    Contrast,
    Effect,
    Environment,
    Exclusion,
    Group,
    Interval,
    Manifest,
    Part,
    PartAnalysis,
    Plan,
    ShapleyShare,
    StageTime,
)

SWITCHES = {
    "matrix": ("rebuild", "cached"),
    "preconditioner": ("none", "block_jacobi"),
    "tolerance": ("fixed", "adaptive"),
    "kernels": ("eager", "compiled"),
}
GAIN = {"matrix": 0.31, "preconditioner": 1.04, "tolerance": 0.86, "kernels": 0.78}
BASELINE_S = 0.732


@dataclass(frozen=True)
class Folder:
    """What the report asks of a run folder."""

    path: Path
    stored: tuple[Manifest, Analysis]

    def manifest(self) -> Manifest:
        return self.stored[0]

    def analysis(self) -> Analysis:
        return self.stored[1]


def environment() -> Environment:
    return Environment(
        platform="Linux 6.1",
        machine="x86_64",
        cpu="AMD EPYC 7B13",
        cores=2,
        memory_bytes=8 * 2**30,
        python="3.11.9",
        versions={"torch": "2.13.0+cpu", "numpy": "2.3.1", "semh": "0.1.0"},
        machine_id="5f3c9a1e",
        revision="0123abc",
        dirty=True,
        code_sha256="c0de" * 16,
        load_average=0.42,
        lost_share_source="schedstat",
        missing=("no performance counters", "no CUDA device"),
    )


def _name(variant: dict[str, str]) -> str:
    changed = [level for switch, level in variant.items() if level != SWITCHES[switch][0]]
    return " + ".join(changed) or "baseline"


def stage_part() -> Part:
    conditions = {"P": 2048, "rows": 512, "dt": 0.1, "training_step": 0, "threads": 1, "device": "cpu"}
    variants = [dict(zip(SWITCHES, levels, strict=True)) for levels in itertools.product(*SWITCHES.values())]
    cells = [
        Cell(id=f"s{n}", part=STAGE, name=_name(variant), variant=variant, conditions=conditions, baseline="s0")
        for n, variant in enumerate(variants)
    ]
    control = cells[0].model_copy(update={"id": "s-control", "name": "control", "control": True})
    return _part(STAGE, "sem_propagator", None, "full_factorial", SWITCHES, (*cells, control))


def total_part() -> Part:
    conditions = {"batch_size": 1, "seq_len": 512, "threads": 1, "device": "cpu"}
    named = {"status quo": 0, "all on": 1}
    cells = [
        Cell(
            id=f"t{n}",
            part=TOTAL,
            name=name,
            variant={switch: levels[n] for switch, levels in SWITCHES.items()},
            conditions=conditions,
            baseline="t0",
        )
        for name, n in named.items()
    ]
    control = cells[0].model_copy(update={"id": "t-control", "name": "control", "control": True})
    return _part(
        TOTAL, "sem", "document", "pair", {}, (*cells, control), stages=("encoder", "mixer", "propagator", "head")
    )


def _part(
    name: str,
    system: str,
    size: str | None,
    design: str,
    factors: dict[str, tuple[str, ...]],
    cells: tuple[Cell, ...],
    stages: tuple[str, ...] = (),
) -> Part:
    return Part(
        name=name,
        system=system,
        mode="forward",
        size=size,
        design=design,
        factors=factors,
        varied_conditions={},
        cells=cells,
        groups=(Group(part=name, index=0, cells=tuple(cell.id for cell in cells)),),
        blocks=10,
        stages=stages,
        memory=True,
        timeout_s=120,
        estimated_bytes=6e8,
        estimated_flops=3e10,
    )


def manifest(parts: tuple[Part, ...], *, preset: str = "quick", trials: int = 6) -> Manifest:
    plan = Plan(
        suite="cayley",
        title="Does the propagator take 78 %, and do its four changes save 43 %?",
        suite_file="cayley",
        suite_sha256="ab" * 32,
        preset=preset,
        trials=trials,
        margin=0.02,
        seed=0,
        max_minutes=None,
        parts=parts,
        claims=("sem_topology.*",),
    )
    return Manifest(
        run="cayley-20261121-232000-00c0",
        state="finished",
        started="2026-11-21T23:20:00+00:00",
        finished="2026-11-21T23:29:00+00:00",
        wall_s=541.0,
        plan=plan,
        suite_text="suite: cayley\ntitle: x\n",
        claims_text={"sem_topology.yaml": "claims: []\n"},
        environment=environment(),
        command="semh run suites/cayley.yaml --preset quick",
        switch_kinds={"sem_propagator": {"matrix": "exact", "tolerance": "approximate", "kernels": "exact"}},
        probes={"sem_propagator": {"iterations": "", "residual": "", "outcome": ""}},
        facts={TOTAL: {"dataset": "9f" * 8, "distinct_tokens": 87}},
    )


def _summary(cell: Cell, times: list[float], memory: int, **more: object) -> CellSummary:
    return CellSummary(
        cell=cell.id,
        part=cell.part,
        name=cell.name,
        outcome="measured",
        time_s=interval(times),
        first_call_s=times[0] * 1.7,
        steady=True,
        warm_up_calls=3,
        repeat=1,
        before_bytes=memory,
        peak_bytes=memory + 180 * 2**20,
        error=2.3e-7 * (30 if cell.variant["tolerance"] == "adaptive" else 1),
        tolerance=2e-4 if cell.variant["tolerance"] == "adaptive" else 2e-6,
        sameness_at="suite size",
        sameness="holds",
        **more,
    )


def _verdict(ratio: Interval) -> str:
    if ratio.high < 0.98:
        return "faster"
    if ratio.low > 1.02:
        return "slower"
    return "same" if ratio.low > 0.98 and ratio.high < 1.02 else "inconclusive"


def _contrast(cell: Cell, base: Cell, ratios: list[float]) -> Contrast:
    levels = {name: (base.variant[name], level) for name, level in cell.variant.items() if base.variant[name] != level}
    ratio = interval(ratios, log=True)
    verdict = _verdict(ratio)
    return Contrast(
        part=cell.part,
        cell=cell.id,
        baseline=base.id,
        changes=levels,
        ratio=ratio,
        trials=tuple(ratios),
        verdict=verdict,
        kept_blocks=57,
        excluded_blocks=3,
        detectable=0.011,
        n_to_settle=14 if verdict == "inconclusive" else None,
    )


def _stage_analysis(part: Part, n: int, random: Random) -> PartAnalysis:
    base = part.cells[0]
    ratios = {
        cell.id: noisy(math.prod(GAIN[s] for s in SWITCHES if cell.variant[s] != SWITCHES[s][0]), n, random)
        for cell in part.cells
    }
    solved = {"iterations": 7.0, "residual": 4.1e-7, "norm_defect": 2.0e-7, "outcome": "converged"}
    cells = [
        _summary(cell, [BASELINE_S * ratio for ratio in ratios[cell.id]], 410 * 2**20, probes=solved)
        for cell in part.cells
    ]
    contrasts = [_contrast(cell, base, ratios[cell.id]) for cell in part.cells[1:] if not cell.control]
    cells[3] = cells[3].model_copy(
        update={"probes": {**solved, "outcome": "stalled", "iterations": 50.0, "residual": 3.2e-3}}
    )
    cells[5] = cells[5].model_copy(update={"error": 0.4, "sameness": "broken"})
    contrasts[4] = contrasts[4].model_copy(update={"verdict": "invalid", "reason": "output error 0.4 beyond 2e-6"})
    failed = {
        "outcome": "timed_out",
        "detail": "no answer after 120 s",
        "time_s": None,
        "peak_bytes": None,
        "probes": {},
    }
    cells[6] = cells[6].model_copy(update={**failed, "error": None, "sameness": "not checked"})
    contrasts[5] = contrasts[5].model_copy(
        update={"ratio": None, "trials": (), "verdict": "not measured", "reason": "timed out", "clock": "none"}
    )
    effects = [
        Effect(
            part=STAGE,
            conditions={},
            factors=(s,),
            levels=(SWITCHES[s],),
            ratio=interval(noisy(GAIN[s], n, random), log=True),
        )
        for s in SWITCHES
    ]
    effects += [
        Effect(
            part=STAGE,
            conditions={},
            factors=(a, b),
            levels=(SWITCHES[a], SWITCHES[b]),
            ratio=interval(noisy(0.97 if (a, b) == ("matrix", "kernels") else 1.0, n, random), log=True),
        )
        for a, b in itertools.combinations(SWITCHES, 2)
    ]
    whole = math.log(math.prod(GAIN.values()))
    shapley = [
        ShapleyShare(
            part=STAGE,
            conditions={},
            factor=s,
            ratio=interval(noisy(GAIN[s], n, random), log=True),
            fraction=interval([math.log(ratio) / whole for ratio in noisy(GAIN[s], n, random)]),
        )
        for s in SWITCHES
    ]
    more = {"steps": tuple(steps(SWITCHES, GAIN, n)), "half_normals": (half_normal(SWITCHES),)}
    return _analysis(part, cells, contrasts, n, random, effects=effects, shapley=shapley, **more)


def _total_analysis(part: Part, n: int, random: Random) -> PartAnalysis:
    shares = {
        "t0": {"encoder": 0.001, "mixer": 0.145, "propagator": 0.241, "head": 0.613},
        "t1": {"encoder": 0.001, "mixer": 0.17, "propagator": 0.10, "head": 0.729},
    }
    seconds = {"t0": 3.1, "t1": 2.57, "t-control": 3.1}
    cells = []
    for cell in part.cells:
        stages = tuple(
            StageTime(
                stage=stage,
                direction="forward",
                time_s=interval(noisy(share * seconds[cell.id], n, random)),
                share=interval(noisy(share, n, random, 0.015)),
            )
            for stage, share in shares.get(cell.id, {}).items()
        )
        closure = interval(noisy(0.012, n, random, 0.1)) if stages else None
        times = noisy(seconds[cell.id], n, random)
        bare = interval(noisy(1.003, n, random), log=True) if stages else None
        cells.append(_summary(cell, times, 1100 * 2**20, stages=stages, closure=closure, staged_over_bare=bare))
    ratios = {cell.id: noisy(seconds[cell.id] / 3.1, n, random) for cell in part.cells}
    contrasts = [_contrast(cell, part.cells[0], ratios[cell.id]) for cell in part.cells[1:] if not cell.control]
    return _analysis(part, cells, contrasts, n, random, closure=0.012, probe_cost=0.0004)


def _analysis(
    part: Part, cells: list[CellSummary], contrasts: list[Contrast], n: int, random: Random, **more: object
) -> PartAnalysis:
    control = interval(noisy(1.0, n, random), log=True)
    given = {"effects": (), "shapley": (), "closure": None, "probe_cost": None, **more}
    return PartAnalysis(
        part=part.name,
        stable=True,
        reasons=(),
        control=control,
        floor=max(control.high, 1 / control.low) - 1,
        canary=interval(noisy(1.0, n, random, 0.002), log=True),
        canary_spread=0.021,
        detectable=0.011,
        lost_share=0.0031,
        order_effect=interval(noisy(1.0, n, random, 0.002), log=True),
        exclusions=(Exclusion(reason="lost share 0.061 beyond 0.02", count=3),),
        trials=n,
        blocks=60,
        kept=57,
        cells=tuple(cells),
        contrasts=tuple(contrasts),
        dead_switches=(),
        notes=(),
        **given,
    )


def cayley(*, n: int = 6, preset: str = "quick") -> tuple[Manifest, Analysis]:
    random = Random(20261121)
    stage, total = stage_part(), total_part()
    analysis = Analysis(
        run="cayley-20261121-232000-00c0",
        suite="cayley",
        parts=(_stage_analysis(stage, n, random), _total_analysis(total, n, random)),
        claims=claims(n, random),
        trials_done=n,
        trials_planned=n,
        abandoned=("process 4, trial 2 of stage, attempt 1: process ended",),
        harness_share=0.031,
    )
    return manifest((stage, total), preset=preset, trials=n), analysis


def withheld(stored: tuple[Manifest, Analysis], reason: str, *, stable: bool) -> tuple[Manifest, Analysis]:
    """The same readings with no contrast called and no claim judged."""
    manifest, analysis = stored
    parts = []
    for part in analysis.parts:
        called = tuple(
            each.model_copy(update={"verdict": "withheld", "reason": reason}) if each.ratio else each
            for each in part.contrasts
        )
        reasons = () if stable else (reason,)
        parts.append(part.model_copy(update={"contrasts": called, "stable": stable, "reasons": reasons}))
    judged = tuple(
        each.model_copy(update={"verdict": "inconclusive", "reason": reason}) if each.measured else each
        for each in analysis.claims
    )
    return manifest, analysis.model_copy(update={"parts": tuple(parts), "claims": judged})
