"""Sentences about the two passes of a call, and about one cell in two processes."""

from __future__ import annotations

from collections.abc import Iterator

from harness.conditions import shown_value
from harness.records import PartAnalysis, Passes, Speedup
from harness.report import numbers, words
from harness.report.lookup import Run
from harness.report.text import label, safe


def passes_sentences(part: PartAnalysis, run: Run) -> Iterator[str]:
    """Of whole calls; those of stages are in the tables for other programs."""
    for one in part.passes:
        if not one.stage:
            ratio = f"{numbers.with_interval(one.ratio)} times as long as its forward pass, {words.trials(one.ratio)}"
            yield f"{run.name(part.part, one.cell)}: its backward pass takes {ratio}{_doubt(one)}."


def speedup_sentences(part: PartAnalysis, run: Run) -> Iterator[str]:
    for one in part.speedups:
        first, last = (f"{label(one.condition)} {label(shown_value(value))}" for value in one.values)
        ratio = f"{numbers.with_interval(one.ratio)} times as fast as under {first}, {words.trials(one.ratio)}"
        yield f"{run.name(part.part, one.cells[1])}: under {last} {ratio}{_doubt(one)}."


def _doubt(one: Passes | Speedup) -> str:
    return f"; {safe(one.doubt)}" if one.doubt else ""
