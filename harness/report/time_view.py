"""Where the time goes: stages stated against measured, then peak memory on an axis of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from harness.records import CellSummary, ClaimVerdict, Interval, Part, PartAnalysis, StageTime
from harness.records.analysis import CLOSURE_GOAL
from harness.report import numbers, words
from harness.report.lookup import Run
from harness.report.ratios_view import passes_sentences
from harness.report.shown import Bar, Block, Column, Entry, Figure, Row, Rows, Section, Table
from harness.report.sizes_view import memory_sentences, memory_table
from harness.report.text import label, slug

DRAWN = 4


def time_section(run: Run) -> Section:
    blocks = tuple(block for plan, part in run.pairs() if (block := _block(plan, part, run)))
    lead: tuple[str, ...] = (
        "A stage's share is its own time over the sum of all stages, forward and backward, read in an instrumented "
        "arm of its own; whole-step times elsewhere in this report are measured bare.",
    )
    if any(_updates(cell) for part in run.analysis.parts for cell in part.cells):
        lead = (
            *lead,
            "A training step's update is the stage optimiser; the shares without it stand beside the others.",
        )
    none = ("This run timed no stages and read no peak memory.",)
    return Section("time", "Where does the time go?", lead if blocks else none, blocks)


def _block(plan: Part, part: PartAnalysis, run: Run) -> Block | None:
    staged = [cell for cell in part.cells if cell.stages and not run.is_control(cell)]
    items: list[Table | Figure] = [_stage_figure(cell, plan, run) for cell in staged[:DRAWN]]
    if staged:
        items.append(_stage_table(staged, run))
    memory = [cell for cell in part.cells if cell.peak_bytes is not None]
    if memory:
        items.append(_memory_figure(memory, plan))
    by_stage = memory_table(memory)
    if by_stage:
        items.append(by_stage)
    if not items:
        return None
    sentences = (*_sentences(staged, run), *passes_sentences(part, run), *memory_sentences(memory))
    folded = "Stages and memory" if plan.reads else ""
    return Block(run.title(plan.name), words.under(plan), sentences, tuple(items), folded=folded)


def _sentences(staged: list[CellSummary], run: Run) -> Iterator[str]:
    for cell in staged:
        if cell.closure:
            met = "met" if abs(cell.closure.point) < CLOSURE_GOAL else "missed"
            held = f"goal {words.under_share(CLOSURE_GOAL)}: {met}"
            residual = f"residual {numbers.percent(cell.closure)} of the whole, {words.trials(cell.closure)} ({held})"
            places = numbers.places_of(cell.closure, 100)
            total = numbers.fixed((1 - cell.closure.point) * 100, 1 if places is None else places)
            yield f"{label(cell.name)}: sum of the stages {total} % of end to end, {residual}."
    if len(staged) > DRAWN:
        yield f"{DRAWN} of {len(staged)} cells are drawn; the table holds all of them."
    if not staged:
        yield "Stages were not timed in this part."
    elif not any(_stated(cell, run) for cell in staged):
        yield "No claim of this run states a share for these stages, so only the measured ones are drawn."


def _stated(cell: CellSummary, run: Run) -> dict[str, ClaimVerdict]:
    """Shares the documents state of this very cell, by stage; the first such claim stands for its stage."""
    found: dict[str, ClaimVerdict] = {}
    for claim in run.analysis.claims:
        here = (claim.part, claim.cell) == (cell.part, cell.cell) and claim.metric in ("share", "")
        if here and claim.stage and claim.relation in ("about", "within"):
            found.setdefault(claim.stage, claim)
    return found


def _updates(cell: CellSummary) -> bool:
    return any(stage.share_without_update for stage in cell.stages)


def _stage_figure(cell: CellSummary, plan: Part, run: Run) -> Figure:
    stated = _stated(cell, run)
    rows: list[Row] = []
    for name in dict.fromkeys(stage.stage for stage in cell.stages):
        group = [_stage_row(stage) for stage in cell.stages if stage.stage == name]
        if name in stated:
            group = [_stated_row(stated[name]), *_both_row(stated[name], cell), *group]
        group[0] = replace(group[0], label=label(name), gap=bool(rows))
        rows += group
    return Figure(
        f"stages-{slug(plan.name)}-{slug(cell.name)}",
        f"Which stage takes the time of {label(cell.name)}, {label(plan.mode)}?",
        f"{words.trials(cell.stages[0].share)}; whiskers are 95 % intervals"
        + ("; the outlined bar is the document's figure." if stated else "."),
        Rows("share of the sum of all stages, %", tuple(rows)),
    )


def _stated_row(claim: ClaimVerdict) -> Row:
    """A range stands where it is, a number is a bar from zero."""
    start, end = (0, claim.stated) if claim.stated_high is None else (claim.stated, claim.stated_high)
    return Row("", f"stated {words.stated(claim)}", (Bar(start, end, "stated"),))


def _both(claim: ClaimVerdict, cell: CellSummary) -> Interval | None:
    """The share of a stage that has two directions, of which together the document speaks; in %."""
    directions = [stage for stage in cell.stages if stage.stage == claim.stage]
    return claim.measured if len(directions) > 1 and claim.verdict != "invalid" else None


def _both_row(claim: ClaimVerdict, cell: CellSummary) -> Iterator[Row]:
    share = _both(claim, cell)
    if share:
        forward = next(each.share.point * 100 for each in cell.stages if each.stage == claim.stage)
        bars = (Bar(0, forward, "forward"), Bar(forward, share.point, "backward"))
        yield Row("", f"both {numbers.with_interval(share, unit='%')}", bars, low=share.low, high=share.high)


def _stage_row(stage: StageTime) -> Row:
    share = stage.share
    bar = Bar(0, share.point * 100, stage.direction)
    return Row("", f"{stage.direction} {numbers.percent(share)}", (bar,), low=share.low * 100, high=share.high * 100)


def _stage_table(staged: list[CellSummary], run: Run) -> Table:
    factor, unit = numbers.time_unit(stage.time_s.point for cell in staged for stage in cell.stages)
    updating = any(_updates(cell) for cell in staged)
    rows = [row for cell in staged for row in _stage_rows(cell, _stated(cell, run), factor, updating=updating)]
    columns = (
        Column("Cell"),
        Column("Stage"),
        Column("Direction"),
        Column("Stated", True),
        Column("Share, % [95 % interval]", True),
        *((Column("Share without the update, % [95 % interval]", True),) if updating else ()),
        Column(f"Time, {unit} [95 % interval]", True),
        Column("n, trials", True),
    )
    return Table("Stages, stated and measured", columns, tuple(rows))


def _stage_rows(
    cell: CellSummary, stated: dict[str, ClaimVerdict], factor: float, *, updating: bool
) -> Iterator[tuple[Entry, ...]]:
    """What is stated stands beside the directions together where there are two."""
    told: set[str] = set()
    for stage in cell.stages:
        claim, without = stated.get(stage.stage), stage.share_without_update
        both = _both(claim, cell) if claim else None
        said = words.stated(claim) if claim else ""
        name = (label(cell.name), label(stage.stage))
        if both and stage.stage not in told:
            blank = ("",) if updating else ()
            yield tuple(map(Entry, (*name, "both", said, numbers.with_interval(both), *blank, "", str(both.n))))
        told.add(stage.stage)
        alone = (numbers.with_interval(without, 100) if without else "",) if updating else ()
        share, time = numbers.with_interval(stage.share, 100), numbers.with_interval(stage.time_s, factor)
        shown = (*name, stage.direction, "" if both else said, share, *alone, time, str(stage.share.n))
        yield tuple(map(Entry, shown))


def _memory_figure(cells: list[CellSummary], plan: Part) -> Figure:
    rows = []
    for cell in cells:
        peak, before = cell.peak_bytes or 0, cell.before_bytes
        built = () if before is None else (Bar(0, before / numbers.MIB, "before"),)
        resting = "" if before is None else f", {numbers.mebibytes(before)} at rest"
        bars = (Bar(0, peak / numbers.MIB, "peak"), *built)
        rows.append(Row(label(cell.name), f"{numbers.mebibytes(peak)} MiB{resting}", bars=bars))
    return Figure(
        f"memory-{slug(plan.name)}",
        "How much memory does a cell take at its peak?",
        "One reading per cell in a process of its own, so without an interval; the darker part is what was resident "
        "at rest: model and batch built, a first call done.",
        Rows("peak resident memory, MiB", tuple(rows)),
        _memory_table(cells),
    )


def _memory_table(cells: list[CellSummary]) -> Table:
    rows = tuple(
        (
            Entry(label(cell.name)),
            Entry(numbers.mebibytes(cell.before_bytes) if cell.before_bytes is not None else ""),
            Entry(numbers.mebibytes(cell.peak_bytes or 0)),
        )
        for cell in cells
    )
    columns = (Column("Cell"), Column("At rest, MiB", True), Column("Peak, MiB", True))
    return Table("Peak memory, one process per cell", columns, rows)
