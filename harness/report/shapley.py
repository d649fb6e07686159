"""The waterfall from the status quo to everything on: Shapley shares of the total log ratio, which add up exactly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from harness.records import Part, PartAnalysis, ShapleyShare
from harness.report import numbers, words
from harness.report.effects_tables import FIGURES, figures
from harness.report.shown import Bar, Column, Entry, Figure, Row, Rows, Table
from harness.report.text import label, slug


def waterfalls(plan: Part, part: PartAnalysis) -> Iterator[Figure]:
    groups = groupby(part.shapley, key=lambda each: words.conditions(each.conditions))
    for number, (where, shares) in enumerate(groups, 1):
        yield _waterfall(plan, part, sorted(shares, key=lambda each: each.ratio.point), where, number)


def _waterfall(plan: Part, part: PartAnalysis, shares: Sequence[ShapleyShare], where: str, number: int) -> Figure:
    at = 1.0
    rows = [Row("baseline", "1.0", low=1.0, point=1.0, high=1.0)]
    for share in shares:
        tone = "down" if share.ratio.point < 1 else "up"
        value = f"× {numbers.with_interval(share.ratio)}, {numbers.share(share.fraction.point)}"
        rows.append(Row(_step(share, plan), value, bars=(Bar(at, at * share.ratio.point, tone),)))
        at *= share.ratio.point
    rows.append(Row("everything on", numbers.brief(at), low=at, point=at, high=at))
    name = f"shapley-{slug(plan.name)}" + (f"-{number}" if number > 1 else "")
    title = "What did each switch contribute, from the baseline to everything on?" + (f" ({where})" if where else "")
    caption = (
        "Each bar is what one switch contributes on average over all orders of switching (Shapley); on a log axis the "
        f"lengths add up exactly. Percentages are of the total log ratio. {words.trials(shares[0].ratio)}."
    )
    axis = "time over the baseline's time (log axis)"
    return Figure(name, title, caption, Rows(axis, tuple(rows), log=True, reference=1.0), _table(plan, part, shares))


def _step(share: ShapleyShare, plan: Part) -> str:
    levels = plan.factors.get(share.factor, ())
    return f"{label(share.factor)}: {label(levels[0])} → {label(levels[-1])}" if levels else label(share.factor)


def _table(plan: Part, part: PartAnalysis, shares: Sequence[ShapleyShare]) -> Table:
    rows = tuple(
        (
            Entry(_step(share, plan)),
            Entry(numbers.with_interval(share.fraction, 100)),
            *figures(share, part),
        )
        for share in shares
    )
    columns = (Column("Switch"), Column("Share of the total log ratio, % [95 % interval]", True), *FIGURES)
    return Table("Who contributed what", columns, rows)
