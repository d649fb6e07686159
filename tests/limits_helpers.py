"""Planted ceilings and costs, and runs of thin air that are held against them."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

from analysis_helpers import World, cell

from harness.analysis import analyse_lines
from harness.records import Analysis, Ceiling, CellSummary, Manifest, StageCost, StageLimit

GFLOP, GB = 1e9, 1e9
SHARES = {"encoder": 0.25, "head": 0.75}
BASE_S = 0.01


def ceiling(dtype: str = "float32", *, gemm: float = 100 * GFLOP, copy: float = 10 * GB, **more) -> Ceiling:
    given = {"device": "cpu", "threads": 1, "allocator": "default", "spread": 0.1}
    given |= {"measured": datetime.now(UTC).isoformat(timespec="seconds"), **more}
    return Ceiling(dtype=dtype, gemm_flops_per_s=gemm, copy_bytes_per_s=copy, **given)


def world(costs: dict[str, StageCost], *, stages=SHARES, conditions=None, **more) -> World:
    """Two cells and a control, without noise: the baseline takes 10 ms, `new` 5 ms, split by `stages`."""
    conditions = conditions or {"threads": 1}
    cells = [
        cell("base", {"s": "old"}, conditions=conditions, costs=costs),
        cell("new", {"s": "new"}, conditions=conditions, costs=costs),
        cell("control", {"s": "old"}, conditions=conditions, costs=costs, control=True),
    ]
    made = World(cells=cells, factors={"s": ("old", "new")}, times=time_of, noise=0.0, speed=lambda _: 1.0)
    return dataclasses.replace(made, stages=stages, design="pair", **more)


def time_of(one) -> float:
    return BASE_S / 2 if one.variant["s"] == "new" else BASE_S


def analysed(made: World, *ceilings: Ceiling) -> tuple[Manifest, Analysis]:
    """Needs no system: `fake_system`, which the plan names, is nowhere."""
    manifest = made.manifest.model_copy(update={"ceilings": ceilings})
    analysis = analyse_lines(Manifest.model_validate_json(manifest.model_dump_json()), made.lines)
    assert Analysis.model_validate_json(analysis.model_dump_json()) == analysis
    return manifest, analysis


def summary(analysis: Analysis, name: str) -> CellSummary:
    return next(one for one in analysis.parts[0].cells if one.name == name)


def limits(made: World, *ceilings: Ceiling, name: str = "base") -> dict[tuple[str, str], StageLimit]:
    _, analysis = analysed(made, *ceilings)
    return {(limit.stage, limit.direction): limit for limit in summary(analysis, name).limits}
