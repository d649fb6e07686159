"""How time and memory of every variant grow with the condition that a part varies.

A part has growths where exactly one of its varied conditions is a size (`lookup.growing`). Its other varied conditions
are held fixed, combination by combination.
Slopes are made per trial, from the medians of that trial's quiet samples, whether its cells shared a process or not.

A word is taken away as from contrasts: a wrong output, a smoke run, one trial, outputs nobody compared, a stage that
is too short for its clock at some value, noise of unknown size, disturbed samples. Bytes repeat exactly: only a wrong
output takes their word away.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness.analysis.cells import BACKWARD, kept, medians_by_trial
from harness.analysis.contrasts import Summaries
from harness.analysis.evidence import Evidence
from harness.analysis.stage_contrasts import shortest_s, split, stage_noises, too_short
from harness.conditions import shown_value
from harness.lookup import LEAST_VALUES, growing
from harness.records import Block, Cell, CellSummary, Growth, Interval, Part, Sample, StageSize, Value
from harness.records.growth import Quantity
from harness.sameness import broken_because, unchecked_because
from harness.stats import growth
from harness.stats.interval import t_interval
from harness.stats.pairing import seconds


@dataclass(frozen=True)
class Family:
    """One variant under one combination of the other conditions: the cells that were measured, ascending."""

    condition: str
    values: tuple[float, ...]
    cells: tuple[Cell, ...]
    variant: str
    under: dict[str, Value]
    missing: str
    """Values that were planned and gave no numbers, in words."""


@dataclass(frozen=True)
class Curve:
    """What was read: y [n, K], seconds or bytes, one row per trial that holds every cell."""

    y: growth.Array
    clock: Literal["wall", "cpu", "none"]
    note: str = ""
    degraded: bool = False


def growths(
    evidence: Evidence, summaries: Summaries, unknown: Sequence[str], canary: Interval | None
) -> tuple[Growth, ...]:
    """Per variant: the whole call, its stages, then memory. `unknown`: why the noise of whole calls bounds nothing."""
    families = list(_families(evidence.part, summaries))
    noises = {"": (evidence.floor, tuple(unknown))} | (stage_noises(evidence, canary) if families else {})
    found: list[Growth] = []
    for family in families:
        broken = _broken(family, summaries)
        for key, (floor, reasons) in noises.items():
            curve = _times(evidence, family, key)
            if len(curve.y) and np.all(curve.y > 0):
                doubt = broken or _doubt(evidence, family, summaries, curve, reasons, key)
                found.append(_growth(family, "time", key, curve, floor or 0.0, doubt))
        for quantity, key, sizes in _sizes([summaries[cell.id] for cell in family.cells]):
            exact = Curve(np.array([sizes], dtype=np.float64), "none")
            found.append(_growth(family, quantity, key, exact, 0.0, broken))
    return tuple(found)


def _families(part: Part, summaries: Summaries) -> Iterator[Family]:
    condition = growing(part)
    if condition is None:
        return
    others = [name for name in part.varied_conditions if name != condition]
    alike: dict[tuple[object, ...], list[Cell]] = {}
    for cell in part.cells:
        if not cell.control:
            variant = tuple(sorted(cell.variant.items()))
            alike.setdefault((variant, *(cell.conditions[name] for name in others)), []).append(cell)
    for cells in alike.values():
        ordered = sorted(cells, key=lambda cell: float(cell.conditions[condition]))
        there = [cell for cell in ordered if summaries[cell.id].outcome == "measured"]
        gone = [cell for cell in ordered if cell not in there]
        if len(there) < LEAST_VALUES:
            continue
        yield Family(
            condition=condition,
            values=tuple(float(cell.conditions[condition]) for cell in there),
            cells=tuple(there),
            variant=_name(there[0], part),
            under={name: there[0].conditions[name] for name in others},
            missing="; ".join(f"{summaries[cell.id].name}: {summaries[cell.id].outcome}" for cell in gone),
        )


def _name(cell: Cell, part: Part) -> str:
    """Without the conditions that stand behind it."""
    suffix = "".join(f", {name}={shown_value(cell.conditions[name])}" for name in part.varied_conditions)
    return cell.name.removesuffix(suffix)


def _times(evidence: Evidence, family: Family, key: str) -> Curve:
    """Of whole calls where half the samples of a cell were disturbed: process CPU time over all of them, if the
    process ran one thread."""
    found = [kept(evidence, cell.id, "staged" if key else "bare") for cell in family.cells]
    disturbed = any(notes for _, notes in found)
    every = [sample for timed, _ in found for _, sample in timed]
    by_cpu = disturbed and not key and evidence.one_thread and all(sample.cpu_s for sample in every)

    def read(_: Block, sample: Sample) -> float:
        return (sample.cpu_s or 0.0) if by_cpu else seconds(sample, key)

    medians = [
        medians_by_trial([pair for pair in timed if not key or key in (pair[1].stages or {})], read)
        for timed, _ in found
    ]
    common = sorted(set.intersection(*(set(trials) for trials in medians)))
    y = np.array([[trials[number] for trials in medians] for number in common]).reshape(len(common), len(medians))
    note = "over half the samples of a cell were disturbed: read from process CPU time" if by_cpu else ""
    return Curve(y, "cpu" if by_cpu else "wall", note, disturbed and not by_cpu)


def _sizes(cells: Sequence[CellSummary]) -> Iterator[tuple[Quantity, str, tuple[int, ...]]]:
    """Those that every cell knows and that are above zero."""
    for quantity, key, sizes in _all_sizes(cells):
        known = tuple(size for size in sizes if size)
        if len(known) == len(cells):
            yield quantity, key, known


def _all_sizes(cells: Sequence[CellSummary]) -> Iterator[tuple[Quantity, str, list[int | None]]]:
    stages = [{_key(size): size for size in cell.stage_sizes} for cell in cells]
    keys = [key for key in stages[0] if all(key in found for found in stages)]
    yield "peak_bytes", "", [cell.allocator_peak_bytes for cell in cells]
    for key in keys:
        yield "peak_bytes", key, [found[key].peak_bytes for found in stages]
    yield "saved_bytes", "", [cell.saved_bytes for cell in cells]
    for key in keys:
        yield "saved_bytes", key, [found[key].saved_bytes for found in stages]


def _key(size: StageSize) -> str:
    return size.stage + (BACKWARD if size.direction == "backward" else "")


def _broken(family: Family, summaries: Mapping[str, CellSummary]) -> str:
    broken = [summaries[cell.id] for cell in family.cells if summaries[cell.id].sameness == "broken"]
    return broken_because(broken[0]) if broken else ""


def _doubt(
    evidence: Evidence, family: Family, summaries: Summaries, curve: Curve, unknown: Sequence[str], key: str
) -> str:
    if evidence.smoke:
        return "smoke gives no verdicts"
    if len(curve.y) < 2:
        return "one trial gives no interval"
    for cell in family.cells:
        if summaries[cell.id].sameness == "not checked":
            return unchecked_because(summaries[cell.id])
    shortest = float(np.min(_mean(curve.y)))
    if key and shortest < shortest_s(evidence):
        return too_short(shortest, evidence)
    if unknown:
        return "unstable host: " + "; ".join(unknown)
    return "degraded: over half the samples of a cell were disturbed, and all are used" if curve.degraded else ""


def _growth(family: Family, quantity: Quantity, key: str, curve: Curve, floor: float, doubt: str) -> Growth:
    stage, direction = split(key)
    x, y = family.values, curve.y
    slope, last = t_interval(growth.slopes(x, y).tolist()), t_interval(growth.last_slopes(x, y).tolist())
    mean = _mean(y).tolist()
    slack, last_slack = growth.slack(x, floor), growth.last_slack(x, floor)
    return Growth(
        part=family.cells[0].part,
        condition=family.condition,
        values=x,
        under=family.under,
        variant=family.variant,
        cells=tuple(cell.id for cell in family.cells),
        quantity=quantity,
        stage=stage,
        direction=direction,
        measured=tuple(mean),
        slope=slope,
        last=last,
        slack=slack,
        last_slack=last_slack,
        floor=floor,
        word="not settled" if doubt else growth.word(slope, slack),
        last_word="not settled" if doubt else growth.word(last, last_slack),
        fixed=(_fixed(x, y, x[0]), _fixed(x, y, x[-1])),
        line_misfit=growth.line_misfit(x, mean),
        power_misfit=growth.power_misfit(x, mean),
        clock=curve.clock,
        trials=tuple(growth.slopes(x, y).tolist()) if quantity == "time" else (),
        degraded=curve.degraded,
        doubt=doubt,
        note="; ".join(filter(None, (doubt, family.missing, curve.note))),
    )


def _mean(y: growth.Array) -> growth.Array:
    """Geometric, over trials, shape [K]."""
    return np.asarray(np.exp(np.mean(np.log(y), axis=0)))


def _fixed(x: Sequence[float], y: growth.Array, at: float) -> Interval:
    return t_interval([growth.line(x, row).share(at) for row in y.tolist()])
