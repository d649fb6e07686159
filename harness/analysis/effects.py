"""What each switch did: effects and Shapley shares of a full factorial, and switches that did nothing at all."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

import numpy as np

from harness.analysis.contrasts import Summaries
from harness.analysis.evidence import Evidence
from harness.lookup import baselines, changed
from harness.records import Cell, CellSummary, Effect, Part, ShapleyShare
from harness.stats import factorial
from harness.stats import margin as margins
from harness.stats.interval import ratio_interval, t_interval
from harness.stats.pairing import Paired

Found = Mapping[str, Paired]


def effects(
    evidence: Evidence, found: Found, summaries: Summaries
) -> tuple[tuple[Effect, ...], tuple[ShapleyShare, ...], tuple[str, ...]]:
    """Effects, shares and notes, per combination of conditions."""
    part = evidence.part
    if part.design != "full_factorial":
        return (), (), ()
    many = [name for name, levels in part.factors.items() if len(levels) != 2]
    if many:
        return (), (), (f"no effects: {', '.join(many)} has not two levels",)
    listed: list[Effect] = []
    shares: list[ShapleyShare] = []
    notes: dict[str, None] = {}
    for baseline in baselines(part):
        y, missing = _responses(part, baseline, found, summaries)
        if y is None:
            notes[f"no effects: {missing}"] = None
            continue
        conditions = {name: baseline.conditions[name] for name in part.varied_conditions}
        listed += _effects(part, conditions, y)
        notes |= dict.fromkeys(_doubts(part, baseline, found))
        more = _shares(part, conditions, y)
        shares += more
        if not more:
            notes["no Shapley shares: the total of all changes cannot be told from zero"] = None
    return tuple(listed), tuple(shares), tuple(notes)


def _responses(part: Part, baseline: Cell, found: Found, summaries: Summaries) -> tuple[factorial.Array | None, str]:
    """y[n, 2, ..., 2], log time ratios to the all-low cell, or why there is none."""
    logs: dict[tuple[int, ...], Mapping[int, float] | None] = {}
    for levels, cell in _corners(part, baseline):
        if cell is None:
            changes = _changes(part, levels)
            return None, "cell " + ", ".join(f"{k}={v}" for k, v in changes.items()) + " was not planned"
        summary = summaries[cell.id]
        if summary.outcome != "measured" or summary.sameness == "broken":
            return None, f"cell {cell.name} is {_lacking(summary)}"
        logs[levels] = None if cell.id == baseline.id else found[cell.id].trials
    known = [set(trials) for trials in logs.values() if trials is not None]
    common = sorted(set.intersection(*known)) if known else []
    if len(common) < 2:
        return None, "fewer than two trials hold every cell"
    y = np.zeros((len(common), *(2,) * len(part.factors)))
    for levels, trials in logs.items():
        if trials is not None:
            y[factorial.cell(levels)] = [trials[number] for number in common]
    return y, ""


def _corners(part: Part, baseline: Cell) -> Iterator[tuple[tuple[int, ...], Cell | None]]:
    for levels in itertools.product((0, 1), repeat=len(part.factors)):
        yield levels, changed(part, baseline, _changes(part, levels))


def _changes(part: Part, levels: tuple[int, ...]) -> dict[str, str]:
    return {name: part.factors[name][level] for name, level in zip(part.factors, levels, strict=True)}


def _doubts(part: Part, baseline: Cell, found: Found) -> Iterator[str]:
    """What a reader must know of the contrasts that enter the effects under one baseline's conditions."""
    corners = {cell.id: cell for _, cell in _corners(part, baseline) if cell is not None and cell.id != baseline.id}
    used = {cell.name: found[name] for name, cell in corners.items()}
    clocks = {name: pairs.clock for name, pairs in used.items()}
    if len(set(clocks.values())) > 1:
        cpu = ", ".join(name for name, clock in clocks.items() if clock == "cpu")
        yield f"effects and shares mix two clocks: {cpu} by process CPU time, the other cells by the wall clock"
    degraded = [name for name, pairs in used.items() if pairs.degraded]
    if degraded:
        over = f"over half the pairs of {', '.join(degraded)} were disturbed"
        yield f"effects and shares are degraded: {over}, and all are used"


def _lacking(summary: CellSummary) -> str:
    return summary.outcome if summary.outcome != "measured" else "invalid"


def _effects(part: Part, conditions: Mapping[str, int | float | str | bool], y: factorial.Array) -> Iterator[Effect]:
    names = list(part.factors)
    chosen = [(i,) for i in range(len(names))] + list(itertools.combinations(range(len(names)), 2))
    for factors in chosen:
        logs = factorial.main_effect(y, *factors) if len(factors) == 1 else factorial.interaction(y, *factors)
        yield Effect(
            part=part.name,
            conditions=dict(conditions),
            factors=tuple(names[i] for i in factors),
            levels=tuple((part.factors[names[i]][0], part.factors[names[i]][1]) for i in factors),
            ratio=ratio_interval(logs.tolist()),
        )


def _shares(part: Part, conditions: Mapping[str, int | float | str | bool], y: factorial.Array) -> list[ShapleyShare]:
    """None at all where the interval of the total holds zero: a fraction of nothing means nothing."""
    values, total = factorial.shapley(y), factorial.total(y)
    whole = t_interval(total.tolist())
    if whole.low <= 0 <= whole.high or not np.all(np.sign(total) == np.sign(whole.point)):
        return []
    return [
        ShapleyShare(
            part=part.name,
            conditions=dict(conditions),
            factor=name,
            ratio=ratio_interval(values[:, i].tolist()),
            fraction=t_interval((values[:, i] / total).tolist()),
        )
        for i, name in enumerate(part.factors)
    ]


def dead_switches(evidence: Evidence, found: Found, summaries: Summaries) -> tuple[str, ...]:
    """Varied switches that changed nothing anyone could see.

    In every pair of cells that differ only in such a switch, outputs and parameters are equal bit by bit, all probes
    read the same, and the time ratio is equivalent: its interval lies inside the margin. One difference acquits.
    """
    return tuple(name for name in evidence.part.factors if _dead(name, evidence, found, summaries))


def _dead(switch: str, evidence: Evidence, found: Found, summaries: Summaries) -> bool:
    measured = [c for c in evidence.part.cells if not c.control and summaries[c.id].outcome == "measured"]
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
    return len(logs) >= 2 and margins.call(ratio_interval(logs), evidence.margin) == "same"


def _between(one: Cell, other: Cell, found: Found) -> list[float]:
    """Log time ratios other / one per trial, both paired with the same baseline."""
    logs = [None if cell.id == cell.baseline else found[cell.id].trials for cell in (one, other)]
    common = set.intersection(*(set(trials) for trials in logs if trials is not None))
    return [(logs[1] or {}).get(n, 0.0) - (logs[0] or {}).get(n, 0.0) for n in sorted(common)]
