"""The tables behind section "What each change did"."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from harness.records import Contrast, Effect, Interval, Part, PartAnalysis
from harness.report import numbers, words
from harness.report.lookup import Run
from harness.report.shown import Column, Entry, Table
from harness.report.text import label, safe

RATIO = Column("Time ratio [95 % interval]", True)
CHANGE = Column("Change of time, %", True)
TRIALS = Column("n, trials", True)
UNDER = Column("Under")


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


def effects_table(ordered: list[Contrast], plan: Part, part: PartAnalysis, run: Run) -> Table:
    under = bool(plan.varied_conditions)
    columns = (
        Column("Change"),
        *((UNDER,) if under else ()),
        Column("Verdict"),
        RATIO,
        CHANGE,
        TRIALS,
        Column("Blocks kept", True),
        Column("Detectable, %", True),
    )
    rows = [_effect_line(contrast, run, under=under) for contrast in ordered]
    if part.control:
        blank = (Entry(),) if under else ()
        first = (Entry(words.CONTROL), *blank, Entry(mark=words.CONTROL_MARK))
        rows.append((*first, *_ratio(part.control), Entry(), Entry()))
    return Table("Effects", columns, tuple(rows))


def _ratio(ratio: Interval | None) -> tuple[Entry, Entry, Entry]:
    if ratio is None:
        return Entry(), Entry(), Entry()
    return Entry(numbers.with_interval(ratio)), Entry(numbers.change(ratio)), Entry(str(ratio.n))


def _effect_line(contrast: Contrast, run: Run, *, under: bool) -> tuple[Entry, ...]:
    ratio = words.ratio(contrast)
    return (
        Entry(words.changes(contrast), note="; ".join(_notes(contrast, run))),
        *((Entry(run.varied(contrast)),) if under else ()),
        Entry(mark=words.CONTRAST_MARKS[contrast.verdict]),
        *_ratio(ratio),
        Entry(f"{contrast.kept_blocks} of {contrast.kept_blocks + contrast.excluded_blocks}"),
        Entry(numbers.brief(contrast.detectable * 100, 2) if ratio and contrast.detectable is not None else ""),
    )


def _notes(contrast: Contrast, run: Run) -> Iterator[str]:
    word = run.unsolved(contrast)
    if word:
        yield f"solver {label(word)}: the time of an unfinished computation"
    if contrast.reason and contrast.verdict != "withheld":
        yield safe(contrast.reason)
    if contrast.degraded:
        yield "degraded: under half the blocks survived"
    if contrast.clock == "cpu":
        yield "by process CPU time"
    if contrast.n_to_settle is not None:
        yield f"about {words.count(contrast.n_to_settle, 'trial')} would settle it"


def main_effects_table(part: PartAnalysis) -> Iterator[Table]:
    effects = [effect for effect in part.effects if len(effect.factors) == 1]
    under = any(effect.conditions for effect in effects)
    rows = tuple(
        (
            Entry(words.effect_name(effect)),
            *((Entry(words.conditions(effect.conditions)),) if under else ()),
            Entry(numbers.with_interval(effect.ratio)),
            Entry(numbers.change(effect.ratio)),
            Entry(str(effect.ratio.n)),
        )
        for effect in effects
    )
    if effects:
        columns = (Column("Main effect"), *((UNDER,) if under else ()), RATIO, CHANGE, TRIALS)
        yield Table("Main effects, averaged over all levels of the other switches", columns, rows)


def interaction_tables(part: PartAnalysis) -> Iterator[Table]:
    pairs = [effect for effect in part.effects if len(effect.factors) == 2]
    for where, group in groupby(pairs, key=lambda each: words.conditions(each.conditions)):
        yield _matrix(list(group), where)


def _matrix(pairs: list[Effect], where: str) -> Table:
    names = list(dict.fromkeys(name for effect in pairs for name in effect.factors))
    ratios = {frozenset(effect.factors): effect.ratio for effect in pairs}
    rows = []
    for place, first in enumerate(names[:-1]):
        known = [ratios.get(frozenset((first, second))) if at > place else None for at, second in enumerate(names)]
        shown = (Entry(numbers.with_interval(ratio) if ratio else "") for ratio in known[1:])
        rows.append((Entry(label(first)), *shown))
    caption = (
        "Interactions, as time ratios [95 % interval]: 1 where two changes multiply, below 1 where they help each other"
    )
    columns = (Column("With"), *(Column(label(name), True) for name in names[1:]))
    return Table(f"{caption}; {where}" if where else caption, columns, tuple(rows))
