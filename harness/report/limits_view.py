"""How far each stage is from what this machine can do at best: floor within time, and the ceilings they come from."""

from __future__ import annotations

import math
from collections.abc import Iterator

from harness.records import CellSummary, Interval, Manifest, Part, PartAnalysis, StageLimit
from harness.report import numbers, words
from harness.report.lookup import Run
from harness.report.shown import Bar, Block, Column, Entry, Figure, Row, Rows, Section, Table
from harness.report.text import label, safe, slug

LEAD = (
    "A floor is the least time this machine could need for a stage: its FLOPs at the highest rate that a matrix "
    "product was measured to reach here, or the bytes that must cross memory at the least at the highest rate that a "
    "copy reached, whichever takes longer: bound by arithmetic, or by bandwidth. What computes the same cannot be "
    "faster, unless its data never leave a cache; so times over floor says how much better code could still gain at "
    "the very most.",
    "FLOPs and bytes come from the system's own formulas, the rates from this machine. Times of stages are those of "
    "the instrumented arm, the whole call is timed bare, and its floor is the sum of its stages' floors.",
)
WHOLE = "whole call"


def limits_section(run: Run) -> Section:
    blocks = [block for plan, part in run.pairs() if (block := _block(plan, part, run))]
    if not blocks:
        return Section("limits", "How far from the limit?", (_none(run),), ())
    return Section("limits", "How far from the limit?", LEAD, (*blocks, _ceilings(run.manifest)))


def farthest(run: Run) -> str:
    """The stage farthest from its floor, on one line; the whole call where a system has no stages."""
    known = [
        (limit.over_floor.point, limit, cell, part)
        for part in run.analysis.parts
        for cell in _shown(part, run)
        for limit in _stages_first(cell)
        if limit.over_floor
    ]
    if not known:
        return ""
    _, limit, cell, part = max(known, key=lambda each: each[0])
    where = ", ".join(filter(None, (run.title(part.part), label(cell.name))))
    return f"Farthest from its floor: {_name(limit)} of {where}, {_times(limit)} the floor, bound by {limit.bound}."


def faults(part: PartAnalysis) -> Iterator[str]:
    for cell in part.cells:
        for limit in cell.limits:
            if limit.fault:
                yield f"{label(cell.name)}, {_name(limit)}: {safe(limit.fault)} ({_times(limit)} the floor)."


def _none(run: Run) -> str:
    cells = [cell for part in run.manifest.plan.parts for cell in part.cells]
    if not any(cell.costs for cell in cells):
        return "The systems of this run state no formulas for FLOPs and bytes, so no floor is known."
    if not run.manifest.ceilings:
        return (
            "No ceilings of this machine were measured for this run, so there is nothing to draw a floor from; "
            "`semh ceilings` measures them, and runs read them from then on."
        )
    return "No cell gave a time that could be held against a floor."


def _block(plan: Part, part: PartAnalysis, run: Run) -> Block | None:
    cells = _shown(part, run)
    if not cells:
        return None
    first = _first(cells, run)
    others = [cell for cell in cells if cell not in first]
    items: list[Table | Figure] = [_figure(first, plan), _table(first, "Times over floor", folded=False)]
    if others:
        title = f"Times over floor of {words.count(len(others), 'other cell')}"
        items.append(_table(others, title, folded=True))
    return Block(
        run.title(plan.name),
        words.under(plan),
        tuple(_without(part)),
        tuple(items),
        tuple(faults(part)),
        "Times over floor" if plan.reads else "",
    )


def _shown(part: PartAnalysis, run: Run) -> list[CellSummary]:
    return [cell for cell in part.cells if cell.limits and not run.is_control(cell)]


def _first(cells: list[CellSummary], run: Run) -> list[CellSummary]:
    """A baseline, and the fastest of the cells that are compared with it."""
    baselines = [cell for cell in cells if _baseline(cell, run) == cell.cell]
    if not baselines:
        return cells[:1]
    compared = [cell for cell in cells if cell.time_s and _baseline(cell, run) == baselines[0].cell]
    fastest = min(compared, key=lambda cell: cell.time_s.point if cell.time_s else 0.0, default=baselines[0])
    return [baselines[0]] if fastest is baselines[0] else [baselines[0], fastest]


def _baseline(cell: CellSummary, run: Run) -> str:
    return run.cells[cell.part, cell.cell].baseline if (cell.part, cell.cell) in run.cells else ""


def _without(part: PartAnalysis) -> Iterator[str]:
    broken = [label(cell.name) for cell in part.cells if cell.sameness == "broken"]
    if broken:
        yield f"Without a floor, because the outputs are wrong and the arithmetic was not done: {words.listed(broken)}."


def _stages_first(cell: CellSummary) -> tuple[StageLimit, ...]:
    return tuple(limit for limit in cell.limits if limit.stage) or cell.limits


