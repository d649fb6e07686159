"""How noisy comparisons of equals were: of whole calls, of every stage by itself, and of its share of a call."""

from __future__ import annotations

from collections.abc import Mapping

from scipy.special import logit

from harness.analysis.cells import kept, medians_by_trial, share_of
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
    cells = {cell for control in controls(evidence) for cell in (control.id, control.baseline)}
    timed = {cell: [one for one in kept(evidence, cell, "staged")[0] if one[1].stages] for cell in cells}
    found = {}
    for stage in evidence.part.stages:
        shares = {cell: medians_by_trial(timed[cell], share_of(stage)) for cell in cells}
        logs = {one.id: _log_odds(shares[one.id], shares[one.baseline]) for one in controls(evidence)}
        _, differed = _worst(evidence, logs)
        if differed and differed.n >= 2:
            found[stage] = margins.floor(differed)
    return found


def _log_odds(ours: Mapping[int, float], theirs: Mapping[int, float]) -> dict[int, float]:
    """Of two sets of shares, trial by trial: the log of the ratio of their odds."""
    both = [trial for trial in ours if trial in theirs and 0 < ours[trial] < 1 and 0 < theirs[trial] < 1]
    return {trial: float(logit(ours[trial]) - logit(theirs[trial])) for trial in both}


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
