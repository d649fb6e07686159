"""What two changes do to each other: 1 where they multiply. Drawn as half a matrix where there are enough of them.

Of a fraction only sums are known, and those are a table.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import groupby

from harness.records import Effect, Interval, Part, PartAnalysis
from harness.report import numbers, words
from harness.report.effects_tables import FIGURES, figures
from harness.report.shown import Column, Entry, Field, Figure, HeatMap, HeatPanel, Mark, Table
from harness.report.text import label, slug

DRAWN = 3
"""Fewer pairs are a line of a table."""
HELPS = Mark("help", "▼", "good", "together faster than apart")
HINDERS = Mark("hinder", "▲", "bad", "together slower than apart")


def interactions(plan: Part, part: PartAnalysis) -> Iterator[Table | Figure]:
    pairs = [effect for effect in part.effects if len(effect.factors) == 2]
    groups = groupby(pairs, key=lambda each: words.conditions(each.conditions))
    for number, (where, group) in enumerate(groups, 1):
        effects = list(group)
        if plan.design == "fractional_factorial":
            yield _chains(effects, part, where)
        elif len(effects) < DRAWN:
            yield _matrix(effects, part, where)
        else:
            yield _figure(
                f"interactions-{slug(plan.name)}" + (f"-{number}" if number > 1 else ""), effects, part, where
            )


def _figure(name: str, pairs: list[Effect], part: PartAnalysis, where: str) -> Figure:
    """Every pair once, in the half above the diagonal."""
    names = _factors(pairs)
    known = {frozenset(effect.factors): effect.ratio for effect in pairs}
    largest = max(math.log1p(part.floor or 0.0), *(abs(math.log(ratio.point)) for ratio in known.values()))
    rows = [
        tuple(
            _field(known[frozenset((first, second))], largest, part.floor or 0.0) if at >= place else None
            for at, second in enumerate(names[1:])
        )
        for place, first in enumerate(names[:-1])
    ]
    plot = HeatMap(
        up_axis="one change",
        across_axis="with the other",
        up=tuple(label(first) for first in reversed(names[:-1])),
        across=tuple(label(second) for second in names[1:]),
        panels=(HeatPanel("time ratio of a pair", tuple(reversed(rows))),),
    )
    title = "Which two changes help or hinder each other?" + (f" ({where})" if where else "")
    floor = f" and the noise floor of {numbers.share(part.floor)}" if part.floor is not None else ""
    caption = (
        f"1 where two changes multiply. {HELPS.shape} below 1, they help each other; {HINDERS.shape} above 1, they "
        f"hinder each other: marked where the interval clears 1{floor}. The further from 1, the stronger the colour. "
        "The numbers with their intervals are in the table."
    )
    return Figure(name, title, caption, plot, _matrix(pairs, part, where))


def _field(ratio: Interval, largest: float, floor: float) -> Field:
    mark = HELPS if ratio.high < 1 / (1 + floor) else HINDERS if ratio.low > 1 + floor else None
    return Field(f"{ratio.point:.2f}", abs(math.log(ratio.point)) / largest if largest else 0.0, mark)


def _factors(pairs: list[Effect]) -> list[str]:
    return list(dict.fromkeys(name for effect in pairs for name in effect.factors))


def _chains(effects: list[Effect], part: PartAnalysis, where: str) -> Table:
    rows = tuple(
        (
            Entry(" = ".join(words.product(pair) for pair in (effect.factors, *effect.aliases))),
            *figures(effect, part),
        )
        for effect in effects
    )
    caption = (
        "Interactions, as time ratios [95 % interval]: 1 where two changes multiply, below 1 where they help each "
        "other; those joined by = cannot be told apart, and the ratio is the product of all of them"
    )
    columns = (Column("Interaction"), *FIGURES)
    return Table(f"{caption}; {where}" if where else caption, columns, rows)


def _matrix(pairs: list[Effect], part: PartAnalysis, where: str) -> Table:
    names = _factors(pairs)
    ratios = {frozenset(effect.factors): effect.ratio for effect in pairs}
    rows = []
    for place, first in enumerate(names[:-1]):
        known = [ratios.get(frozenset((first, second))) if at > place else None for at, second in enumerate(names)]
        shown = (Entry(numbers.with_interval(ratio) if ratio else "") for ratio in known[1:])
        rows.append((Entry(label(first)), *shown))
    seen = [effect.detectable for effect in pairs if effect.detectable is not None]
    told = (("noise floor", part.floor), ("detectable at worst", max(seen, default=None)))
    known_of_all = [f"{said} {numbers.share(share)}" for said, share in told if share is not None]
    caption = "; ".join(
        (
            "Interactions, as time ratios [95 % interval]: 1 where two changes multiply, below 1 where they help each "
            "other",
            ", ".join([words.trials(pairs[0].ratio), *known_of_all]),
        )
    )
    columns = (Column("With"), *(Column(label(name), True) for name in names[1:]))
    return Table(f"{caption}; {where}" if where else caption, columns, tuple(rows))
