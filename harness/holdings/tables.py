"""What `semh memory` prints: the document's rows, the stages, the largest tensors, what was measured."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from harness.conditions import shown_value
from harness.holdings.judged import Judged, activations, kept_bytes, parameter_bytes, peak_bytes
from harness.holdings.measured import Measured
from harness.holdings.stated import Stated
from harness.report.numbers import brief
from harness.system import Held, Holdings

LARGEST = 5
"""Kinds of tensors shown per stage."""
SCALES = ((2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"))


def size(count: float) -> str:
    scale, unit = next((one for one in SCALES if abs(count) >= one[0]), (1.0, "B"))
    return f"{brief(count / scale)} {unit}"


def stated_table(stated: Stated, rows: Sequence[Judged]) -> Table:
    title = f"{stated.document}: its figures, multiplied out, and the tensors of that size that the code makes"
    table = _table(
        title, "line", "stage", "tensor", "elements", "counted", "memory", "counted", "holds", "made", "kept"
    )
    for one in rows:
        _row(
            table,
            str(one.row.line),
            one.row.stage,
            one.row.statement,
            "" if one.row.elements is None else str(one.row.elements),
            "" if one.elements is None else f"{one.elements:,}",
            one.row.memory,
            size(one.bytes),
            holds(one),
            "" if one.made is None else str(one.made),
            "" if one.kept is None else str(one.kept),
        )
    return table


def another_call(stated: Stated) -> Text:
    """Said in place of a table that speaks of something else than was asked for."""
    under = "".join(f", {name} {shown_value(value)}" for name, value in stated.conditions.items())
    return Text(
        f"{stated.document}: its table speaks of {stated.mode} of {stated.variant} in {stated.dtype} "
        f"at size {stated.size}{under}, and is not judged by this call"
    )


def notes(rows: Sequence[Judged]) -> Text:
    """What a row's word leaves open."""
    lines = [f"line {one.row.line}: {one.row.note}" for one in rows if one.row.note]
    lines += [
        f"line {one.row.line}: the stage's activations are {size(one.stage_bytes)}, not {one.row.memory}"
        for one in rows
        if one.stage_bytes is not None and not one.stage_holds
    ]
    return Text("\n".join(lines))


def holds(one: Judged) -> str:
    if one.elements_hold is None or one.elements_hold == one.bytes_hold:
        return "yes" if one.bytes_hold else "no"
    return "memory only" if one.bytes_hold else "elements only"


def stages_table(stages: Sequence[str], holdings: Holdings, what: str) -> Table:
    table = _table(what, "stage", "parameters", "kept", "activations", "alive, forward", "alive, backward")
    for stage in stages:
        backward = holdings.spans.get(f"{stage}.backward")
        _row(
            table,
            stage,
            size(parameter_bytes(stage, holdings)),
            size(kept_bytes(stage, holdings)),
            size(activations(stage, holdings)),
            size(holdings.spans[stage].peak_bytes),
            size(backward.peak_bytes) if backward else "",
        )
    whole = (size(holdings.parameter_bytes), "", "", size(peak_bytes(holdings)))
    _row(table, "call", *whole, "")
    return table


def explained(holdings: Holdings) -> Text:
    words = (
        "kept: there when the stage's forward ends. activations: that, or the most alive in it above what was there.\n"
        "alive: everything, parameters, inputs and gradients among it; the call's is the largest."
    )
    return Text(f"{words}\nCounted with {holdings.assumed}." if holdings.assumed else words)


def largest_table(stages: Sequence[str], holdings: Holdings) -> Table:
    table = _table(
        "the largest tensors of each stage", "stage", "tensor", "shape", "type", "made", "kept", "one", "kept, all"
    )
    for stage in stages:
        own = [one for one in holdings.tensors if one.stage == stage]
        for one in sorted(own, key=_weight, reverse=True)[:LARGEST]:
            shape = " x ".join(map(str, one.shape)) or "1"
            place = f"{one.place} (parameter)" if one.parameter else one.place
            counts = (str(one.made), str(one.kept), size(one.bytes), size(one.bytes * one.kept))
            _row(table, stage, place, shape, one.dtype, *counts)
    return table


def measured_table(stages: Sequence[str], holdings: Holdings, measured: Measured, what: str) -> Table:
    """Inside a stage above what it found: counted, and by the allocator."""
    table = _table(what, "stage", "inside, counted", "measured", "left behind, counted", "measured")
    for name, found in measured.stages.stages.items():
        span = holdings.spans.get(name)
        kept = size(kept_bytes(name, holdings)) if name in stages else ""
        inside = size(span.peak_bytes - span.begin_bytes) if span else ""
        _row(table, name, inside, size(found.peak_bytes), kept, size(found.delta_bytes))
    above = peak_bytes(holdings) - holdings.parameter_bytes - holdings.input_bytes
    _row(table, "call", size(above), size(measured.stages.allocator_peak_bytes), "", "")
    return table


def measured_facts(measured: Measured, holdings: Holdings) -> Text:
    memory, stages = measured.memory, measured.stages
    lines = [
        f"parameters {size(holdings.parameter_bytes)}; the process holds {size(memory.before_bytes)} at rest, "
        f"{size(memory.peak_bytes)} at its peak",
    ]
    if stages.saved_bytes is not None:
        lines.append(f"saved for the backward pass: {size(stages.saved_bytes)}")
    if stages.unstaged:
        lines.append(f"no stages: {stages.unstaged}")
    return Text("\n".join(lines))


def _weight(one: Held) -> tuple[int, int]:
    return one.bytes * one.kept, one.bytes * one.made


def _table(title: str, *columns: str) -> Table:
    table = Table(title=Text(title), box=None, title_justify="left", pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(
            Text(column), justify="left" if column in ("stage", "tensor", "type", "shape", "holds") else "right"
        )
    return table


def _row(table: Table, *cells: str) -> None:
    table.add_row(*(Text(cell) for cell in cells))
