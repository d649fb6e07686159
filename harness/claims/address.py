"""From an address to the numbers that stand there: one reading per combination of conditions and repeated switches."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.claims.ledger import Address
from harness.conditions import shown_value
from harness.lookup import baselines, changed, growing
from harness.records import Cell, CellSummary, Contrast, Growth, Interval, Part, PartAnalysis, Value
from harness.stats.interval import ratio_interval, t_interval

COMPARED = ("reduction", "ratio")
"""Metrics that set the times of two cells against each other."""
TIMED = ("share", *COMPARED, "growth")
"""Metrics that come from a clock: a noisy machine touches these, and only these."""


GROWN = {"growth": "time", "memory_growth": "peak_bytes"}
"""Metrics that are read from several cells at once: there is one place for all values of the size they grow with."""


@dataclass(frozen=True)
class Place:
    """A cell, and the one it is compared with if the metric compares."""

    cell: Cell | None
    start: Cell | None
    where: str
    """What tells this place from the address's others, in words; empty where there is only one."""
    grown: tuple[str, ...] = ()
    """Ids of the cell under every value of the size it grows with, as planned."""


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


def places(address: Address, part: Part) -> list[Place]:
    return list(_places(address, part))


def _places(address: Address, part: Part) -> Iterator[Place]:
    levels = [[(name, level) for level in chosen] for name, chosen in address.each.items()]
    size = growing(part) if address.metric in GROWN else None
    if contradicted(address, part):
        return
    for alike in _alike(part, size):
        if not _picked(alike[0].conditions, address.where):
            continue
        others = {name: alike[0].conditions[name] for name in part.varied_conditions if name != size}
        for repeated in itertools.product(*levels):
            found = [_place(address, part, baseline, dict(repeated), others, size) for baseline in alike]
            yield next((place for place in found if place.cell and place.start), found[0])


def contradicted(address: Address, part: Part) -> str:
    """Why the address means nothing in this part; empty where it means something."""
    size = growing(part) if address.metric in GROWN else None
    if size is None or size not in address.where:
        return ""
    return f"its address picks values of {size}, and {address.metric} is read over all of them; without them would do"


def _alike(part: Part, size: str | None) -> list[list[Cell]]:
    """Baselines that differ in nothing but the size; without one each by itself."""
    found: dict[tuple[Value, ...], list[Cell]] = {}
    for baseline in baselines(part):
        key = tuple(baseline.conditions[name] for name in part.varied_conditions if name != size)
        found.setdefault(key, []).append(baseline)
    return list(found.values())


def _place(
    address: Address,
    part: Part,
    baseline: Cell,
    repeated: dict[str, str],
    others: Mapping[str, Value],
    size: str | None,
) -> Place:
    start = changed(part, baseline, {**repeated, **address.start})
    cell = _named(part, baseline, address.cell) if address.cell else None
    if address.cell is None:
        cell = changed(part, baseline, {**repeated, **address.start, **address.changes})
    grown = _grown(part, cell, others) if size and cell else ()
    return Place(cell, start, _words({**others, **repeated}), grown)


def _grown(part: Part, cell: Cell, others: Mapping[str, Value]) -> tuple[str, ...]:
    return tuple(
        one.id
        for one in part.cells
        if not one.control and one.variant == cell.variant and all(one.conditions[n] == others[n] for n in others)
    )


def _picked(conditions: Mapping[str, Value], where: Mapping[str, list[Value]]) -> bool:
    return all(conditions.get(name) in values for name, values in where.items())


def _named(part: Part, baseline: Cell, name: str) -> Cell | None:
    """Under varied conditions a cell carries them behind its name."""
    full = name + "".join(f", {key}={shown_value(baseline.conditions[key])}" for key in part.varied_conditions)
    family = [cell for cell in part.cells if cell.baseline == baseline.id and not cell.control]
    return next((cell for cell in family if full == cell.name or full in cell.merged), None)


def _words(varied: Mapping[str, Value]) -> str:
    return ", ".join(f"{name}={shown_value(value)}" for name, value in varied.items())


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
    return _probe(address, _summary(analysis, cell), _summary(analysis, start))


def _share(address: Address, summary: CellSummary, floors: Mapping[str, float]) -> Reading:
    shares = summary.stage_shares.get(address.stage or "")
    if not shares:
        return Reading(None, note=f"stage {address.stage} was not timed in {summary.name}")
    percent = tuple(100 * share for share in shares)
    disturbed = (
        f"other work on the machine disturbed over half the stage timings of {summary.name}; all of them are used, so "
        "the share is shown but not called"
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


def reduced(ratio: Interval) -> Interval:
    """A time ratio as a reduction of time in %."""
    return Interval(point=100 * (1 - ratio.point), low=100 * (1 - ratio.high), high=100 * (1 - ratio.low), n=ratio.n)


def widened(metric: str, interval: Interval, floor: float) -> Interval:
    """The interval with the noise floor f on both sides, of a reduction or share in %; of a growth with its slack.

    A floor is a time ratio of equals, so it acts on what a clock gave: a time ratio r in [r_low, r_high] lies in
    r_low / (1 + f) to r_high (1 + f), and with r = 1 - reduction / 100 the reduction in 100 (1 - r_high (1 + f)) to
    100 (1 - r_low / (1 + f)). Of a share s it acts on the odds s / (1 - s): from those of the low end / (1 + f) to
    those of the high end (1 + f), with the floor of shares where the controls tell one. A counter has no floor.
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


def guarded_cells(address: Address, place: Place, analysis: PartAnalysis) -> Sequence[CellSummary]:
    """Every cell the number leans on: if one failed or gives other numbers, so does the claim."""
    compares = address.metric in (*COMPARED, "probe_change")
    cells = [cell for cell in (place.cell, place.start if compares else None) if cell is not None]
    ids = {cell.id for cell in cells} | ({cell.baseline for cell in cells} if address.metric in COMPARED else set())
    if address.metric in GROWN:
        ids = set(place.grown)
    return [summary for summary in analysis.cells if summary.cell in ids]
