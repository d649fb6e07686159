"""From the lines of a run to its analysis: a pure function of what lies on disk.

`evidence` gathers the lines of a part, `cells` summarises each planned cell, `contrasts` compares it with its
baseline, `effects` says what each switch did; here they are put together, and the claims are judged.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from harness.analysis.cells import summarise
from harness.analysis.contrasts import contrast, exclusions, pair_all, undisturbed
from harness.analysis.effects import dead_switches, effects
from harness.analysis.evidence import Evidence, Lines, gather, harness_share
from harness.claims.ledger import matching, read_ledger
from harness.claims.verdict import judge
from harness.records import Analysis, CellSummary, Interval, Manifest, PartAnalysis, Process
from harness.records.analysis import CLOSURE_GOAL, PROBE_COST_GOAL
from harness.stats import margin as margins
from harness.stats import noise
from harness.stats.interval import ratio_interval
from harness.stats.pairing import Paired
from harness.store import RunFolder


def analyse(folder: RunFolder) -> Analysis:
    manifest = folder.manifest()
    lines = {process.number: folder.lines(process.number) for process in manifest.processes}
    return analyse_lines(manifest, lines)


def analyse_lines(manifest: Manifest, lines: Lines) -> Analysis:
    plan = manifest.plan
    parts = tuple(analyse_part(gather(manifest, lines, part)) for part in plan.parts)
    claims = matching(read_ledger(manifest.claims_text), plan.claims)
    return Analysis(
        run=manifest.run,
        suite=plan.suite,
        parts=parts,
        claims=tuple(judge(claim, parts, plan) for claim in claims),
        trials_done=min((part.trials for part in parts), default=0),
        trials_planned=plan.trials,
        abandoned=tuple(_abandoned(process) for process in manifest.processes if process.state == "abandoned"),
        harness_share=harness_share(manifest, lines),
    )


def analyse_part(evidence: Evidence) -> PartAnalysis:
    part, blocks = evidence.part, evidence.blocks
    found = pair_all(evidence)
    cells = {cell.id: summarise(evidence, cell) for cell in part.cells}
    control_id, control = _control(evidence, found)
    canary = noise.canary_drift(blocks, one_thread=evidence.one_thread)
    reasons = noise.unstable_because(control, canary, margin=evidence.margin, trials=evidence.trials)
    listed, shares, notes = effects(evidence, found, cells)
    closures = [cell.closure.point for cell in cells.values() if cell.closure]
    costs = [cell.probe_cost for cell in cells.values() if cell.probe_cost is not None]
    lost = [s.lost_share for block in blocks for s in block.samples if s.lost_share is not None and s.arm != "canary"]
    return PartAnalysis(
        part=part.name,
        stable=not reasons,
        reasons=reasons,
        noise_known=not noise.unknown_because(control, canary, margin=evidence.margin, trials=evidence.trials),
        control=control,
        floor=margins.floor(control) if control and control.n >= 2 else None,
        canary=canary,
        canary_spread=noise.canary_spread(blocks),
        detectable=margins.detectable(found[control_id].logs, evidence.margin) if control_id else None,
        lost_share=float(np.median(lost)) if lost else None,
        closure=max(closures, key=abs) if closures else None,
        probe_cost=max(costs) if costs else None,
        order_effect=noise.order_effect(blocks, control_id, evidence.cells[control_id].baseline)
        if control_id
        else None,
        exclusions=exclusions(evidence, found),
        trials=evidence.trials,
        blocks=len(blocks),
        kept=undisturbed(evidence),
        cells=tuple(cells.values()),
        contrasts=tuple(
            contrast(evidence, cell, found[cell.id], cells, reasons)
            for cell in part.cells
            if cell.id in found and not cell.control
        ),
        effects=listed,
        shapley=shares,
        dead_switches=dead_switches(evidence, found, cells),
        notes=(*part.notes, *notes, *_goals_missed(cells)),
    )


def _control(evidence: Evidence, found: Mapping[str, Paired]) -> tuple[str | None, Interval | None]:
    """The control with the highest floor: each part is as quiet as its noisiest comparison of equals.

    One without an interval comes before all: how noisy its comparisons were is not known.
    """
    measured = {
        cell.id: ratio_interval(found[cell.id].logs)
        for cell in evidence.part.cells
        if cell.control and cell.id not in evidence.outcomes and found[cell.id].trials
    }
    if not measured:
        return None, None
    worst = max(measured, key=lambda cell: (measured[cell].n < 2, margins.floor(measured[cell])))
    return worst, measured[worst]


def _goals_missed(cells: Mapping[str, CellSummary]) -> list[str]:
    notes = []
    for cell in cells.values():
        if cell.closure and abs(cell.closure.point) > CLOSURE_GOAL:
            off = f"differ by {cell.closure.point:.1%}, beyond {100 * CLOSURE_GOAL:g} %"
            notes.append(f"{cell.name}: stages and end to end {off}")
        if cell.probe_cost is not None and cell.probe_cost > PROBE_COST_GOAL:
            cost = f"cost {cell.probe_cost:.1%} of the call, beyond {100 * PROBE_COST_GOAL:g} %"
            notes.append(f"{cell.name}: the marks of its stages {cost}")
    return notes


def _abandoned(process: Process) -> str:
    where = f"trial {process.trial}" if process.process == "trial" else process.process
    return f"{process.part}: {where}, attempt {process.attempt}: {process.reason or 'process ended'}"
