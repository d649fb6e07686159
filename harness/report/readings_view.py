"""What probes read, for the parts that are about that: in sentences, drawn, and cell by cell."""

from __future__ import annotations

from collections.abc import Iterator

from harness.records import Cell, CellReading, Part, PartAnalysis, ReadingMove
from harness.report import numbers, words
from harness.report.lookup import Run
from harness.report.readings_figure import NAMED, readings_figure
from harness.report.shown import Block, Column, Entry, Mark, Section, Table
from harness.report.text import label, safe

DIGITS = 4


def read_section(run: Run) -> Section | None:
    blocks = tuple(_block(plan, part, run) for plan, part in run.pairs() if plan.reads)
    if not blocks:
        return None
    lead = (
        f"Numbers that the system reads of itself in an untimed pass, of one set of weights and inputs (seed "
        f"{run.manifest.plan.seed}): they have no interval."
    )
    spread = any(one.low is not None for part in run.analysis.parts for one in part.readings)
    several = " Where a cell was read several times and differently, the last stands before the lowest and the highest."
    return Section("read", "What was read?", (lead + (several if spread else ""),), blocks)


def _block(plan: Part, part: PartAnalysis, run: Run) -> Block:
    figure = readings_figure(plan, part, run)
    items = (*((figure,) if figure else ()), readings_table(plan, part, run), *_meanings(plan, run))
    return Block(run.title(plan.name), words.under(plan), tuple(reading_sentences(plan, part, run)), items)


def reading_sentences(plan: Part, part: PartAnalysis, run: Run) -> Iterator[str]:
    """One for each probe: what moved it most."""
    moves = {move.probe: move for move in part.reading_moves}
    for probe in plan.reads:
        told = _moved(moves[probe], run.unit(plan, probe), plan, run) if probe in moves else ["read in no cell"]
        yield f"{label(probe)}: {'; '.join(told)}."


def _moved(move: ReadingMove, unit: str, plan: Part, run: Run) -> Iterator[str]:
    before, after = _told(move.before, unit), _told(move.after, unit)
    if move.against == move.cell:
        yield f"{before} in every cell that was read"
        return
    cells = {cell.id: cell for cell in plan.cells}
    start, end = cells[move.against], cells[move.cell]
    shared = [name for name in plan.varied_conditions if end.conditions[name] == start.conditions[name]]
    where = words.conditions({name: end.conditions[name] for name in shared})
    ratio = f" ({numbers.reading(move.ratio)}×)" if move.ratio is not None else ""
    if move.compared and not move.moved:
        yield "no level moves it"
    yield ", ".join(
        filter(None, (f"{before} at {_at(start, end, plan)}", f"{after} at {_at(end, start, plan)}{ratio}", where))
    )
    if isinstance(move.after, str):
        yield f"{move.moved} of {move.compared} cells differ from their baseline"
    for cell, told in ((start, f"at {_at(start, end, plan)}"), (end, "there")):
        doubts = ", ".join(_doubts(cell, plan, run))
        if doubts:
            yield f"{told} {doubts}"


def _at(cell: Cell, other: Cell, plan: Part) -> str:
    """What sets it apart from the other."""
    levels = [f"{label(name)}={label(cell.variant[name])}" for name in words.differing(cell, other)]
    if len(levels) > NAMED:
        return label(cell.name)
    apart = [name for name in plan.varied_conditions if cell.conditions[name] != other.conditions[name]]
    return ", ".join(filter(None, (*levels, words.conditions({name: cell.conditions[name] for name in apart}))))


def _told(value: float | str, unit: str) -> str:
    return label(value) if isinstance(value, str) else words.with_unit(numbers.reading(value, DIGITS), unit)


def readings_table(plan: Part, part: PartAnalysis, run: Run) -> Table:
    cells = [cell for cell in plan.cells if not cell.control]
    switches = words.varied_switches(plan)
    named = len(switches) > NAMED or not (switches or plan.varied_conditions)
    shown = () if named else switches
    found = {(one.cell, one.probe): one for one in part.readings}
    columns = (
        *((Column("Cell"),) if named else ()),
        *(Column(label(name)) for name in shown),
        *(Column(label(name), True) for name in plan.varied_conditions),
        *(Column(words.probe_title(probe, run.unit(plan, probe)), _numeric(part, probe)) for probe in plan.reads),
    )
    rows = tuple(
        _marked(
            (
                *((Entry(label(cell.name)),) if named else ()),
                *(Entry(label(cell.variant[name])) for name in shown),
                *(Entry(words.value(cell.conditions[name])) for name in plan.varied_conditions),
            ),
            "; ".join(_notes(cell, plan, run)),
        )
        + tuple(_entry(found.get((cell.id, probe))) for probe in plan.reads)
        for cell in cells
    )
    return Table("Readings of every cell, and what they are beside the baseline's", columns, rows)


def _meanings(plan: Part, run: Run) -> Iterator[Table]:
    """What each probe reads, in the system's own words; none where it says nothing."""
    docs = run.manifest.probe_docs.get(plan.system, {})
    told = [probe for probe in plan.reads if docs.get(probe)]
    if told:
        rows = tuple(
            (Entry(label(probe)), Entry(safe(run.unit(plan, probe))), Entry(safe(docs[probe]))) for probe in told
        )
        yield Table("What each of them is", (Column("Probe"), Column("Unit"), Column("What it reads")), rows)


def _marked(entries: tuple[Entry, ...], note: str) -> tuple[Entry, ...]:
    return (Entry(entries[0].text, note=note), *entries[1:])


def _notes(cell: Cell, plan: Part, run: Run) -> Iterator[str]:
    if cell.id == cell.baseline:
        yield "baseline"
    yield from _doubts(cell, plan, run)


def _doubts(cell: Cell, plan: Part, run: Run) -> Iterator[str]:
    """What a reader must know of the cell before its readings mean anything."""
    summary = run.summaries.get((plan.name, cell.id))
    if summary is not None and summary.outcome != "measured":
        yield label(summary.outcome.replace("_", " "))
    if summary is not None and summary.sameness == "broken":
        yield "outputs differ beyond the tolerance"
    ended = words.unsolved(summary)
    if ended:
        yield f"the solver ended {label(ended)}"


def _numeric(part: PartAnalysis, probe: str) -> bool:
    return not any(isinstance(one.value, str) for one in part.readings if one.probe == probe)


def _entry(one: CellReading | None) -> Entry:
    if one is None or one.value is None:
        return Entry(safe(one.missing) if one else "")
    if isinstance(one.value, str):
        mark: Mark | None = words.UNSOLVED_MARKS.get(one.value.lower())
        return Entry(mark=mark) if mark else Entry(label(one.value))
    text = numbers.reading(one.value, DIGITS)
    if one.low is not None and one.high is not None:
        text += f" [{numbers.reading(one.low, DIGITS)}, {numbers.reading(one.high, DIGITS)}] of {one.count}"
    return Entry(text, note=_beside(one))


def _beside(one: CellReading) -> str:
    """Beside the baseline's reading: difference, and ratio."""
    if one.change is None:
        return ""
    if one.change == 0:
        return "same"
    change = f"{'+' if one.change > 0 else ''}{numbers.reading(one.change)}"
    return f"{change}, {numbers.reading(one.ratio)}×" if one.ratio is not None else change
