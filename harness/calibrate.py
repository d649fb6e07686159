"""What a suite's own cells look like on this machine when nothing differs.

In the plan of a calibration every cell is its own baseline and has a twin: the same variant under the same conditions,
beside it in the same process and next to it in every block. The ordinary runner runs it, the ordinary analysis reads
it; what a twin's contrast shows is noise, by construction. Of each, for the whole call and for each stage:

    floor        larger end of its 95 % interval, as |ratio - 1|
    detectable   smallest change that so many trials of its spread would call, with 80 % power
    kept share   blocks in which neither it nor its twin was disturbed
    alarmed      called faster or slower, after Benjamini-Hochberg over the run's family

An alarm counts even where the control of an ordinary run would raise the bar: in a calibration every cell is a control.
`smoke` gives no verdicts, so no alarm either.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from harness.analysis.cells import BACKWARD
from harness.cells import cell_id
from harness.grouping import budget_bytes, by_process, group_bytes, split
from harness.records import (
    Analysis,
    Block,
    CalibratedContrast,
    CalibratedStage,
    Calibration,
    Cell,
    Contrast,
    Group,
    Line,
    Manifest,
    Part,
    PartAnalysis,
    Plan,
)
from harness.schedule import cells_of
from harness.stats import margin as margins
from harness.stats import noise
from harness.stats.disturbed import judged_by_clock
from harness.stats.interval import t_quantile
from harness.stats.pairing import Comparison, pair_each
from harness.systems import load_system


def calibration_plan(plan: Plan, available_bytes: float | None = None) -> Plan:
    """The same suite as A/A: twins in place of comparisons, no claim, no outputs compared, no memory read. A part
    without times has no noise."""
    parts = tuple(_part(part, budget_bytes(available_bytes)) for part in plan.parts if part.times)
    return plan.model_copy(update={"purpose": "calibrate", "parts": parts, "claims": ()})


def _part(part: Part, budget: float) -> Part:
    system = load_system(part.system)
    alone = [cell.model_copy(update={"baseline": cell.id}) for cell in part.cells if not cell.control]
    costs = {cell.id: system.estimate(cell.variant, cell.conditions, part.mode) for cell in alone}
    grouped = [members for together in by_process(alone) for members in split(together, costs, budget)]
    with_twins = [[one for cell in members for one in (cell, _twin(part, cell))] for members in grouped]
    return part.model_copy(
        update={
            "design": "calibration",
            "factors": {},
            "cells": tuple(cell for members in with_twins for cell in members),
            "groups": tuple(
                Group(part=part.name, index=index, cells=tuple(cell.id for cell in members))
                for index, members in enumerate(with_twins)
            ),
            "memory": False,
            "confirm": False,
            "reads": (),
            "notes": (),
            "estimated_bytes": max(group_bytes(members, costs) for members in grouped),
            "estimated_flops": 2 * sum(cost.flops for cost in costs.values()),
        }
    )


def _twin(part: Part, cell: Cell) -> Cell:
    own = cell_id(part.system, part.mode, cell.variant, cell.conditions, control=True)
    names = {"id": own, "name": f"{cell.name}, again", "control": True, "merged": (), "merged_variants": ()}
    return cell.model_copy(update=names)


def calibration(manifest: Manifest, analysis: Analysis, lines: Mapping[int, Sequence[Line]]) -> Calibration:
    """The record of a finished calibration. Twins that gave no interval tell nothing and are left out."""
    plan, blocks = manifest.plan, _blocks(manifest, lines)
    found = [one for part in analysis.parts for one in _calibrated(part, blocks.get(part.part, []))]
    return Calibration(
        run=manifest.run,
        suite=plan.suite,
        suite_sha256=plan.suite_sha256,
        machine_id=manifest.environment.machine_id,
        code_sha256=manifest.environment.code_sha256,
        preset=plan.preset,
        made=manifest.finished or manifest.started,
        margin=plan.margin,
        contrasts=tuple(found),
        false_alarms=sum(one.alarmed for one in found),
        order_effect=_order_effect(analysis, blocks),
        stages=tuple(_stages(found)),
    )


def _calibrated(part: PartAnalysis, blocks: Sequence[Block]) -> Iterator[CalibratedContrast]:
    names = {cell.cell: cell.name for cell in part.cells}
    told = [one for one in (*part.contrasts, *part.stage_contrasts) if one.ratio and one.ratio.n >= 2]
    pairs = pair_each(blocks, [_comparison(one) for one in told], one_thread=False)
    for one in told:
        assert one.ratio is not None
        paired = pairs[_comparison(one)]
        bad, of = len(paired.lost) + len(paired.disturbed), paired.kept + paired.excluded
        yield CalibratedContrast(
            cell=one.baseline,
            name=names[one.baseline],
            part=part.part,
            stage=one.stage,
            direction=one.direction,
            floor=margins.floor(one.ratio),
            detectable=one.detectable,
            kept_share=1 - bad / of if of else 0.0,
            alarmed=one.verdict in ("faster", "slower"),
            trials=one.ratio.n,
            spread=float(np.std(np.log(one.trials), ddof=1)),
        )


def _comparison(one: Contrast) -> Comparison:
    return Comparison(one.cell, one.baseline, one.stage + (BACKWARD if one.direction == "backward" else ""))


def _blocks(manifest: Manifest, lines: Mapping[int, Sequence[Line]]) -> dict[str, list[Block]]:
    """Part -> its blocks, of the trials that ended well."""
    blocks: dict[str, list[Block]] = {}
    for process in manifest.processes:
        if process.process == "trial" and process.state == "done":
            found = [line for line in lines[process.number] if isinstance(line, Block)]
            blocks.setdefault(process.part, []).extend(found)
    return {part: judged_by_clock(found) for part, found in blocks.items()}


def _order_effect(analysis: Analysis, blocks: Mapping[str, Sequence[Block]]) -> float | None:
    twins = [(part.part, one.cell, one.baseline) for part in analysis.parts for one in part.contrasts if one.ratio]
    found = [noise.order_effect(blocks.get(part, ()), cell, baseline) for part, cell, baseline in twins]
    points = [effect.point for effect in found if effect]
    return float(np.median(points)) if points else None


def _stages(found: Sequence[CalibratedContrast]) -> Iterator[CalibratedStage]:
    """The whole call of a part first, then its stages in the order in which they were found."""
    grouped: dict[tuple[str, str, str], list[CalibratedContrast]] = {}
    for one in found:
        grouped.setdefault((one.part, one.stage, one.direction), []).append(one)
    for (part, stage, _), members in grouped.items():
        worst = max(members, key=lambda one: one.floor)
        detectable = [one.detectable for one in members if one.detectable is not None]
        yield CalibratedStage(
            part=part,
            stage=stage,
            direction=members[0].direction,
            contrasts=len(members),
            false_alarms=sum(one.alarmed for one in members),
            floor_median=float(np.median([one.floor for one in members])),
            floor_worst=worst.floor,
            worst_cell=worst.name,
            detectable_median=float(np.median(detectable)) if detectable else None,
            detectable_worst=max(detectable, default=None),
            kept_share=float(np.median([one.kept_share for one in members])),
        )


def expected_detectable(calibration: Calibration, plan: Plan) -> list[tuple[CalibratedContrast, float]]:
    """Contrast -> smallest change that the planned number of trials would call at its spread, if it were the only one
    among all that the plan compares; of the cells planned."""
    sizes = _family_sizes(calibration, plan)
    return [
        (one, margins.detectable_at(one.spread, plan.trials, _bar(one.spread, plan), sizes[one.part]))
        for one in calibration.contrasts
        if one.spread is not None and one.cell in cells_of(plan) and one.part in sizes
    ]


def _bar(spread: float, plan: Plan) -> float:
    """The larger of the margin and the floor that a control of this spread would show in the planned trials."""
    return max(plan.margin, math.expm1(t_quantile(plan.trials) * spread / math.sqrt(plan.trials)))


def _family_sizes(calibration: Calibration, plan: Plan) -> dict[str, int]:
    """Part -> contrasts in its family: of each cell that is compared, one of the whole call and one of each stage."""
    sizes = {}
    for part in plan.parts:
        readings = max(1, sum(stage.part == part.name for stage in calibration.stages))
        compared = sum(cell.id != cell.baseline and not (cell.control or cell.beyond) for cell in part.cells)
        sizes[part.name] = max(1, compared * readings)
    return sizes if plan.family == "part" else dict.fromkeys(sizes, sum(sizes.values()))
