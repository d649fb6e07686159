"""Switches that did nothing at all."""

from __future__ import annotations

import itertools

from harness.analysis.contrasts import Summaries, bar_of
from harness.analysis.evidence import Evidence
from harness.analysis.responses import Found
from harness.records import Cell
from harness.stats import margin as margins


def dead_switches(evidence: Evidence, found: Found, summaries: Summaries) -> tuple[str, ...]:
    """Varied switches that changed nothing anyone could see.

    In every pair of cells that differ only in such a switch, outputs and parameters are equal bit by bit, all probes
    read the same, and the time ratio is equivalent: its interval and the noise floor lie inside the margin. One
    difference acquits.
    """
    return tuple(name for name in evidence.part.factors if _dead(name, evidence, found, summaries))


def _dead(switch: str, evidence: Evidence, found: Found, summaries: Summaries) -> bool:
    measured = [
        cell
        for cell in evidence.part.cells
        if not (cell.control or cell.beyond) and summaries[cell.id].outcome == "measured"
    ]
    compared = [
        (one, other)
        for one, other in itertools.combinations(measured, 2)
        if one.baseline == other.baseline and _differ_only_in(switch, one, other)
    ]
    return bool(compared) and all(_alike(one, other, evidence, found, summaries) for one, other in compared)


def _differ_only_in(switch: str, one: Cell, other: Cell) -> bool:
    return {name for name, level in one.variant.items() if other.variant.get(name) != level} == {switch}


def _alike(one: Cell, other: Cell, evidence: Evidence, found: Found, summaries: Summaries) -> bool:
    same, also = evidence.sameness.get(one.id), evidence.sameness.get(other.id)
    if same is None or also is None:
        return False
    if (same.output_digest, same.parameter_digest) != (also.output_digest, also.parameter_digest):
        return False
    if summaries[one.id].probes != summaries[other.id].probes:
        return False
    logs = _between(one, other, found)
    return margins.called(logs, evidence.margin, bar_of(evidence, evidence.floor)) == "same"


def _between(one: Cell, other: Cell, found: Found) -> list[float]:
    """Log time ratios other / one per trial, both paired with the same baseline."""
    logs = [None if cell.id == cell.baseline else found[cell.id].trials for cell in (one, other)]
    common = set.intersection(*(set(trials) for trials in logs if trials is not None))
    return [(logs[1] or {}).get(n, 0.0) - (logs[0] or {}).get(n, 0.0) for n in sorted(common)]