def _name(limit: StageLimit) -> str:
    return f"{label(limit.stage)} {limit.direction}" if limit.stage else WHOLE


def _times(limit: StageLimit) -> str:
    over = limit.over_floor
    return f"{numbers.with_interval(over)} times" if over else "not timed, so no multiple of"


def _figure(cells: list[CellSummary], plan: Part) -> Figure:
    factor, unit = numbers.time_unit(limit.time_s.point for cell in cells for limit in cell.limits if limit.time_s)
    rows: list[Row] = []
    for cell in cells:
        if len(cell.limits) > 1:
            rows.append(Row(label(cell.name), heading=True))
        rows += [_row(limit, cell, factor, named=len(cell.limits) > 1) for limit in cell.limits if limit.time_s]
    return Figure(
        f"limits-{slug(plan.name)}",
        "How much of the time is the floor?",
        "The whole bar is the time, its dark part the floor: what lies between is neither arithmetic nor traffic that "
        "must be. Whiskers are 95 % intervals; in brackets the floor over the time, the fraction of the roofline.",
        Rows(f"time of one call, {unit}", tuple(rows)),
    )


def _row(limit: StageLimit, cell: CellSummary, factor: float, *, named: bool) -> Row:
    time = limit.time_s
    assert time is not None
    bars = (Bar(0, time.point * factor, "peak"), Bar(0, limit.floor_s * factor, "before"))
    name = _name(limit) if named else label(cell.name)
    over = limit.over_floor
    value = f"{numbers.with_interval(over)} times ({numbers.share(1 / over.point)})" if over else limit.bound
    return Row(name, value, bars, low=time.low * factor, high=time.high * factor)


def _table(cells: list[CellSummary], caption: str, *, folded: bool) -> Table:
    factor, unit = numbers.time_unit(limit.time_s.point for cell in cells for limit in cell.limits if limit.time_s)
    columns = (
        Column("Cell"),
        Column("Stage"),
        Column(f"Time, {unit} [95 % interval]", True),
        Column(f"Floor, {unit}", True),
        Column("Bound by"),
        Column("Times over floor [95 % interval]", True),
        Column("Of the roofline, % [95 % interval]", True),
        Column("n, trials", True),
    )
    rows = tuple(_line(cell, limit, factor) for cell in cells for limit in cell.limits)
    return Table(caption, columns, rows, folded)


def _line(cell: CellSummary, limit: StageLimit, factor: float) -> tuple[Entry, ...]:
    time, over = limit.time_s, limit.over_floor
    return (
        Entry(label(cell.name)),
        Entry(_name(limit)),
        Entry(numbers.with_interval(time, factor) if time else "not timed"),
        Entry(numbers.brief(limit.floor_s * factor)),
        Entry(limit.bound),
        Entry(numbers.with_interval(over) if over else "", note="below its floor" if limit.fault else ""),
        Entry(numbers.with_interval(_of_roofline(over), 100) if over else ""),
        Entry(str(time.n) if time else ""),
    )


def _of_roofline(over: Interval) -> Interval:
    """Floor over time: the same number the other way round, its ends exchanged."""
    high = 1 / over.low if over.low > 0 else math.inf
    return Interval(point=1 / over.point, low=1 / over.high, high=high, n=over.n)


def _ceilings(manifest: Manifest) -> Block:
    columns = (
        Column("Device"),
        Column("Threads", True),
        Column("Allocator"),
        Column("Dtype"),
        Column("Copy, GB/s", True),
        Column("Products, GFLOP/s", True),
        Column("Spread, %", True),
        Column("Lost share, %", True),
        Column("Measured, UTC"),
    )
    rows = tuple(
        (
            Entry(label(one.device)),
            Entry(str(one.threads)),
            Entry(label(one.allocator)),
            Entry(label(one.dtype)),
            Entry(numbers.brief(one.copy_bytes_per_s / 1e9)),
            Entry(numbers.brief(one.gemm_flops_per_s / 1e9)),
            Entry(numbers.brief(100 * one.spread, 2)),
            Entry("" if one.lost_share is None else numbers.brief(100 * one.lost_share, 2)),
            Entry(label(one.measured.replace("T", " ").removesuffix("+00:00"))),
        )
        for one in manifest.ceilings
    )
    sentences = (
        "The best sustained rates under the conditions of each cell. Copied bytes are those read plus those written; "
        "FLOPs are real ones, eight for a complex multiply-add. Of the real and the complex product of a cell's "
        "precision the faster one counts. Spread is how far the slowest repetition fell below the fastest, lost share "
        "what other programs took of the least disturbed one: on a machine that was never undisturbed the ceilings are "
        "too low, and the floors lie too high.",
    )
    return Block("Ceilings of this machine", "", sentences, (Table("Ceilings", columns, rows),))
