"""How noisy comparisons of equals were: of whole calls, of every stage by itself, of its share of a call
and of its passes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
from scipy.special import logit

from harness.analysis.cells import Read, kept, medians_by_trial, passes_of, share_of
from harness.analysis.evidence import Evidence
from harness.records import Cell, Interval
from harness.stats import margin as margins
from harness.stats import noise
from harness.stats.pairing import Paired


def controls(evidence: Evidence) -> list[Cell]:
    return [cell for cell in evidence.part.cells if cell.control and cell.id not in evidence.outcomes]


def control_interval(evidence: Evidence, found: Mapping[str, Paired]) -> tuple[str | None, Interval | None]:
    """The baseline whose controls show most, and what they show together (`noise.pooled`): a part is as quiet as its
    noisiest comparison of equals. A control without an interval comes before all: how noisy it was is not known.

    `found`: control -> its log ratios to its baseline.
    """
    return _worst(evidence, {control: paired.trials for control, paired in found.items()})


def share_floors(evidence: Evidence) -> dict[str, float]:
    """Of every stage: what the odds of its share, s / (1 - s), differ by between equals. A share is read within single
    calls, so what slows a whole call, as most noise does, leaves it alone; what slows a stage beside the others
    multiplies the odds, however large the share is."""
    return _floors(evidence, share_of, evidence.part.stages, logit)


def pass_floors(evidence: Evidence) -> dict[str, float]:
    """Of every stage, and of all of them under the empty name: what the ratio of backward to forward pass differs by
    between equals. Both are read within one call, as a share is."""
    return _floors(evidence, passes_of, ("", *evidence.part.stages), np.log)


def _floors(
    evidence: Evidence, read: Callable[[str], Read], stages: Iterable[str], scale: Callable[[float], float]
) -> dict[str, float]:
    """Trial by trial what `scale` of a reading of a control's staged calls is above that of its baseline's."""
    cells = {cell for control in controls(evidence) for cell in (control.id, control.baseline)}
    timed = {cell: [one for one in kept(evidence, cell, "staged")[0] if one[1].stages] for cell in cells}
    found = {}
    for stage in stages:
        readings = {cell: medians_by_trial(timed[cell], read(stage)) for cell in cells}
        logs = {one.id: _apart(readings[one.id], readings[one.baseline], scale) for one in controls(evidence)}
        _, differed = _worst(evidence, logs)
        if differed and differed.n >= 2:
            found[stage] = margins.floor(differed)
    return found


def _apart(ours: Mapping[int, float], theirs: Mapping[int, float], scale: Callable[[float], float]) -> dict[int, float]:
    """Of the trials in which both are on the scale: shares between 0 and 1, ratios above 0."""
    both = [trial for trial in ours if trial in theirs]
    with np.errstate(divide="ignore", invalid="ignore"):
        found = {trial: (float(scale(ours[trial])), float(scale(theirs[trial]))) for trial in both}
    return {trial: one - other for trial, (one, other) in found.items() if np.isfinite([one, other]).all()}


def _worst(evidence: Evidence, logs: Mapping[str, Mapping[int, float]]) -> tuple[str | None, Interval | None]:
    by_baseline: dict[str, list[Mapping[int, float]]] = {}
    for cell in controls(evidence):
        if logs.get(cell.id):
            by_baseline.setdefault(cell.baseline, []).append(logs[cell.id])
    if not by_baseline:
        return None, None
    pooled = {baseline: noise.pooled(known) for baseline, known in by_baseline.items()}
    worst = max(pooled, key=lambda baseline: (pooled[baseline].n < 2, margins.floor(pooled[baseline])))
    return worst, pooled[worst]
