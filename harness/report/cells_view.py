"""Every cell of the run: its time, what its outputs are worth, what the solver says of itself, and its memory."""

from __future__ import annotations

from collections.abc import Iterator

from harness.lookup import unmeasured_because
from harness.records import CellSummary, Part, PartAnalysis
from harness.report import numbers, words
from harness.report.lookup import Run
from harness.report.ratios_view import speedup_sentences
from harness.report.shown import Block, Column, Entry, Mark, Section, Table
from harness.report.sizes_view import counters_sentences, counters_table
from harness.report.text import label, safe

SAMENESS_MARKS = {
    "holds": words.SAME_OUTPUT_MARK,
    "broken": words.BROKEN_OUTPUT_MARK,
    "not checked": words.UNCHECKED_MARK,
}
ENDINGS = {"breakdown": "broke down"}


def cells_section(run: Run) -> Section:
    lead = (
        "Times are means over trials of the bare step, with 95 % intervals. Error is the relative 2-norm of all "
        "outputs against a float64 oracle, beside the tolerance the cell's levels declare.",
    )
    return Section(
        "cells", "What did every cell measure?", lead, tuple(_block(plan, part, run) for plan, part in run.pairs())
    )


def _block(plan: Part, part: PartAnalysis, run: Run) -> Block:
    warnings = (*failures(part), *not_testable(part), *unsolved(part))
    counted = [cell for cell in part.cells if not run.is_control(cell)]
    counters = counters_table(counted)
    return Block(
        run.title(plan.name),
        words.under(plan),
        (
            *_in_full(plan),
            *_compared(part),
            *speedup_sentences(part, run),
            *counters_sentences(counted),
            *(safe(note) for note in plan.notes),
        ),
        (_times(part, run), _outputs(plan, part, run), *((counters,) if counters else ())),
        warnings,
    )


def _in_full(plan: Part) -> Iterator[str]:
    """Sections name only the conditions a reader needs; all of them stand here."""
    full = words.conditions(words.shared(plan))
    if full:
        yield f"All conditions that the cells share: {full}."


def _compared(part: PartAnalysis) -> Iterator[str]:
    """At which size the outputs were compared: once where all cells agree."""
    sizes = {cell.sameness_at for cell in part.cells if cell.sameness_at}
    for size in sorted(sizes):
        among = [label(cell.name) for cell in part.cells if cell.sameness_at == size]
        which = "Outputs" if len(sizes) == 1 else f"Outputs of {words.listed(among)}"
        yield f"{which} were compared with the oracle at {safe(size)}."


def failures(part: PartAnalysis) -> Iterator[str]:
    for cell in part.cells:
        if cell.outcome not in ("measured", "untested"):
            detail = f": {safe(cell.detail)}" if cell.detail else ""
            yield f"{label(cell.name)} gave no time, {_outcome_word(cell)}{detail}."


def not_testable(part: PartAnalysis) -> Iterator[str]:
    for cell in part.cells:
        if cell.outcome == "untested":
            yield f"{label(cell.name)} is {safe(unmeasured_because(cell))}."


def _outcome_word(cell: CellSummary) -> str:
    return label(cell.outcome.replace("_", " "))


def unsolved(part: PartAnalysis, *, briefly: bool = False) -> Iterator[str]:
    """Said once for each way a solver can end short of its tolerance."""
    ended: dict[str, list[str]] = {}
    for cell in part.cells:
        word = words.unsolved(cell)
        if word:
            ended.setdefault(word.lower(), []).append(label(cell.name) + ("" if briefly else _how_far(cell)))
    for word, names in ended.items():
        yield (
            f"The solver {ENDINGS.get(word, word)} short of its tolerance, so that the time is that of an unfinished "
            f"computation, in {words.count(len(names), 'cell')}: {'; '.join(names)}."
        )


