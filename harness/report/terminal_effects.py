"""Effects on the terminal, for designs whose single cells say little: rungs, what is left out, main effects."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from harness.records import Interval, PartAnalysis
from harness.report import numbers, words
from harness.report.lookup import Run
from harness.report.text import label

TITLES = {
    "fractional_factorial": "main effects over the cells of the fraction, time high / low",
    "screening": "main effects by size, time high / low",
    "ladder": "rungs, time over the rung before",
    "leave_one_out": "left out, time over that of everything on",
}


def effect_tables(run: Run) -> Iterator[RenderableType]:
    for plan, part in run.pairs():
        rows = list(_rows(part)) if plan.design in TITLES and not plan.reads else []
        if not rows:
            continue
        title = ", ".join(filter(None, (run.title(part.part), TITLES[plan.design])))
        table = Table(title=Text(title), title_justify="left", box=None, padding=(0, 2, 0, 0))
        table.add_column("change", ratio=1)
        table.add_column("ratio [95 %]", justify="right", no_wrap=True)
        table.add_column("n", justify="right")
        for name, ratio in rows:
            table.add_row(Text(name), Text(numbers.with_interval(ratio)), Text(str(ratio.n)))
        yield table
        yield Text()


def _rows(part: PartAnalysis) -> Iterator[tuple[str, Interval]]:
    for effect in part.effects:
        if len(effect.factors) == 1:
            name = ", ".join(filter(None, (words.effect_name(effect), words.conditions(effect.conditions))))
            yield name, effect.ratio
    for step in part.steps:
        sign = "+" if step.way == "ladder" else "without"
        change = f"{sign} {label(step.factor)}: {label(step.levels[0])} → {label(step.levels[1])}"
        yield ", ".join(filter(None, (change, words.conditions(step.conditions)))), step.ratio
