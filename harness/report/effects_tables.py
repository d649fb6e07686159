"""The tables behind section "What each change did"."""

from __future__ import annotations

from collections.abc import Iterator

from harness.records import Effect, Part, PartAnalysis, ShapleyShare, Step
from harness.report import numbers, words
from harness.report.lookup import Run
from harness.report.shown import Column, Entry, Table
from harness.report.text import label

FIGURES = (
    Column("Time ratio [95 % interval]", True),
    Column("Change of time, %", True),
    Column("n, trials", True),
    Column("Floor, %", True),
    Column("Detectable, %", True),
)
UNDER = Column("Under")
AVERAGED = {
    "full_factorial": "averaged over all levels of the other switches",
    "fractional_factorial": "averaged over the cells of the fraction",
    "screening": "averaged over the cells of the design, the largest first; interactions of two are not estimated",
}


def figures(of: Effect | Step | ShapleyShare, part: PartAnalysis) -> tuple[Entry, ...]:
    """The floor is that of one cell against the baseline."""
    ratio = of.ratio
    shares = (numbers.bound(part.floor), numbers.bound(of.detectable))
    return tuple(map(Entry, (numbers.with_interval(ratio), numbers.change(ratio), str(ratio.n), *shares)))


def factors_table(plan: Part, run: Run) -> Table:
    kinds = run.manifest.switch_kinds.get(plan.system, {})
    rows = tuple(
        (
            Entry(label(name)),
            Entry(label(levels[0]) if levels else ""),
            Entry(", ".join(label(level) for level in levels[1:])),
            Entry(label(kinds.get(name, "not recorded"))),
        )
        for name, levels in plan.factors.items()
    )
    columns = (Column("Switch"), Column("Baseline"), Column("Tried against it"), Column("Numbers it gives"))
    return Table("What was varied", columns, rows)


def main_effects_table(plan: Part, part: PartAnalysis) -> Iterator[Table]:
    effects = [effect for effect in part.effects if len(effect.factors) == 1]
    under = any(effect.conditions for effect in effects)
    rows = tuple(
        (
            Entry(words.effect_name(effect)),
            *((Entry(words.conditions(effect.conditions)),) if under else ()),
            *figures(effect, part),
        )
        for effect in effects
    )
    if effects:
        columns = (Column("Main effect"), *((UNDER,) if under else ()), *FIGURES)
        yield Table(f"Main effects, {AVERAGED.get(plan.design, AVERAGED['full_factorial'])}", columns, rows)
