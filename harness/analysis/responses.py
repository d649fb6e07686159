"""The cells a design's estimates need, and their log time ratios to the baseline in every trial that holds them all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.analysis.contrasts import Summaries
from harness.lookup import changed
from harness.records import Cell, CellSummary, Part
from harness.stats.factorial import Array
from harness.stats.pairing import Paired

Found = Mapping[str, Paired]
Changes = Mapping[str, str]
"""Factor -> level."""


@dataclass(frozen=True)
class Responses:
    cells: tuple[Cell, ...]
    y: Array
    """[n, R]: one column per cell; that of the baseline is zero."""


class MissingError(ValueError):
    """Why there are no responses, in words."""


def responses(part: Part, baseline: Cell, wanted: Sequence[Changes], found: Found, summaries: Summaries) -> Responses:
    """Of the cells that differ from `baseline` by each of `wanted`; one cell may stand in several columns."""
    cells = tuple(_cell(part, baseline, changes, summaries) for changes in wanted)
    logs = [None if cell.id == baseline.id else found[cell.id].trials for cell in cells]
    known = [set(trials) for trials in logs if trials is not None]
    common = sorted(set.intersection(*known)) if known else []
    if len(common) < 2:
        raise MissingError("fewer than two trials hold every cell")
    columns = [[0.0] * len(common) if trials is None else [trials[number] for number in common] for trials in logs]
    return Responses(cells, np.array(columns).T)


def _cell(part: Part, baseline: Cell, changes: Changes, summaries: Summaries) -> Cell:
    cell = changed(part, baseline, changes)
    if cell is None:
        named = ", ".join(f"{name}={level}" for name, level in changes.items())
        raise MissingError(f"cell {named} was not planned")
    summary = summaries[cell.id]
    if summary.outcome != "measured" or summary.sameness == "broken":
        raise MissingError(f"cell {cell.name} is {_lacking(summary)}")
    return cell


def _lacking(summary: CellSummary) -> str:
    return summary.outcome if summary.outcome != "measured" else "invalid"


def doubts(what: str, cells: Sequence[Cell], found: Found) -> Iterator[str]:
    """What a reader must know of the contrasts that enter estimates over these cells."""
    used = {cell.name: found[cell.id] for cell in cells if cell.id != cell.baseline}
    clocks = {name: pairs.clock for name, pairs in used.items()}
    if len(set(clocks.values())) > 1:
        cpu = ", ".join(name for name, clock in clocks.items() if clock == "cpu")
        yield f"{what} mix two clocks: {cpu} by process CPU time, the other cells by the wall clock"
    degraded = [name for name, pairs in used.items() if pairs.degraded]
    if degraded:
        over = f"over half the pairs of {', '.join(degraded)} were disturbed"
        yield f"{what} are degraded: {over}, and all are used"
