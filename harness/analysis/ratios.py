"""Ratios of times that no contrast gives: backward over forward pass of a cell, and a variant in two processes.

    (1)  passes   in one staged call  t(backward) / t(forward), of a stage or of all; per trial the median over its
                  quiet samples, then a ratio's interval over trials
    (2)  speedup  per trial  median t(under the first value) / median t(under the last), bare, over quiet samples; then
                  the same. The two are neighbours in time, in an order that changes from trial to trial (`schedule`)

The floor of (1) is that of its own kind (`controls.pass_floors`); (2) has its part's, of the noisiest process.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from harness.analysis.cells import kept, medians_by_trial, pass_times, passes_of
from harness.analysis.contrasts import Summaries
from harness.analysis.controls import pass_floors
from harness.analysis.evidence import Evidence
from harness.analysis.stage_contrasts import shortest_s, too_short
from harness.lookup import parted
from harness.records import Cell, Passes, Speedup
from harness.stats.interval import positive_interval


def passes(evidence: Evidence, summaries: Summaries) -> tuple[Passes, ...]:
    """Equation (1) of every cell that has both passes: of all stages together, then of each."""
    floors = pass_floors(evidence)
    return tuple(
        found
        for cell in _measured(evidence, summaries)
        for stage in ("", *evidence.part.stages)
        if (found := _passes(evidence, cell, stage, floors)) is not None
    )


def _measured(evidence: Evidence, summaries: Summaries) -> Iterator[Cell]:
    return (one for one in evidence.part.cells if not one.control and summaries[one.id].outcome == "measured")


def _passes(evidence: Evidence, cell: Cell, stage: str, floors: Mapping[str, float]) -> Passes | None:
    samples, disturbed = kept(evidence, cell.id, "staged")
    timed = [(block, sample) for block, sample in samples if min(pass_times(sample, stage)) > 0]
    if not timed:
        return None
    shortest = float(np.min(np.median([pass_times(sample, stage) for _, sample in timed], axis=0)))
    doubts = [f"{one}, so the passes are not compared" for one in disturbed]
    if stage not in floors:
        doubts.append("no control's passes were timed, so nothing says how noisy their ratio was")
    if shortest < shortest_s(evidence):
        doubts.append(too_short(shortest, evidence))
    trials = tuple(medians_by_trial(timed, passes_of(stage)).values())
    return Passes(
        part=evidence.part.name,
        cell=cell.id,
        stage=stage,
        ratio=positive_interval(trials),
        trials=trials,
        floor=floors.get(stage),
        doubt="; ".join(doubts),
    )


def speedups(evidence: Evidence, summaries: Summaries) -> tuple[Speedup, ...]:
    """Equation (2) of every variant under every combination of the part's other conditions."""
    part, condition = evidence.part, parted(evidence.part)
    if condition is None:
        return ()
    first, last = part.varied_conditions[condition][0], part.varied_conditions[condition][-1]
    others = [name for name in part.varied_conditions if name != condition]
    alike: dict[tuple[object, ...], dict[object, Cell]] = {}
    for cell in _measured(evidence, summaries):
        key = (tuple(sorted(cell.variant.items())), *(cell.conditions[name] for name in others))
        alike.setdefault(key, {})[cell.conditions[condition]] = cell
    return tuple(
        found
        for cells in alike.values()
        if first in cells and last in cells
        if (found := _speedup(evidence, condition, (cells[first], cells[last]), others)) is not None
    )


def _speedup(evidence: Evidence, condition: str, cells: tuple[Cell, Cell], others: Sequence[str]) -> Speedup | None:
    samples = [kept(evidence, cell.id, "bare") for cell in cells]
    first, last = (medians_by_trial(timed, lambda _, sample: sample.time_s) for timed, _ in samples)
    ratios = {trial: first[trial] / last[trial] for trial in first if trial in last}
    if not ratios:
        return None
    disturbed = [f"{cell.name}: {note}" for cell, (_, notes) in zip(cells, samples, strict=True) for note in notes]
    return Speedup(
        part=evidence.part.name,
        condition=condition,
        values=(cells[0].conditions[condition], cells[1].conditions[condition]),
        under={name: cells[0].conditions[name] for name in others},
        cells=(cells[0].id, cells[1].id),
        ratio=positive_interval(tuple(ratios.values())),
        trials=tuple(ratios.values()),
        trial_numbers=tuple(ratios),
        doubt="; ".join(disturbed),
    )
