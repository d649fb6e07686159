"""What was measured once more: the evidence beside the word."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.records import Contrast, Interval, Part
from harness.report import numbers
from harness.report.lookup import Run
from harness.report.shown import Column, Entry, Mark, Table
from harness.report.text import label, safe

MARKS = {
    "confirmed": Mark("confirmed", "✓", "good", "each cell alone in fresh processes shows it too"),
    "recurred": Mark("recurred", "✓", "bad", "as many trials again show it too"),
    "did not recur": Mark("did not recur", "✕", "open", "as many trials again do not show it"),
    "cross-talk": Mark("cross-talk", "!", "broken", "alone in fresh processes the cell takes another time"),
    "too noisy": Mark("too noisy", "○", "open", "the second look says neither"),
    "not done": Mark("not done", "–", "none", "there was no second look"),
}
WAYS = {"again": "the trials again", "fresh": "alone, fresh processes"}


def again_tables(contrasts: Sequence[Contrast], plan: Part, run: Run) -> Iterator[Table]:
    """Whole calls and stages together; none where nothing was to be measured once more."""
    looked = [each for each in contrasts if each.confirmation]
    if not looked:
        return
    under, stages = bool(plan.varied_conditions), any(each.stage for each in looked)
    columns = (
        Column("Change"),
        *((Column("Under"),) if under else ()),
        *((Column("Stage"),) if stages else ()),
        Column("How"),
        Column("Outcome"),
        Column("In the trials [95 % interval]", True),
        Column("Once more [95 % interval]", True),
        Column("Once more over the trials", True),
    )
    rows = tuple(_row(each, run, under=under, stages=stages) for each in looked)
    yield Table("Measured once more, time ratios", columns, rows)


def _row(contrast: Contrast, run: Run, *, under: bool, stages: bool) -> tuple[Entry, ...]:
    told = contrast.confirmation
    assert told is not None
    stage = f"{label(contrast.stage)}, {contrast.direction}" if contrast.stage else "whole call"
    return (
        Entry(run.changed(contrast)),
        *((Entry(run.varied(contrast)),) if under else ()),
        *((Entry(stage),) if stages else ()),
        Entry(WAYS[told.way]),
        Entry(mark=MARKS[told.word], note=safe(told.reason) if told.word == "not done" else ""),
        Entry(_ratio(contrast.ratio)),
        Entry(_ratio(told.ratio)),
        Entry(_ratio(told.difference)),
    )


def _ratio(ratio: Interval | None) -> str:
    return f"{numbers.with_interval(ratio)}, n = {ratio.n}" if ratio else ""
