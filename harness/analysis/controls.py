"""How noisy comparisons of equals were: of whole calls, and of every stage by itself."""

from __future__ import annotations

from collections.abc import Mapping

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
    by_baseline: dict[str, list[Mapping[int, float]]] = {}
    for cell in controls(evidence):
        if cell.id in found and found[cell.id].trials:
            by_baseline.setdefault(cell.baseline, []).append(found[cell.id].trials)
    if not by_baseline:
        return None, None
    pooled = {baseline: noise.pooled(known) for baseline, known in by_baseline.items()}
    worst = max(pooled, key=lambda baseline: (pooled[baseline].n < 2, margins.floor(pooled[baseline])))
    return worst, pooled[worst]