def _how_far(cell: CellSummary) -> str:
    """By the probes of the stage whose solver it is: other stages have residuals too."""
    ended = next(name for name, value in cell.probes.items() if str(value).lower() in words.UNSOLVED_MARKS)
    stage = ended.rpartition(".")[0]
    own = {name: value for name, value in cell.probes.items() if name.rpartition(".")[0] == stage}
    read = {name: numbers.reading(value) for name, value in own.items() if not isinstance(value, str)}
    residual = next((text for name, text in read.items() if "residual" in name), None)
    iterations = next((text for name, text in reversed(read.items()) if "iteration" in name), None)
    told = (residual and f"residual {residual}", iterations and f"after {iterations} iterations")
    return f" ({' '.join(filter(None, told))})" if any(told) else ""


def _times(part: PartAnalysis, run: Run) -> Table:
    factor, unit = numbers.time_unit(cell.time_s.point for cell in part.cells if cell.time_s)
    memory = any(cell.peak_bytes is not None for cell in part.cells)
    columns = (
        Column("Cell"),
        Column(f"Time, {unit} [95 % interval]", True),
        Column("n, trials", True),
        Column("Ratio to baseline", True),
        Column("Verdict"),
        *((Column("Peak, MiB", True),) if memory else ()),
    )
    rows = tuple(
        (
            _named(cell, run),
            Entry(numbers.with_interval(cell.time_s, factor) if cell.time_s else _outcome_word(cell)),
            Entry(str(cell.time_s.n) if cell.time_s else ""),
            *_against(cell, run),
            *((Entry(numbers.mebibytes(cell.peak_bytes) if cell.peak_bytes else ""),) if memory else ()),
        )
        for cell in part.cells
    )
    caption = "Time and memory of every cell" if memory else "Time of every cell"
    return Table(caption, columns, rows, folded=bool(run.reads(part.part)))


def _outputs(plan: Part, part: PartAnalysis, run: Run) -> Table:
    probes = list(dict.fromkeys(name for cell in part.cells for name in cell.probes))
    gradients = any(cell.gradient_error is not None for cell in part.cells)
    columns = (
        Column("Cell"),
        Column("Outputs"),
        Column("Error", True),
        Column("Tolerance", True),
        *((Column("Gradient error", True), Column("Gradient tolerance", True)) if gradients else ()),
        *(Column(words.probe_title(name, run.unit(plan, name)), numeric=_numeric(part, name)) for name in probes),
    )
    rows = tuple(
        (
            _named(cell, run),
            Entry(mark=SAMENESS_MARKS[cell.sameness]),
            *_error(cell.error, cell.tolerance),
            *(_error(cell.gradient_error, cell.gradient_tolerance) if gradients else ()),
            *(_probe(cell.probes.get(name)) for name in probes),
        )
        for cell in part.cells
        if not run.is_control(cell)
    )
    return Table("What the outputs of every cell are worth", columns, rows)


def _named(cell: CellSummary, run: Run) -> Entry:
    beyond = run.is_beyond(cell)
    return Entry(label(cell.name), note=f"{words.BEYOND_MARK.shape} {words.BEYOND_MARK.word}" if beyond else "")


def _numeric(part: PartAnalysis, name: str) -> bool:
    return not any(isinstance(cell.probes.get(name), str) for cell in part.cells)


def _against(cell: CellSummary, run: Run) -> tuple[Entry, Entry]:
    contrast = run.contrasts.get((cell.part, cell.cell))
    if run.is_control(cell):
        return Entry(), Entry(mark=words.CONTROL_MARK)
    if contrast is None or contrast.baseline == cell.cell:
        return Entry("1" if cell.time_s else ""), Entry("baseline" if cell.time_s else "")
    ratio = words.ratio(contrast)
    return Entry(numbers.with_interval(ratio) if ratio else ""), Entry(mark=words.CONTRAST_MARKS[contrast.verdict])


def _error(error: float | None, tolerance: float | None) -> tuple[Entry, Entry]:
    return (
        Entry(numbers.reading(error, 2) if error is not None else ""),
        Entry(numbers.reading(tolerance, 2) if tolerance is not None else ""),
    )


def _probe(value: float | str | None) -> Entry:
    if isinstance(value, str):
        mark: Mark | None = words.UNSOLVED_MARKS.get(value.lower())
        return Entry(mark=mark) if mark else Entry(label(value))
    return Entry(numbers.reading(value) if value is not None else "")
