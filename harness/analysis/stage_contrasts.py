"""Every stage of a cell against the same stage of its baseline, in the staged arm.

As for whole calls, with three differences. The floor is that of the control's own stage. A stage has no CPU time of its
own, so where under half of its pairs are quiet the quiet ones decide if there are enough (`pairing.paired_stages`). And
a stage must be long enough for its clock: the longer of the two times at least 20 us and 20 times what a mark costs,
or the marks at both its ends are a part of what is compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

import numpy as np

from harness.analysis.cells import BACKWARD
from harness.analysis.contrasts import Summaries, bar_of, changes, clock_note, compared, failure, figures, refusal
from harness.analysis.controls import control_interval, controls
from harness.analysis.evidence import Evidence
from harness.records import Cell, Contrast, Interval
from harness.stats import margin as margins
from harness.stats import noise
from harness.stats.pairing import Comparison, Paired, pair_each

MARKS, SHORTEST_S = 20, 20e-6


def stage_contrasts(evidence: Evidence, summaries: Summaries, canary: Interval | None) -> tuple[Contrast, ...]:
    keys = list(stage_keys(evidence))
    cells = {cell.id: cell for cell in (*compared(evidence), *controls(evidence)) if cell.id != cell.baseline}
    wanted = [Comparison(cell.id, cell.baseline, key) for cell in cells.values() for key in keys]
    found = pair_each(evidence.blocks, wanted, one_thread=evidence.one_thread)
    noises = {key: _noise(evidence, key, found, canary) for key in keys}
    return tuple(
        _contrast(evidence, cell, key, found[Comparison(cell.id, cell.baseline, key)], summaries, *noises[key])
        for cell in compared(evidence)
        for key in keys
        if found[Comparison(cell.id, cell.baseline, key)].trials and not failure(cell, summaries)
    )


def stage_keys(evidence: Evidence) -> Iterator[str]:
    """As samples name them, in the pipeline's order, forward before backward."""
    known = {key for block in evidence.blocks for sample in block.samples for key in sample.stages or {}}
    for suffix in ("", BACKWARD):
        yield from (stage + suffix for stage in evidence.part.stages if stage + suffix in known)


def stage_noises(evidence: Evidence, canary: Interval | None) -> dict[str, tuple[float | None, tuple[str, ...]]]:
    """Of every stage: its floor, and why it bounds nothing."""
    keys = list(stage_keys(evidence))
    wanted = [Comparison(cell.id, cell.baseline, key) for cell in controls(evidence) for key in keys]
    found = pair_each(evidence.blocks, wanted, one_thread=evidence.one_thread)
    return {key: _noise(evidence, key, found, canary) for key in keys}


def _noise(
    evidence: Evidence, key: str, found: Mapping[Comparison, Paired], canary: Interval | None
) -> tuple[float | None, tuple[str, ...]]:
    """Floor of a stage, and why it bounds nothing."""
    own = {comparison.cell: paired for comparison, paired in found.items() if comparison.stage == key}
    _, control = control_interval(evidence, own)
    stage, direction = split(key)
    reasons = noise.unknown_because(
        control, canary, margin=evidence.margin, trials=evidence.trials, of=f" of stage {stage}, {direction},"
    )
    return margins.floor(control) if control and control.n >= 2 else None, reasons


def _contrast(
    evidence: Evidence,
    cell: Cell,
    key: str,
    found: Paired,
    summaries: Summaries,
    floor: float | None,
    unknown: tuple[str, ...],
) -> Contrast:
    stage, direction = split(key)
    refused = refusal(evidence, cell, found, summaries, unknown, _too_short(evidence, cell, key, summaries))
    bar = bar_of(evidence, floor)
    word, reason = refused or (margins.called(found.logs, evidence.margin, bar), clock_note(found))
    return Contrast(
        part=evidence.part.name,
        cell=cell.id,
        baseline=cell.baseline,
        beyond=cell.beyond,
        stage=stage,
        direction=direction,
        changes=changes(evidence, cell),
        verdict=word,
        reason=reason,
        bar=bar,
        floor=floor,
        **figures(found, bar),
    )


def split(key: str) -> tuple[str, Literal["forward", "backward"]]:
    """`encoder.backward` -> (`encoder`, `backward`)."""
    return key.removesuffix(BACKWARD), "backward" if key.endswith(BACKWARD) else "forward"


def _too_short(evidence: Evidence, cell: Cell, key: str, summaries: Summaries) -> str:
    """Why the clock cannot tell its time; empty where it can."""
    times = [
        stage.time_s.point
        for one in (cell.id, cell.baseline)
        for stage in summaries[one].stages
        if (stage.stage, stage.direction) == split(key)
    ]
    return too_short(max(times), evidence) if times and max(times) < shortest_s(evidence) else ""


def shortest_s(evidence: Evidence) -> float:
    """Below it the marks at both ends of a stage are a part of what is read."""
    mark_s = float(np.median(list(evidence.mark_s.values()))) if evidence.mark_s else 0.0
    return max(SHORTEST_S, MARKS * mark_s)


def too_short(time_s: float, evidence: Evidence) -> str:
    return f"too short for its clock: {1e6 * time_s:.1f} us, {1e6 * shortest_s(evidence):.0f} us would do"
