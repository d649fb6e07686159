"""Memory of the stages and the counters of every cell: exact readings, so no intervals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from harness.records import CellSummary, StageSize
from harness.report import numbers, words
from harness.report.shown import Column, Entry, Table
from harness.report.text import label, safe

WHOLE = "whole call"
UNNAMED = ""
"""Stage of the counters of a whole call."""
COUNTED = (
    ("flops", "FLOPs", "flops"),
    ("torch_flops", "torch counts", "flops"),
    ("minimum_bytes", "least bytes", "bytes"),
    ("operators", "operators", "plain"),
)
"""Counter, its title, its kind."""


def memory_table(cells: Iterable[CellSummary]) -> Table | None:
    """Rows: the whole call of every cell, then its stages."""
    read = [cell for cell in cells if cell.allocator_peak_bytes is not None]
    if not read:
        return None
    trains = any(cell.saved_bytes is not None for cell in read)
    sizes = [size.peak_bytes for cell in read for size in cell.stage_sizes]
    factor, unit = numbers.size_unit([*sizes, *(cell.allocator_peak_bytes or 0 for cell in read)])
    columns = (
        Column("Cell"),
        Column("Stage"),
        Column(f"Peak, {unit}", True),
        Column(f"Left behind, {unit}", True),
        *((Column(f"Saved for backward, {unit}", True), Column(f"Backward peak, {unit}", True)) if trains else ()),
        *((Column(f"Left behind by backward, {unit}", True),) if trains else ()),
        Column("Process peak, MiB", True),
    )
    rows = tuple(row for cell in read for row in _memory_rows(cell, factor, trains))
    return Table("Memory of every stage, by the allocator", columns, rows)


def _memory_rows(cell: CellSummary, factor: float, trains: bool) -> Iterator[tuple[Entry, ...]]:
    def told(size: int | None) -> Entry:
        return Entry("" if size is None else numbers.brief(size * factor, 4))

    def both(size: StageSize | None) -> tuple[Entry, Entry]:
        return (told(size.peak_bytes), told(size.delta_bytes)) if size else (Entry(), Entry())

    backward = (Entry(), Entry()) if trains else ()
    saved = (told(cell.saved_bytes),) if trains else ()
    process = Entry("" if cell.peak_bytes is None else numbers.mebibytes(cell.peak_bytes))
    yield (Entry(label(cell.name)), Entry(WHOLE), told(cell.allocator_peak_bytes), Entry(), *saved, *backward, process)
    found = {(size.stage, size.direction): size for size in cell.stage_sizes}
    for stage in dict.fromkeys(size.stage for size in cell.stage_sizes):
        ahead, back = found.get((stage, "forward")), found.get((stage, "backward"))
        yield (
            Entry(label(cell.name)),
            Entry(label(stage)),
            *both(ahead),
            *((told(ahead.saved_bytes if ahead else None), *both(back)) if trains else ()),
            Entry(),
        )


def memory_sentences(cells: Sequence[CellSummary]) -> Iterator[str]:
    if any(cell.allocator_peak_bytes is not None for cell in cells):
        yield (
            "Peak is the most a stage held above what was held when it began, left behind what it held more when it "
            "ended, saved what autograd keeps of it for the backward pass; all as the program asked the allocator for "
            "it, in a call of its own. The peak of a whole call is that of both passes. The process's own peak counts "
            "everything resident, the libraries too."
        )
    for cell in cells:
        if cell.allocator_peak_bytes is not None and cell.peak_gradient_bytes:
            above = cell.allocator_peak_bytes - cell.peak_gradient_bytes
            factor, unit = numbers.size_unit([cell.allocator_peak_bytes])
            peak, rest = (numbers.brief(size * factor, 4) for size in (cell.allocator_peak_bytes, above))
            yield f"{label(cell.name)}: of its peak of {peak} {unit} all but {rest} {unit} are gradients of parameters."


def counters_table(cells: Iterable[CellSummary]) -> Table | None:
    """Rows: the whole call of every cell, then its stages; both directions of one counter side by side."""
    counted = [cell for cell in cells if cell.counters]
    keys = {key for cell in counted for key in cell.counters}
    shown = [
        (prefix + name, f"{'Backward ' if prefix else ''}{title}", kind)
        for name, title, kind in COUNTED
        for prefix in ("", "backward_")
        if any(key.rpartition(".")[2] == prefix + name for key in keys)
    ]
    if not counted:
        return None
    units = {kind: _unit(kind, counted, shown) for kind in ("flops", "bytes", "plain")}
    columns = (
        Column("Cell"),
        Column("Stage"),
        Column("Parameters", True),
        *(Column(_title(title, units[kind][1]), True) for _, title, kind in shown),
    )
    rows = []
    for cell in counted:
        for stage in (UNNAMED, *_stages(cell)):
            prefix = f"{stage}." if stage else ""
            values = (cell.counters.get(prefix + name) for name, _, _ in shown)
            factors = (units[kind][0] for _, _, kind in shown)
            rows.append(
                (
                    Entry(label(cell.name)),
                    Entry(label(stage) if stage else WHOLE),
                    _count(cell.counters.get(f"{prefix}parameters"), 1.0),
                    *(_count(value, factor) for value, factor in zip(values, factors, strict=True)),
                )
            )
    return Table("Counters of every cell", columns, tuple(rows))


def counters_sentences(cells: Iterable[CellSummary]) -> Iterator[str]:
    cells = list(cells)
    if not any(cell.counters for cell in cells):
        return
    yield (
        "Counters repeat exactly, so they have no interval. FLOPs and least bytes are the floors that the system's own "
        "formulas give; what torch counts is beside them where its operands were real and dense; operators are those "
        "that torch dispatched in one call."
    )
    reasons = dict.fromkeys(reason for cell in cells for reason in cell.uncounted)
    for reason in reasons:
        among = words.listed([label(cell.name) for cell in cells if reason in cell.uncounted])
        yield f"Not known of {among}: {safe(reason)}."


def _stages(cell: CellSummary) -> list[str]:
    return list(dict.fromkeys(key.rpartition(".")[0] for key in cell.counters if "." in key))


def _unit(kind: str, cells: list[CellSummary], shown: list[tuple[str, str, str]]) -> tuple[float, str]:
    names = {name for name, _, of in shown if of == kind}
    values = [value for cell in cells for key, value in cell.counters.items() if key.rpartition(".")[2] in names]
    match kind:
        case "flops":
            return numbers.flop_unit(values)
        case "bytes":
            return numbers.size_unit(values)
        case _:
            return 1.0, ""


def _title(title: str, unit: str) -> str:
    begun = title[:1].upper() + title[1:]
    return f"{begun}, {unit}" if unit else begun


def _count(value: float | None, factor: float) -> Entry:
    if value is None:
        return Entry()
    whole = factor == 1.0 and value == int(value)
    return Entry(f"{int(value)}" if whole else numbers.brief(value * factor, 4))
