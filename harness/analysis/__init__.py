"""From the lines of a run to its analysis: a pure function of what lies on disk.

`evidence` gathers the lines of a part, `cells` summarises each planned cell, `contrasts` compares it with its
baseline and `stage_contrasts` its stages with the baseline's, `effects` and `steps` say what each switch did, `growth`
how a cell grows with its conditions, `ratios` how its passes and its processes compare, `readings` what its probes
read; here they are put together, `family` judges all contrasts as one, `confirm` holds them against what was measured
once more, `share_map` says where a stage takes what share, and the claims are judged, each with where else it would
hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from harness.analysis.cells import summarise
from harness.analysis.confirm import confirmed
from harness.analysis.contrasts import compared, contrast, exclusions, pair_all, undisturbed
from harness.analysis.controls import control_interval, controls, share_floors
from harness.analysis.dead import dead_switches
from harness.analysis.effects import effects
from harness.analysis.evidence import Evidence, Lines, gather, harness_share
from harness.analysis.family import judged_parts
from harness.analysis.growth import growths
from harness.analysis.limits import with_limits
from harness.analysis.ratios import passes, speedups
from harness.analysis.readings import moves, readings
from harness.analysis.share_map import share_maps
from harness.analysis.stage_contrasts import stage_contrasts
from harness.analysis.steps import steps
from harness.claims.ledger import matching, read_ledger
from harness.claims.verdict import judge
from harness.claims.where import located
from harness.errors import StoreError, SuiteError
from harness.lookup import unmeasured_because, untested
from harness.records import Analysis, CellSummary, Interval, Manifest, PartAnalysis, Plan, Process
from harness.records.analysis import CLOSURE_GOAL, PROBE_COST_GOAL
from harness.stats import margin as margins
from harness.stats import noise
from harness.store import RunFolder


def analyse(folder: RunFolder) -> Analysis:
    manifest = folder.manifest()
    lines = {process.number: folder.lines(process.number) for process in manifest.processes}
    return analyse_stored(folder, manifest, lines)


def analyse_stored(folder: RunFolder, manifest: Manifest, lines: Lines) -> Analysis:
    """A run keeps the ledger it was given, and an old one may be of a form that is no longer read."""
    try:
        return analyse_lines(manifest, lines)
    except SuiteError as error:
        made = f"version {manifest.environment.versions.get('semh', 'unknown')}"
        revision = f", revision {manifest.environment.revision}" if manifest.environment.revision else ""
        raise StoreError(
            f"{folder.path}/manifest.json: the ledger this run was given is of a form no longer read ({error}); the "
            f"semh that measured it would do ({made}{revision}), and `semh verdicts` judges its numbers by the present "
            "ledger"
        ) from None


def analyse_lines(manifest: Manifest, lines: Lines) -> Analysis:
    plan = manifest.plan
    gathered = [gather(manifest, lines, part) for part in plan.parts]
    judged = judged_parts([analyse_part(evidence) for evidence in gathered], plan)
    parts = tuple(confirmed(evidence, part) for evidence, part in zip(gathered, judged, strict=True))
    claims = [claim for claim in matching(read_ledger(manifest.claims_text), plan.claims) if claim.of_runs]
    maps = share_maps(plan, parts, claims)
    return Analysis(
        run=manifest.run,
        suite=plan.suite,
        parts=parts,
        claims=tuple(located(judge(claim, parts, plan), claim, parts, plan, maps) for claim in claims),
        maps=maps,
        trials_done=_trials_done(plan, parts),
        trials_planned=plan.trials,
        abandoned=tuple(_abandoned(process) for process in manifest.processes if process.state == "abandoned"),
        harness_share=harness_share(manifest, lines),
    )


def _trials_done(plan: Plan, parts: Sequence[PartAnalysis]) -> int:
    """Parts without trials, and those that cannot be tested here, do not count."""
    timed = [one for one, part in zip(parts, plan.parts, strict=True) if part.times]
    done = [part.trials for part in timed if not untested(part)]
    return min(done, default=0 if timed else plan.trials)


def analyse_part(evidence: Evidence) -> PartAnalysis:
    """By itself: its contrasts are called by the margin alone, and `judged_parts` has the last word."""
    part, blocks = evidence.part, evidence.blocks
    found = pair_all(evidence)
    cells = {cell.id: with_limits(summarise(evidence, cell), cell, evidence.ceilings) for cell in part.cells}
    baseline, control = control_interval(evidence, found)
    floor = evidence.floor = margins.floor(control) if control and control.n >= 2 else None
    canary = noise.canary_drift(blocks, one_thread=evidence.one_thread)
    unknown = noise.unknown_because(control, canary, margin=evidence.margin, trials=evidence.trials)
    reasons = noise.unstable_because(control, canary, margin=evidence.margin, trials=evidence.trials)
    if not part.times:
        reasons = unknown = ()
    if all(cell.outcome == "untested" for cell in cells.values()):
        reasons = unknown = (unmeasured_because(next(iter(cells.values()))),)
    known = effects(evidence, found, cells)
    climbed, unclimbed = steps(evidence, found, cells)
    closures = [cell.closure.point for cell in cells.values() if cell.closure]
    costs = [cell.probe_cost for cell in cells.values() if cell.probe_cost is not None]
    lost = [s.lost_share for block in blocks for s in block.samples if s.lost_share is not None and s.arm != "canary"]
    return PartAnalysis(
        part=part.name,
        stable=not reasons,
        reasons=reasons,
        noise_known=part.times and not unknown,
        control=control,
        floor=floor,
        share_floors=share_floors(evidence),
        canary=canary,
        canary_spread=noise.canary_spread(blocks),
        detectable=None,
        lost_share=float(np.median(lost)) if lost else None,
        closure=max(closures, key=abs) if closures else None,
        probe_cost=max(costs) if costs else None,
        order_effect=_order_effect(evidence, baseline),
        exclusions=exclusions(evidence, found),
        trials=evidence.trials,
        blocks=len(blocks),
        kept=undisturbed(evidence),
        cells=tuple(cells.values()),
        contrasts=tuple(contrast(evidence, cell, found[cell.id], cells, unknown, floor) for cell in compared(evidence)),
        stage_contrasts=stage_contrasts(evidence, cells, canary),
        effects=known.effects,
        shapley=known.shapley,
        steps=climbed,
        half_normals=known.half_normals,
        growths=growths(evidence, cells, unknown, canary),
        passes=passes(evidence, cells),
        speedups=speedups(evidence, cells),
        readings=readings(evidence, cells),
        reading_moves=moves(evidence, cells),
        dead_switches=dead_switches(evidence, found, cells),
        notes=(*part.notes, *known.notes, *unclimbed, *filter(None, [evidence.clock_note]), *_goals_missed(cells)),
    )


def _order_effect(evidence: Evidence, baseline: str | None) -> Interval | None:
    """From the first control of the baseline."""
    control = next((cell.id for cell in controls(evidence) if cell.baseline == baseline), None)
    return noise.order_effect(evidence.blocks, control, baseline) if control and baseline else None


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
