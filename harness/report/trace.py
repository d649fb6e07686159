"""What `semh trace` shows of one traced cell, or of two side by side: tables for the terminal and as markdown."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from harness.conditions import shown_value
from harness.records.trace import Operators
from harness.report import numbers
from harness.report.markdown import escape, table_lines
from harness.report.shown import Column, Entry, Table
from harness.report.text import label, plain
from harness.report.words import count
from harness.trace.compare import Comparison, Row, Spent

INFLATED = (
    "Times are inflated by the profiler, that of short operators most: this explains, and only `semh run` measures."
)
APART = (
    "A and B were traced one after the other, in a process each: what the machine did meanwhile is in the difference."
)
COMPILED = re.compile(r"## Call CompiledFxGraph (\w{1,8})\w* ##")
"""How torch names what Inductor made of a whole function; the hash changes with the code."""
TOLD = 25
"""Operators in the terminal; the file has them all."""


def markdown(compared: Comparison) -> str:
    title = " against ".join(label(one.cell.name) for one in _both(compared))
    lines = [f"# Trace of {escape(title)}", "", *(f"- {escape(line)}" for line in legend(compared)), ""]
    for table in tables(compared):
        lines += table_lines(table)
    return "\n".join(lines)


def terminal(compared: Comparison, rest: str) -> RenderableType:
    """`rest` says where the operators stand that are not shown."""
    parts: list[RenderableType] = [Text(line) for line in legend(compared)]
    for table in tables(compared):
        parts += [Text(), _rich(table)]
    left_out = len(compared.operators) - TOLD
    if left_out > 0:
        parts.append(Text(f"and {left_out} more in {plain(rest, 1000)}", "dim"))
    return Group(*parts)


def legend(compared: Comparison) -> list[str]:
    both = _both(compared)
    lines = [f"{letter}: {_cell(one)}" for letter, one in zip("AB", both, strict=False)]
    calls = " and ".join(dict.fromkeys(count(one.calls, "traced call") for one in both))
    kind = "kernels on the device" if compared.on_device else "host"
    lines += [f"Mean of {calls}, time of the {kind}. {INFLATED}"]
    return lines if compared.second is None else [*lines, APART]


def tables(compared: Comparison) -> tuple[Table, Table]:
    kind = "device" if compared.on_device else "CPU"
    return (
        _table(f"Stages, {kind} time per call", "stage", compared, compared.stages, counted=False),
        _table(f"Operators, self {kind} time per call", "operator", compared, compared.operators, counted=True),
    )


def _table(caption: str, what: str, compared: Comparison, rows: Sequence[Row], *, counted: bool) -> Table:
    letters = "AB" if compared.second is not None else "A"
    heads = ["calls"] if counted else []
    titles = [f"{head} {letter}" for head in (*heads, "ms", "share") for letter in letters]
    titles += ["A − B, ms", "A / B"] if compared.second is not None else []
    places = _places(side.time_s for row in rows for side in (row.first, row.second))
    return Table(
        caption,
        (Column(what), *(Column(title, numeric=True) for title in titles)),
        tuple(_row(row, compared.second is not None, counted, places) for row in rows),
    )


def _row(row: Row, paired: bool, counted: bool, places: int) -> tuple[Entry, ...]:
    sides = (row.first, row.second) if paired else (row.first,)
    calls = [numbers.exact(round(side.calls, 2)) if side.calls else "–" for side in sides] if counted else []
    times = [numbers.fixed(side.time_s * 1e3, places) if _known(side) else "–" for side in sides]
    shares = [f"{numbers.fixed(side.share * 100, 1)} %" if _known(side) else "–" for side in sides]
    difference = [numbers.fixed(row.difference_s * 1e3, places, signed=True)] if paired else []
    ratio = [f"{row.ratio:.2f}" if row.ratio is not None else "–"] if paired else []
    return (Entry(_name(row.name)), *(Entry(text) for text in (*calls, *times, *shares, *difference, *ratio)))


def _known(side: Spent) -> bool:
    return side.calls > 0 or side.time_s != 0


def _name(name: str) -> str:
    compiled = COMPILED.fullmatch(name)
    if compiled:
        return f"compiled graph {compiled[1]}"
    return f"{label(name)} (outside any operator)" if name.startswith("semh:") else label(name)


def _places(times: Iterable[float]) -> int:
    """Decimals of ms that show four digits of the longest."""
    longest = max(times, default=0.0) * 1e3
    return max(0, 3 - math.floor(math.log10(longest))) if longest > 0 else 0


def _cell(one: Operators) -> str:
    conditions = ", ".join(f"{name}={shown_value(value)}" for name, value in sorted(one.cell.conditions.items()))
    return plain(f"{one.cell.part}/{one.cell.name} ({one.mode}, device {one.device}; {conditions})", 600)


def _both(compared: Comparison) -> list[Operators]:
    return [compared.first] if compared.second is None else [compared.first, compared.second]


def _rich(table: Table) -> RichTable:
    drawn = RichTable(title=Text(table.caption), title_justify="left", box=None, padding=(0, 2, 0, 0))
    for column in table.columns:
        drawn.add_column(
            Text(column.title),
            justify="right" if column.numeric else "left",
            no_wrap=column.numeric,
            overflow="fold",
        )
    for row in table.rows[:TOLD]:
        drawn.add_row(*(Text(entry.text) for entry in row))
    return drawn
