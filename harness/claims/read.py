"""From a place to the number that stands there, with its doubt, and what noise may have done to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from harness.claims.address import COMPARED, GROWN, Place
from harness.claims.formula import FormulaError, evaluate, names_in
from harness.claims.ledger import Address
from harness.records import Cell, CellSummary, Contrast, Growth, Interval, PartAnalysis
from harness.stats.interval import ratio_interval, t_interval

TIMED = ("share", *COMPARED, "growth", "passes", "speedup")
"""Metrics that come from a clock: a noisy machine touches these, and only these."""

HELD = ("allocator_peak_bytes", "gradient_bytes", "peak_gradient_bytes")
"""What a reading of memory is made of."""


@dataclass(frozen=True)
class Reading:
    """A number with its doubt, in the claim's unit; no interval where there is no number."""

    interval: Interval | None
    trials: tuple[float, ...] = ()
    note: str = ""
    doubt: str = ""
    """Why it is not fit to judge by; empty where it is."""
    floor: float | None = None
    """The noise floor it must clear, where that is not its part's."""
    slack: float | None = None
    """What the noise floor can do to it, where that is not told by the floor itself."""
    bound: str = "the noise floor"
    """What it must clear, in words."""


def read(address: Address, place: Place, analysis: PartAnalysis) -> Reading:
    cell, start = place.cell, place.start
    assert cell is not None
    assert start is not None
    if address.metric == "share":
        return _share(address, _summary(analysis, cell), analysis.share_floors)
    if address.metric in COMPARED:
        return _compared(address.metric, cell, start, analysis)
    if address.metric in GROWN:
        return _growth(address, cell, analysis)
    if address.metric == "passes":
        return _passes(address, cell, analysis)
    if address.metric == "speedup":
        return _speedup(cell, analysis)
    if address.metric == "memory":
        return _memory(address, cell, _summary(analysis, cell), _summary(analysis, start))
    return _probe(address, _summary(analysis, cell), _summary(analysis, start))


def _share(address: Address, summary: CellSummary, floors: Mapping[str, float]) -> Reading:
    shares = summary.stage_shares.get(address.stage or "")
    if not shares:
        return Reading(None, note=f"stage {address.stage} was not timed in {summary.name}")
    percent = tuple(100 * share for share in shares)
    disturbed = (
        f"over half the stage timings of {summary.name} were disturbed; all of them are used, so the share is shown "
        "but not called"
    )
    doubt = disturbed if summary.degraded else ""
    floor = floors.get(address.stage or "")
    if floor is None:
        return Reading(t_interval(percent), percent, doubt=doubt)
    return Reading(t_interval(percent), percent, doubt=doubt, floor=floor, bound="the noise floor of shares")


def _compared(metric: str, cell: Cell, start: Cell, analysis: PartAnalysis) -> Reading:
    compared = [one for one in (_contrast(analysis, cell), _contrast(analysis, start)) if one is not None]
    ratios = _ratios(cell, start, analysis)
    if not ratios:
        return Reading(None, note="no finished trial holds both cells")
    interval = ratio_interval(np.log(ratios).tolist())
    as_reduction = metric == "reduction"
    return Reading(
        reduced(interval) if as_reduction else interval,
        tuple(100 * (1 - ratio) if as_reduction else ratio for ratio in ratios),
        note="; ".join(one.reason for one in compared if one.clock == "cpu"),
        doubt="; ".join(one.reason for one in compared if one.degraded),
    )


def _growth(address: Address, cell: Cell, analysis: PartAnalysis) -> Reading:
    found = _growth_of(address, cell, analysis)
    if found is None:
        return Reading(None, note="the part varies no size, or fewer than three of its cells gave numbers")
    clock = "read from process CPU time" if found.clock == "cpu" else ""
    return Reading(found.slope, found.trials, clock, found.doubt, found.floor, found.slack)


def _growth_of(address: Address, cell: Cell, analysis: PartAnalysis) -> Growth | None:
    wanted = (GROWN[address.metric], address.stage or "", "forward")
    alike = (one for one in analysis.growths if (one.quantity, one.stage, one.direction) == wanted)
    return next((one for one in alike if cell.id in one.cells), None)


def _passes(address: Address, cell: Cell, analysis: PartAnalysis) -> Reading:
    stage = address.stage or ""
    found = next((one for one in analysis.passes if (one.cell, one.stage) == (cell.id, stage)), None)
    if found is None:
        told = f"stage {stage}" if stage else "a forward and a backward pass"
        return Reading(None, note=f"{told} of {_summary(analysis, cell).name} was not timed in both directions")
    return Reading(
        found.ratio, found.trials, doubt=found.doubt, floor=found.floor, bound="the noise floor of the passes"
    )


def _speedup(cell: Cell, analysis: PartAnalysis) -> Reading:
    found = next((one for one in analysis.speedups if cell.id in one.cells), None)
    if found is None:
        do = "a part that varies one, such as threads, with as many cores as it asks for, would do"
        return Reading(None, note=f"its cells were not measured under two values of a condition of the process; {do}")
    return Reading(found.ratio, found.trials, doubt=found.doubt)


