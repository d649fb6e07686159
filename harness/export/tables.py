"""Which tables a run has. Their names, and those of their columns, stay: other programs read them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from harness.export.columns import Column, Kind, Scalar, Table, as_json, table
from harness.records import (
    Analysis,
    Block,
    Cell,
    CellReading,
    CellSummary,
    ClaimVerdict,
    Confirmation,
    Contrast,
    Effect,
    Growth,
    HalfNormal,
    Line,
    Manifest,
    MapPoint,
    PartAnalysis,
    Passes,
    Process,
    QuantilePoint,
    ReadingMove,
    Record,
    Sample,
    ShapleyShare,
    Speedup,
    StageLimit,
    StageSize,
    StageTime,
    Step,
)

Lines = Mapping[int, Sequence[Line]]
Keyed = Iterator[tuple[Sequence[Scalar], Record]]

CELL: dict[str, Kind] = {"part": "text", "cell": "text", "name": "text"}
PLANNED: dict[str, Kind] = {
    **{**CELL, "baseline": "text", "control": "truth", "beyond": "truth"},
    **{"variant": "text", "conditions": "text"},
}
NESTED = ("probes", "stages", "stage_sizes", "limits", "counters", "stage_shares")
LISTS = (
    *("cells", "contrasts", "stage_contrasts", "effects", "shapley", "steps", "half_normals", "readings"),
    *("reading_moves", "growths", "passes", "speedups"),
)
COMPARED: dict[str, Kind] = {**CELL, "stage": "text", "direction": "text"}
TAKEN: dict[str, Kind] = {
    **{"process": "whole", "of": "text", "counted": "truth", "part": "text", "group": "whole", "trial": "whole"},
    **{"block": "whole", "cell": "text", "name": "text", "arm": "text", "position": "whole"},
}


@dataclass(frozen=True)
class Told:
    """A run, and its cells by part and id."""

    manifest: Manifest
    analysis: Analysis
    lines: Lines
    cells: Mapping[tuple[str, str], Cell]

    def key(self, part: str, cell: str) -> tuple[str, str, str]:
        """As `CELL`."""
        known = self.cells.get((part, cell))
        return part, cell, known.name if known else cell

    def of_cells(self, nested: Callable[[CellSummary], Sequence[Record]]) -> Keyed:
        for part in self.analysis.parts:
            for cell in part.cells:
                yield from ((self.key(part.part, cell.cell), one) for one in nested(cell))

    def of_parts(self, nested: Callable[[PartAnalysis], Sequence[Record]]) -> Keyed:
        for part in self.analysis.parts:
            yield from (((part.part,), one) for one in nested(part))

    def contrasts(self) -> Iterator[Contrast]:
        for part in self.analysis.parts:
            yield from (*part.contrasts, *part.stage_contrasts)


def tables(manifest: Manifest, analysis: Analysis, lines: Lines) -> tuple[Table, ...]:
    cells = {(part.name, cell.id): cell for part in manifest.plan.parts for cell in part.cells}
    run = Told(manifest, analysis, lines, cells)
    return (*_of_claims(run), *_of_contrasts(run), *_of_effects(run), *_of_cells(run), *_of_samples(run))


def _of_claims(run: Told) -> Iterator[Table]:
    yield table(
        "claims", "a claim; stated, measured and defended in its `unit`", {}, ClaimVerdict, _alone(run.analysis.claims)
    )
    points = [((told.stage,), point) for told in run.analysis.maps for point in told.points]
    yield table("map", "the share of a mapped stage under one set of conditions", {"stage": "text"}, MapPoint, points)


def _alone(records: Sequence[Record]) -> Keyed:
    return (((), record) for record in records)


def _of_contrasts(run: Told) -> Iterator[Table]:
    found = [((*run.key(one.part, one.cell), one.stage, one.direction), one) for one in run.contrasts()]
    yield table(
        "contrasts",
        "a cell against its baseline: the time ratio of the whole call, or of a stage",
        COMPARED,
        Contrast,
        found,
        without=("trials", "trial_numbers", "confirmation"),
    )
    again = [(key, one.confirmation) for key, one in found if one.confirmation]
    yield table("confirmations", "a contrast measured once more", COMPARED, Confirmation, again)
    ratios = [
        (*key, number, ratio) for key, one in found for number, ratio in zip_longest(one.trial_numbers, one.trials)
    ]
    columns = [Column(name, kind) for name, kind in COMPARED.items()]
    yield Table(
        "contrast_trials",
        "the time ratio of one contrast in one trial",
        (*columns, Column("trial", "whole"), Column("ratio", "number")),
        tuple(ratios),
    )


def _of_effects(run: Told) -> Iterator[Table]:
    part: dict[str, Kind] = {"part": "text"}
    yield table(
        "effects",
        "a main effect or an interaction, as a time ratio high / low",
        part,
        Effect,
        run.of_parts(lambda each: each.effects),
    )
    yield table(
        "shapley", "a factor's share of the total speed-up", part, ShapleyShare, run.of_parts(lambda each: each.shapley)
    )
    yield table("steps", "one change on top of others", part, Step, run.of_parts(lambda each: each.steps))
    points = [
        ((one.part, as_json(one.conditions)), point)
        for each in run.analysis.parts
        for one in each.half_normals
        for point in one.points
    ]
    yield table(
        "half_normal",
        "an effect by its size, against its quantile",
        {**part, "conditions": "text"},
        QuantilePoint,
        points,
    )
    yield table(
        "half_normal_lines",
        "what Lenth's rule makes of one design's effects",
        part,
        HalfNormal,
        run.of_parts(lambda each: each.half_normals),
        without=("points",),
    )
    yield table(
        "growths", "how a quantity grows with a condition", part, Growth, run.of_parts(lambda each: each.growths)
    )
    yield table("passes", "backward over forward pass", part, Passes, run.of_parts(lambda each: each.passes))
    yield table(
        "speedups",
        "time under the first over time under the last value of a condition of the process",
        part,
        Speedup,
        run.of_parts(lambda each: each.speedups),
    )


def _of_cells(run: Told) -> Iterator[Table]:
    summaries = [(_planned(run, part.part, cell), cell) for part in run.analysis.parts for cell in part.cells]
    yield table("cells", "a cell: time, memory, outputs", PLANNED, CellSummary, summaries, without=NESTED)
    yield table("stages", "a stage's time and share", CELL, StageTime, run.of_cells(lambda cell: cell.stages))
    yield table("stage_memory", "a stage's memory", CELL, StageSize, run.of_cells(lambda cell: cell.stage_sizes))
    yield table(
        "limits",
        "a stage's time over the floor of this machine",
        CELL,
        StageLimit,
        run.of_cells(lambda cell: cell.limits),
    )
    counted = tuple(
        (*run.key(part.part, cell.cell), name, value)
        for part in run.analysis.parts
        for cell in part.cells
        for name, value in cell.counters.items()
    )
    columns = [Column(name, kind) for name, kind in CELL.items()]
    yield Table(
        "counters",
        "a number of a cell that repeats exactly",
        (*columns, Column("counter", "text"), Column("value", "number")),
        counted,
    )
    read = [(run.key(part.part, one.cell), one) for part in run.analysis.parts for one in part.readings]
    yield table("readings", "what a probe read in a cell, in the probe's unit", CELL, CellReading, read)
    yield table(
        "reading_moves",
        "between which cells a reading differs most",
        {"part": "text"},
        ReadingMove,
        run.of_parts(lambda each: each.reading_moves),
    )
    yield table(
        "parts", "a part: how quiet the machine was", {}, PartAnalysis, _alone(run.analysis.parts), without=LISTS
    )


def _planned(run: Told, part: str, summary: CellSummary) -> tuple[Scalar, ...]:
    cell = run.cells.get((part, summary.cell))
    if cell is None:
        return (part, summary.cell, summary.name, *[None] * 5)
    told = (cell.baseline, cell.control, cell.beyond, as_json(cell.variant), as_json(cell.conditions))
    return (*run.key(part, cell.id), *told)


def _of_samples(run: Told) -> Iterator[Table]:
    taken = list(_samples(run))
    yield table(
        "samples",
        "a timed sample; `counted`: of a trial that ended well; `quiet`: undisturbed, as it was recorded",
        {**TAKEN, "quiet": "truth"},
        Sample,
        (((*key, sample.quiet), sample) for key, sample in taken),
        without=("stages",),
    )
    stages = [(*key, name, time) for key, sample in taken for name, time in (sample.stages or {}).items()]
    columns = [Column(name, kind) for name, kind in TAKEN.items()]
    yield Table(
        "stage_samples",
        "the time of one stage in one sample; `.backward` of its backward pass",
        (*columns, Column("stage", "text"), Column("time_s", "number")),
        tuple(stages),
    )


def _samples(run: Told) -> Iterator[tuple[tuple[Scalar, ...], Sample]]:
    for process in run.manifest.processes:
        for line in run.lines[process.number]:
            if isinstance(line, Block):
                for sample in line.samples:
                    yield _taken(run, process, line, sample), sample


def _taken(run: Told, process: Process, block: Block, sample: Sample) -> tuple[Scalar, ...]:
    counted = process.process == "trial" and process.state == "done"
    _, cell, name = run.key(block.part, sample.cell)
    place = (block.part, block.group, block.trial, block.block)
    return (process.number, process.process, counted, *place, cell, name, sample.arm, sample.position)
