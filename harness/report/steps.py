"""What one change does on top of others: the rungs of a ladder, and everything on without one switch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from harness.records import Part, PartAnalysis, Step
from harness.report import numbers, words
from harness.report.effects_tables import FIGURES, figures
from harness.report.shown import Bar, Column, Entry, Figure, Row, Rows, Table
from harness.report.text import label, slug


def step_figures(plan: Part, part: PartAnalysis) -> Iterator[Figure]:
    groups = groupby(part.steps, key=lambda each: (each.way, words.conditions(each.conditions)))
    for number, ((way, where), steps) in enumerate(groups, 1):
        name = f"steps-{slug(plan.name)}" + (f"-{number}" if number > 1 else "")
        draw = _ladder if way == "ladder" else _left_out
        yield draw(name, f" ({where})" if where else "", list(steps), part)


def _ladder(name: str, where: str, steps: Sequence[Step], part: PartAnalysis) -> Figure:
    rows, at = [Row("baseline", "1.0", low=1.0, point=1.0, high=1.0)], 1.0
    for step in steps:
        tone = "down" if step.running < at else "up"
        value = f"× {numbers.with_interval(step.ratio)}"
        rows.append(Row(f"+ {_change(step)}", value, bars=(Bar(at, step.running, tone),)))
        at = step.running
    rows.append(Row("everything on", numbers.brief(at), low=at, point=at, high=at))
    caption = (
        "Each bar is what a change does on top of those above it, in the order the suite names them; in another order "
        f"it may do more or less. On a log axis the lengths add up exactly. {words.trials(steps[0].ratio)}."
    )
    axis = "time over the baseline's time (log axis)"
    plot = Rows(axis, tuple(rows), log=True, reference=1.0)
    table = _table("Rungs", "Rung", "+", steps, part)
    return Figure(name, f"What does each rung add, from the baseline up the ladder?{where}", caption, plot, table)


def _left_out(name: str, where: str, steps: Sequence[Step], part: PartAnalysis) -> Figure:
    rows = tuple(
        Row(
            f"without {label(step.factor)}",
            numbers.with_interval(step.ratio),
            low=step.ratio.low,
            point=step.ratio.point,
            high=step.ratio.high,
        )
        for step in steps
    )
    caption = (
        "Everything on but one change, over everything on: right of the line the change was worth having among all "
        f"the others. {words.trials(steps[0].ratio)}."
    )
    plot = Rows(
        "time over that of everything on (log axis)",
        rows,
        log=True,
        reference=1.0,
        reference_label="1.0 = everything on",
    )
    table = _table("Left out, of everything on", "Left out", "without", steps, part)
    return Figure(name, f"What does leaving one out cost?{where}", caption, plot, table)


def _table(caption: str, first: str, sign: str, steps: Sequence[Step], part: PartAnalysis) -> Table:
    rows = tuple(
        (
            Entry(f"{sign} {_change(step)}"),
            *figures(step, part),
            Entry(numbers.brief(step.running)),
        )
        for step in steps
    )
    columns = (Column(first), *FIGURES, Column("Time over the baseline's", True))
    return Table(caption, columns, rows)


def _change(step: Step) -> str:
    return f"{label(step.factor)}: {label(step.levels[0])} → {label(step.levels[1])}"