def _memory(address: Address, cell: Cell, summary: CellSummary, start: CellSummary) -> Reading:
    """Bytes repeat exactly: a number without an interval."""
    used = (summary,) if address.of else (summary, start)
    try:
        held = _bytes(address.beside, cell)
        stated = _bytes(address.of, cell) if address.of else None
    except FormulaError as error:
        return Reading(None, note=str(error))
    lacking = next(filter(None, map(_unread, used)), "")
    above, below = above_bytes(summary), above_bytes(start)
    whole = stated if below is None or address.of else below - held
    if lacking or above is None or whole is None:
        return Reading(None, note=lacking)
    if whole <= 0:
        return Reading(None, note=f"{whole:.6g} bytes are no whole that {summary.name} could take a part of")
    if above <= held:
        left = f"{above - held:.6g} bytes are left"
        return Reading(None, note=f"of the peak of {summary.name} {left}: more is taken off than it can have held")
    value = 100 * (above - held) / whole
    differed = (f"two readings of {_told(one)} of {one.name} differ" for one in used if _told(one))
    return Reading(Interval(point=value, low=value, high=value, n=1), (value,), doubt="; ".join(differed))


def above_bytes(summary: CellSummary) -> int | None:
    """Peak of a call above what was alive before it, and above those of its parameters' gradients that were there."""
    if summary.allocator_peak_bytes is None or summary.peak_gradient_bytes is None:
        return None
    return summary.allocator_peak_bytes - summary.peak_gradient_bytes


def _unread(summary: CellSummary) -> str:
    if summary.allocator_peak_bytes is None or summary.gradient_bytes is None:
        return f"no memory above its gradients was read of {summary.name}"
    if summary.peak_gradient_bytes is None:
        return f"which gradients {summary.name} held at its peak was not read"
    return ""


def _told(summary: CellSummary) -> str:
    return ", ".join(name for name in HELD if name in summary.differing)


def _bytes(formula: str, cell: Cell) -> float:
    """A formula over the numbers among the cell's own conditions; 0 where there is none."""
    if not formula:
        return 0.0
    used = names_in(formula)
    numbers = {name: float(value) for name, value in cell.conditions.items() if not isinstance(value, str)}
    return evaluate(formula, {name: number for name, number in numbers.items() if name in used})[0]


def reduced(ratio: Interval) -> Interval:
    """A time ratio as a reduction of time in %."""
    return Interval(point=100 * (1 - ratio.point), low=100 * (1 - ratio.high), high=100 * (1 - ratio.low), n=ratio.n)


def widened(metric: str, interval: Interval, floor: float) -> Interval:
    """The interval with the noise floor f on both sides, of a reduction or share in %; of a growth with its slack.

    A floor is a time ratio of equals, so it acts on what a clock gave: a time ratio r in [r_low, r_high] lies in
    r_low / (1 + f) to r_high (1 + f), and with r = 1 - reduction / 100 the reduction in 100 (1 - r_high (1 + f)) to
    100 (1 - r_low / (1 + f)). Of a share s it acts on the odds s / (1 - s): from those of the low end / (1 + f) to
    those of the high end (1 + f), with the floor of shares where the controls tell one. Ratios of two passes and of two
    processes are widened as time ratios are, the first by the floor of their own kind. A counter has no floor.
    """
    if metric not in TIMED:
        return interval
    low, high = interval.low, interval.high
    match metric:
        case "share":
            low, high = 100 * low / (100 + floor * (100 - low)), 100 * high * (1 + floor) / (100 + floor * high)
        case "growth":
            low, high = low - floor, high + floor
        case "reduction":
            low, high = 100 - (100 - low) * (1 + floor), 100 - (100 - high) / (1 + floor)
        case _:
            low, high = low / (1 + floor), high * (1 + floor)
    return interval.model_copy(update={"low": low, "high": high})


def _ratios(cell: Cell, start: Cell, analysis: PartAnalysis) -> list[float]:
    """time(cell) / time(start) per trial; two cells that are no baseline are compared through theirs."""
    ours, theirs = _contrast(analysis, cell), _contrast(analysis, start)
    if ours is None:
        return [1 / ratio for ratio in theirs.trials] if theirs is not None and cell.id == start.baseline else []
    if theirs is None:
        return list(ours.trials) if start.id == cell.baseline else []
    below = dict(zip(theirs.trial_numbers, theirs.trials, strict=True))
    above = dict(zip(ours.trial_numbers, ours.trials, strict=True))
    return [above[number] / below[number] for number in above if number in below]


def _contrast(analysis: PartAnalysis, cell: Cell) -> Contrast | None:
    return next((one for one in analysis.contrasts if one.cell == cell.id), None)


def _probe(address: Address, summary: CellSummary, start: CellSummary) -> Reading:
    """Counters are exact: one reading is the number, and its interval has no width."""
    name = address.probe or ""
    after, before = summary.probes.get(name), start.probes.get(name)
    if not isinstance(after, int | float):
        return Reading(None, note=f"probe {name} gave no number in {summary.name}")
    value = after * address.scale
    if address.metric == "probe_change":
        if not isinstance(before, int | float) or before == 0:
            return Reading(None, note=f"probe {name} gave no number in {start.name}")
        value = 100 * (1 - after / before)
    return Reading(Interval(point=value, low=value, high=value, n=1), (value,))


def _summary(analysis: PartAnalysis, cell: Cell) -> CellSummary:
    return next(summary for summary in analysis.cells if summary.cell == cell.id)
